"""`freehold run` in pipes, and the commands around the store, as real processes on the real small model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.commands import freehold

pytestmark = pytest.mark.engine
NAME = "smollm2-135m-instruct"


@pytest.fixture
def held(smollm2_gguf: Path) -> str:
    done = freehold("pull", str(smollm2_gguf), "--in-place", "--quiet")
    assert (done.returncode, done.stdout) == (0, f"{NAME}:q4_1\n"), done.stderr
    return NAME


def test_a_pull_names_the_license_and_where_to_read_what_it_asks(smollm2_gguf: Path) -> None:
    done = freehold("pull", str(smollm2_gguf), "--in-place")
    (told,) = [line for line in done.stderr.splitlines() if "icense" in line]
    assert told.startswith(f"{NAME} (Apache License 2.0): ") and f"freehold license check {NAME}" in told


def test_a_folder_is_not_pulled_and_the_file_in_it_is_named(smollm2_gguf: Path) -> None:
    done = freehold("pull", str(smollm2_gguf.parent))
    assert f"{smollm2_gguf.parent} is a folder; name the .gguf in it." in done.stderr
    assert f"freehold pull {smollm2_gguf.parent}/" in done.stderr and done.returncode != 0


def test_the_answer_is_on_stdout_and_nothing_else_is(held: str) -> None:
    done = freehold("run", held, "The capital of France?", "--max-tokens", "20", "--temperature", "0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() and done.stdout.endswith("\n") and "\x1b" not in done.stdout


def test_what_is_piped_in_comes_before_the_prompt(held: str) -> None:
    long = freehold("run", held, "Repeat it.", "--json", "--max-tokens", "4", text="One two three four five.\n")
    short = freehold("run", held, "Repeat it.", "--json", "--max-tokens", "4")
    counts = [json.loads(done.stdout)["usage"]["prompt_tokens"] for done in (long, short)]
    assert counts[0] > counts[1] > 0


def test_programs_get_the_whole_answer(held: str) -> None:
    done = freehold("run", held, "Hi", "--max-tokens", "3", "--seed", "1", "--json")
    answer = json.loads(done.stdout)
    assert set(answer) == {"model", "text", "reasoning", "finish_reason", "usage", "timings", "digest"}
    assert (answer["model"], answer["finish_reason"]) == (held, "length")
    assert answer["usage"]["completion_tokens"] == 3 and answer["digest"].startswith("sha256:")


def test_an_answer_that_was_cut_is_said_on_stderr(held: str) -> None:
    done = freehold("run", held, "Tell a story.", "--max-tokens", "3")
    assert done.returncode == 0 and "cut" in done.stderr


def test_a_schema_file_shapes_the_answer(held: str, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    done = freehold("run", held, "Is water wet?", "--schema", "schema.json", "--max-tokens", "40")
    assert isinstance(json.loads(done.stdout)["ok"], bool), done.stderr


def test_what_is_not_held_is_the_answer_no_and_names_the_command() -> None:
    done = freehold("run", NAME, "Hi")
    assert done.returncode == 1
    assert f"freehold pull {NAME}" in done.stderr and done.stdout == ""


def test_no_prompt_is_a_wrong_call(held: str) -> None:
    done = freehold("run", held)
    assert done.returncode == 2 and "no prompt" in done.stderr


def test_a_broken_schema_file_is_named(held: str, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    done = freehold("run", held, "Hi", "--schema", "broken.json")
    assert done.returncode == 2 and "broken.json" in done.stderr


def test_a_reader_who_leaves_ends_the_answer_in_silence(held: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        command = [sys.executable, "-m", "freehold", "run", held, "Tell a very long story.", "--max-tokens", "400"]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stderr) == (141, "")


def test_a_build_is_listed_shown_and_removed(held: str, smollm2_gguf: Path) -> None:
    (listed,) = json.loads(freehold("list", "--json").stdout)
    assert (listed["model"], listed["quantization"], listed["size_bytes"]) == (NAME, "Q4_1", 98_362_432)
    assert NAME in freehold("list").stdout
    shown = freehold("show", listed["name"])
    assert shown.returncode == 0 and "apache-2.0" in shown.stdout.lower() and "unknown" in shown.stdout
    assert json.loads(freehold("show", listed["name"], "--json").stdout)["name"] == listed["name"]
    (of_model,) = json.loads(freehold("show", held, "--json").stdout)["held"]
    assert (of_model["name"], of_model["deed"]["digest"]) == (listed["name"], listed["digest"])
    refused = freehold("rm", held)
    assert refused.returncode == 2 and "--yes" in refused.stderr
    removed = freehold("rm", held, "--yes")
    assert removed.returncode == 0, removed.stderr
    assert smollm2_gguf.exists()
    assert json.loads(freehold("list", "--json").stdout) == []
    assert freehold("show", listed["name"]).returncode == 1
    assert json.loads(freehold("show", held, "--json").stdout)["held"] == []


def test_nothing_runs_is_the_answer_no() -> None:
    for command in ("ps", "reload"):
        done = freehold(command)
        assert done.returncode == 1 and "freehold up" in done.stdout
    assert freehold("stop").returncode == 0


def test_doctor_tells_what_is_there() -> None:
    done = freehold("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert {"python", "processor", "memory", "disk", "engine", "lock", "home", "store", "house"} <= findings.keys()
    assert findings["engine"]["level"] == "ok" and findings["store"]["mend"] == f"freehold pull {NAME}"
    assert done.returncode == int(any(finding["level"] == "fail" for finding in findings.values()))
    assert findings["package index"]["level"] == "unknown"
