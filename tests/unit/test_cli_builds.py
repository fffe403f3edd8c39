"""`freehold list`, `show`, `rm` on a store that a test wrote: what people and programs get to see."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from freehold.cli.main import main
from freehold.core.builds import WeightFacts
from freehold.store.deeds.document import read_deed, write_deed
from freehold.store.deeds.record import Deed, DeedFile, Labels, Origin, Statement, Verified
from freehold.store.layout import DEED_FILE, Layout

SHA256 = "ab" * 32
NOW = "2026-01-02T03:04:05.000006+00:00"


@pytest.fixture
def build(home: Path) -> str:
    """A held build that the catalog does not know, and of which nothing is known but what the file says."""
    folder = Layout(home).build(f"sha256:{SHA256}")
    folder.mkdir(parents=True)
    (folder / "own.gguf").write_bytes(b"GGUF" + bytes(996))
    facts = WeightFacts("gguf", "llama", "Q4_1", None, 2048, None, None, None, None, None, None)
    statement = Statement(
        digest=f"sha256:{SHA256}",
        files=(DeedFile("own.gguf", 1000, SHA256, "unverified: recorded"),),
        origin=Origin("https://mirror.example/own.gguf", "https://mirror.example/own.gguf", NOW),
        facts=facts,
        checks=("magic", "bounds"),
        freehold="0.1.0",
        kept_at=NOW,
    )
    write_deed(folder / DEED_FILE, Deed(statement, Labels(("own:q4_1",), NOW)))
    return "own:q4_1"


def test_the_list_says_where_from_and_that_nobody_named_the_hash(
    build: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["BUILD", "SIZE", "TYPE", "LICENSE", "SOURCE", "VERIFIED"]
    assert row.split() == [build, "1.0", "kB", "Q4_1", "unknown", "https://mirror.example/own.gguf", "no"]


def test_programs_get_stable_keys_and_null_for_unknown(build: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert set(row) == {
        *("name", "model", "digest", "size_bytes", "quantization", "parameters", "context_tokens"),
        *("license", "files", "source", "verified", "verified_by"),
    }
    assert (row["name"], row["license"], row["parameters"], row["verified"]) == (build, None, None, False)
    assert row["verified_by"] == "nobody"


@pytest.mark.parametrize(
    ("words", "who"), [("named by source", "source"), ("named by you", "you"), ("named by catalog", "catalog")]
)
def test_the_list_says_who_named_the_hash(
    build: str, home: Path, capsys: pytest.CaptureFixture[str], words: Verified, who: str
) -> None:
    path = Layout(home).build(f"sha256:{SHA256}") / DEED_FILE
    deed = read_deed(path)
    files = tuple(replace(file, verified=words) for file in deed.files)
    write_deed(path, Deed(replace(deed.statement, files=files), deed.labels))
    assert main(["list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith(f"by {who}")
    assert main(["list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["verified"], row["verified_by"]) == (True, who)


def test_the_deed_is_shown_in_full_and_what_nobody_said_is_unknown(
    build: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "own"]) == 0
    text = capsys.readouterr().out
    assert f"sha256 {SHA256}, unverified: recorded" in text and "on 2026-01-02 03:04 UTC" in text
    lines = {line.split("  ")[0].strip(): line for line in text.splitlines()}
    assert all(lines[name].endswith("unknown") for name in ("license", "publisher", "tuned from", "parameters"))
    assert main(["show", build, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["catalog"] is None and shown["deed"]["files"][0]["sha256"] == SHA256


def test_a_name_that_is_nearly_right_is_the_answer_no_with_the_nearest(
    build: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "owm:q4_1"]) == 1
    assert build in capsys.readouterr().err


def test_what_is_held_is_the_first_of_the_nearest(build: str, capsys: pytest.CaptureFixture[str]) -> None:
    held = build.partition(":")[0]
    assert main(["show", f"{held}-1b"]) == 1
    assert f"Nearest: {held}" in capsys.readouterr().err


def test_nothing_is_removed_without_a_yes(build: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rm", build]) == 2
    assert f"freehold rm {build} --yes" in capsys.readouterr().err
    assert Layout(home).build(f"sha256:{SHA256}").exists()


def test_removing_says_what_was_freed(build: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rm", build, "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": build, "freed_bytes": 1000}
    assert not Layout(home).build(f"sha256:{SHA256}").exists()
    assert main(["list"]) == 0
    said = capsys.readouterr().err
    assert "freehold pull" in said and "smollm2-135m-instruct" in said


def test_the_catalogs_builds_are_listed_without_being_held(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--catalog", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert ("smollm2-135m-instruct:q4_1", 98_362_432) in [(row["name"], row["size_bytes"]) for row in rows]
    assert main(["list", "--catalog"]) == 0
    header, *listed = capsys.readouterr().out.splitlines()
    assert header.split() == ["BUILD", "SIZE", "TYPE", "LICENSE", "SOURCE", "TITLE"]
    assert len(listed) == len(rows)
