"""A served house's ledger: two records of whatever reaches an engine, none of what does not, whatever breaks."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from freehold.ledger.segments import segments
from freehold.ledger.verify import verify
from tests.integration.house_process import HELLO, RunningHouse, rest_of, running_house, until

TOML = """
[server]
port = 0
[ledger]
mode = "{mode}"
[endpoints]
small = "fake:small?tokens=3"
endless = "fake:endless?rate=50&tokens=100000&context=200000"
broken = "fake:broken?refuse-start"
"""
CHAT = "/v1/chat/completions"
ROUTES: dict[str, dict[str, Any]] = {
    CHAT: HELLO,
    "/v1/completions": {"prompt": "Once"},
    "/v1/messages": {"max_tokens": 20, **HELLO},
    "/v1/responses": {"input": "Hello!"},
    "/v1/embeddings": {"input": ["a river", "a stream"]},
    "/v1/tokenize": {"prompt": "a river"},
    "/v1/detokenize": {"tokens": [1, 2]},
    "/v1/messages/count_tokens": HELLO,
}
STREAMS = [CHAT, "/v1/completions", "/v1/messages", "/v1/responses"]
Record = dict[str, Any]


@pytest.fixture(params=["strict", "relaxed"])
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningHouse]:
    with running_house(tmp_path, TOML.format(mode=request.param)) as running:
        yield running


def records(house: RunningHouse) -> list[Record]:
    files = segments(house.settings.ledger_folder)
    return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]


def pairs(house: RunningHouse) -> list[tuple[Record, Record | None]]:
    """Every admission and its outcome."""
    found = records(house)
    ends = {record["of"]: record for record in found if record["kind"] == "outcome"}
    return [(record, ends.get(record["seq"])) for record in found if record["kind"] == "admission"]


def ended(house: RunningHouse, *, before: int = 0) -> tuple[Record, Record]:
    """The one request that came after those `before`, once it has ended."""
    ((admission, outcome),) = until(lambda: [pair for pair in pairs(house)[before:] if pair[1] is not None])
    assert outcome is not None and len(pairs(house)) == before + 1
    return admission, outcome


def test_every_route_that_reaches_an_engine_leaves_two_records_before_its_last_byte(house: RunningHouse) -> None:
    for number, (path, asked) in enumerate(ROUTES.items()):
        reply = house.ask("POST", path, {"model": "small", **asked}, headers={"x-request-id": f"my-own-{number}"})
        assert reply.status == 200, path
        ((admission, outcome),) = pairs(house)[number:]
        assert (admission["route"], admission["endpoint"], admission["request"]) == (path, "small", f"my-own-{number}")
        assert (admission["engine"], admission["key"], admission["build"]) == ("fake", None, None), path
        assert outcome is not None and (outcome["outcome"], outcome["error"]) == ("done", None), path
        assert 0 <= admission["queue_us"] <= outcome["total_us"], path
    assert verify(house.settings.ledger_folder).findings == []


def test_a_streams_outcome_has_the_engines_own_counts(house: RunningHouse) -> None:
    for number, path in enumerate(STREAMS):
        rest_of(house.open_stream(path, {"model": "small", **ROUTES[path]}))
        admission, outcome = ended(house, before=number)
        assert admission["route"] == path
        assert (outcome["outcome"], outcome["tokens_out"]) == ("done", 3), path
        assert outcome["tokens_in"] >= 1, path
        assert 0 < outcome["first_us"] <= outcome["total_us"], path
        assert outcome["energy_uj"] is None or outcome["energy_uj"] <= outcome["energy_most_uj"], path


def test_what_is_refused_before_an_engine_leaves_no_record(house: RunningHouse) -> None:
    for path, body in (
        (CHAT, {"model": "nobody", **HELLO}),
        (CHAT, {"model": "small"}),
        (CHAT, {"model": "small", **HELLO, "functions": [{"name": "f"}]}),
        ("/v1/embeddings", {"model": "small", "input": "x", "dimensions": 3}),
        ("/v1/detokenize", {"model": "small", "tokens": ["x"]}),
    ):
        assert 400 <= house.ask("POST", path, body).status < 500
    assert pairs(house) == []


def test_no_word_of_a_prompt_or_an_answer_is_in_the_ledger(house: RunningHouse) -> None:
    body = {"model": "small", "user": "zanzibar", "messages": [{"role": "user", "content": "xylophone"}]}
    answer = house.ask("POST", CHAT, body).json["choices"][0]["message"]["content"]
    raw = b"".join(path.read_bytes() for path in segments(house.settings.ledger_folder))
    for word in ("xylophone", "zanzibar", answer):
        assert word.encode() not in raw


def test_a_client_that_leaves_is_recorded_as_one(house: RunningHouse) -> None:
    house.open_stream(CHAT, {"model": "endless", **HELLO}).close()
    _, outcome = ended(house)
    assert (outcome["outcome"], outcome["error"], outcome["tokens_out"]) == ("stopped", "client_gone", None)


def test_a_lost_worker_is_recorded_as_one(house: RunningHouse) -> None:
    client = house.open_stream(CHAT, {"model": "endless", **HELLO})
    for worker in house.workers():
        worker.kill()
    rest_of(client)
    _, outcome = ended(house)
    assert (outcome["outcome"], outcome["error"]) == ("failed", "worker_lost")


def test_a_model_that_cannot_start_fails_its_requests_and_usage_counts_them(house: RunningHouse) -> None:
    for path in (CHAT, "/v1/embeddings"):
        assert house.ask("POST", path, {"model": "broken", **ROUTES[path]}).status == 503
    assert house.chat("small").status == 200
    found = [(admission["endpoint"], outcome and outcome["error"]) for admission, outcome in pairs(house)]
    assert found == [("broken", "worker_not_started")] * 2 + [("small", None)]
    assert verify(house.settings.ledger_folder).findings == []
    by_endpoint = house.ask("GET", "/api/usage?by=endpoint").json["rows"]
    told = {row["endpoint"]: (row["requests"], row["done"], row["failed"]) for row in by_endpoint}
    assert told == {"broken": (2, 0, 2), "small": (1, 1, 0)}
    assert b"1 whole answers, 2 not done" in house.ask("GET", "/ui/usage").raw


def test_an_engines_refusal_is_an_admission_that_failed(house: RunningHouse) -> None:
    long = "word " * 300_000
    assert house.chat("endless", messages=[{"role": "user", "content": long}]).status == 400
    _, outcome = ended(house)
    assert (outcome["outcome"], outcome["error"]) == ("failed", "context_length_exceeded")


@pytest.mark.parametrize("mode", ["strict", "relaxed"])
def test_what_a_killed_house_left_open_is_closed_as_interrupted_by_the_next(tmp_path: Path, mode: str) -> None:
    with pytest.raises(AssertionError), running_house(tmp_path, TOML.format(mode=mode)) as first:
        clients = [first.open_stream(CHAT, {"model": "endless", **HELLO}) for _ in range(3)]
        assert first.chat("small").status == 200
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        assert verify(first.settings.ledger_folder).open == 3
        raise AssertionError("ended")
    for client in clients:
        client.close()
    with running_house(tmp_path, TOML.format(mode=mode)) as second:
        verdict = verify(second.settings.ledger_folder)
        assert (verdict.findings, verdict.open, verdict.interrupted, verdict.requests) == ([], 0, 3, 4)
        assert second.chat("small").status == 200


def test_a_house_that_is_stopped_says_so_of_what_it_cut_off(tmp_path: Path) -> None:
    toml = TOML.format(mode="relaxed").replace("port = 0", "port = 0\ndrain_s = 0.2")
    with running_house(tmp_path, toml) as house:
        client = house.open_stream(CHAT, {"model": "endless", **HELLO})
    client.close()
    _, outcome = ended(house)
    assert (outcome["outcome"], outcome["error"]) == ("stopped", "house_closing")
    assert records(house)[-1]["kind"] == "stop"
    assert verify(house.settings.ledger_folder).findings == []


def test_a_full_disk_lets_nothing_through_unrecorded_and_the_house_goes_on_when_there_is_room(
    house: RunningHouse,
) -> None:
    assert house.chat("small").status == 200
    # The kernel refuses to let any file of that process grow: what a full disk does, to it alone.
    process = psutil.Process(house.process.pid)
    before = process.rlimit(resource.RLIMIT_FSIZE)
    process.rlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    for _ in range(3):
        reply = house.chat("small")
        assert (reply.status, reply.error["code"]) == (503, "ledger_unavailable")
        assert "Make room" in reply.error["message"]
    assert house.ask("GET", "/health").status == 200
    process.rlimit(resource.RLIMIT_FSIZE, before)
    assert until(lambda: house.chat("small").status == 200)
    verdict = verify(house.settings.ledger_folder)
    assert (verdict.findings, verdict.open) == ([], 0)
    assert [outcome["error"] for _, outcome in pairs(house) if outcome] == [None, "ledger_unavailable", None]


def test_a_ledger_that_another_file_took_the_place_of_stops_the_house_from_answering_until_it_is_back(
    house: RunningHouse,
) -> None:
    assert house.chat("small").status == 200
    (path,) = segments(house.settings.ledger_folder)
    away = path.rename(path.with_name("taken-away"))
    assert until(lambda: house.chat("small").status == 503)
    assert {house.chat("small").status for _ in range(3)} == {503}
    away.rename(path)
    assert until(lambda: house.chat("small").status == 200)
    assert verify(house.settings.ledger_folder).findings == []


def test_a_ledger_that_cannot_be_written_keeps_the_house_from_starting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    toml = TOML.format(mode="relaxed").replace("[ledger]", f'[ledger]\nfolder = "{tmp_path}/file/ledger"')
    (tmp_path / "freehold.toml").write_text(toml)
    command = [sys.executable, "-m", "freehold", "up"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3
    assert f"The ledger cannot be written in {tmp_path}/file/ledger" in done.stderr
    assert "Not a directory" in done.stderr and "[ledger]" in done.stderr


def test_without_a_ledger_nothing_is_kept(tmp_path: Path) -> None:
    with running_house(tmp_path, TOML.format(mode="off")) as house:
        assert house.chat("small").status == 200
        assert not house.settings.ledger_folder.exists()
