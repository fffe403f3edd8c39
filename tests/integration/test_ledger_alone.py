"""Models that answer in a process of their own: what is on record of them, whatever becomes of the process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import freehold
from freehold.ledger.chains import chains
from freehold.ledger.requests import requests
from freehold.ledger.segments import segments
from freehold.ledger.verify import verify
from tests.integration.house_process import running_house

TOML = '[server]\nport = 0\n[endpoints]\nsmall = "fake:small?tokens=3"\n'
FAKE = "fake:demo?tokens=3"
ENDLESS = "fake:endless?rate=50&tokens=100000&context=200000"


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return program("-m", "freehold", *words)


def program(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )


def places(home: Path) -> list[str]:
    """Where the chains lie, below the home."""
    return [str(place.folder.relative_to(home)) for place in chains(home / "ledger")]


def kinds(folder: Path) -> list[str]:
    return [json.loads(line)["kind"] for path in segments(folder) for line in path.read_bytes().splitlines()]


def only(folder: Path) -> dict[str, Any]:
    """The one request on record there."""
    assert verify(folder).findings == []
    (row,) = requests(folder)
    return row


def test_an_answer_of_the_command_line_is_on_record(home: Path) -> None:
    done = command("run", FAKE, "Hello!")
    assert (done.returncode, done.stderr) == (0, "")
    row = only(home / "ledger" / "local" / "1")
    assert (row["route"], row["endpoint"], row["engine"], row["key"]) == ("local", FAKE, "fake", None)
    assert (row["outcome"], row["tokens_out"]) == ("done", 3)
    assert kinds(home / "ledger" / "local" / "1") == ["segment", "start", "admission", "outcome", "stop"]
    assert places(home) == ["ledger/local/1"]


def test_what_is_asked_by_the_name_of_an_endpoint_that_keeps_is_not_kept_without_its_house_and_help_says_so(
    home: Path, tmp_path: Path
) -> None:
    (tmp_path / "freehold.toml").write_text(f'[endpoints]\nadvice = {{ ref = "{FAKE}", keep_content = "5y" }}\n')
    assert command("run", "advice", "Hello!").returncode == 0
    row = only(home / "ledger" / "local" / "1")
    assert (row["endpoint"], row["route"]) == (FAKE, "local")
    assert not list(home.rglob("content*"))
    for name in ("run", "chat"):
        said = " ".join(command(name, "--help").stdout.split())
        assert "The ledger has two records of" in said and "whatever keep_content says" in said
    (tmp_path / "freehold.toml").write_text('[ledger]\nmode = "off"\n')
    assert command("run", FAKE, "Hello!").returncode == 0
    only(home / "ledger" / "local" / "1")


def test_each_process_has_a_chain_of_its_own_and_the_next_goes_on_with_the_first_that_is_free(home: Path) -> None:
    with freehold.open(FAKE) as first:
        with freehold.open(FAKE) as second:
            assert first.chat("a").text and second.chat("b").text
        assert second.ref == first.ref and places(home) == ["ledger/local/1", "ledger/local/2"]
        assert command("run", FAKE, "Hello!").returncode == 0
    found = {place: verify(home / place) for place in places(home)}
    assert [verdict.requests for verdict in found.values()] == [1, 2]
    assert all((verdict.findings, verdict.open) == ([], 0) for verdict in found.values())


def test_a_process_that_is_killed_leaves_its_request_on_record_and_the_next_closes_it(home: Path) -> None:
    lines = f"""
import freehold
model = freehold.open({ENDLESS!r})
for delta in model.stream("Hello!"):
    print("begun", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", lines], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        process.kill()
    folder = home / "ledger" / "local" / "1"
    assert verify(folder).open == 1
    assert command("run", FAKE, "Hello!").returncode == 0
    verdict = verify(folder)
    assert (verdict.findings, verdict.open, verdict.interrupted, verdict.requests) == ([], 0, 1, 2)


def test_a_model_that_is_never_closed_ends_its_chain_when_the_interpreter_does(home: Path) -> None:
    done = program("-c", f"import freehold; model = freehold.open({FAKE!r}); print(model.chat('Hello!').text)")
    assert (done.returncode, done.stderr, len(done.stdout.split())) == (0, "", 3)
    assert kinds(home / "ledger" / "local" / "1")[-2:] == ["outcome", "stop"]


def test_models_that_nobody_closed_leave_nothing_once_their_loop_has_ended(home: Path) -> None:
    lines = f"""
import asyncio, threading, freehold
async def ask():
    model = await freehold.open_async({FAKE!r})
    await model.chat("Hello!")
for _ in range(4):
    asyncio.run(ask())
print(sum(thread.name == "ledger" for thread in threading.enumerate()))
"""
    done = program("-c", lines)
    assert (done.returncode, done.stdout) == (0, "1\n") and "Traceback" not in done.stderr
    assert places(home) == ["ledger/local/1"]
    verdict = verify(home / "ledger" / "local" / "1")
    assert (verdict.findings, verdict.requests, verdict.open) == ([], 4, 0)


def test_what_the_running_house_answers_is_on_record_there_and_nowhere_else(home: Path, tmp_path: Path) -> None:
    with running_house(tmp_path, TOML):
        assert command("run", "small", "Hello!").returncode == 0
    assert places(home) == ["ledger"]
    assert only(home / "ledger")["route"] == "/v1/chat/completions"


def test_where_the_ledger_is_off_nothing_of_it_is_made(home: Path, tmp_path: Path) -> None:
    (tmp_path / "freehold.toml").write_text('[ledger]\nmode = "off"\n')
    assert command("run", FAKE, "Hello!").returncode == 0
    assert not (home / "ledger").exists()


def test_usage_and_export_take_the_chains_together_also_those_of_a_running_house(home: Path, tmp_path: Path) -> None:
    with running_house(tmp_path, TOML) as house:
        assert house.chat("small").status == 200
        assert command("run", FAKE, "Hello!").returncode == 0
        used = house.ask("GET", "/api/usage?by=endpoint").json["rows"]
        assert {row["endpoint"]: row["tokens_out"] for row in used} == {"small": 3, FAKE: 3}
        exported = [json.loads(line) for line in command("ledger", "export").stdout.splitlines()]
        assert [row["endpoint"] for row in exported] == ["small", FAKE]
        assert len({row["chain"] for row in exported}) == 2
        assert json.loads(command("usage", "--by", "endpoint", "--json").stdout) == used
