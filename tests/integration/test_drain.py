"""How a house ends: what it took is finished within a bound, what comes then is sent elsewhere, nothing is left."""

from __future__ import annotations

import http.client
import json
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from freehold import control
from freehold.cli.main import main
from freehold.ledger.verify import verify
from tests.integration.house_process import HELLO, RunningHouse, rest_of, running_house, until

TOML = """
[server]
port = 0
drain_s = {drain_s}
[endpoints]
endless = "fake:endless?rate=50&tokens=100000&context=200000"
few = "fake:few?rate=20&tokens=160"
short = "fake:short?tokens=3"
"""
CHAT = "/v1/chat/completions"
ENDLESS = {"model": "endless", **HELLO}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunningHouse]:
    with running_house(tmp_path, TOML.format(drain_s=40)) as running:
        yield running


def _end(house: RunningHouse) -> None:
    """Have the house drain; returns once it does."""
    house.process.send_signal(signal.SIGTERM)
    until(lambda: house.ask("GET", "/health").json["status"] == "closing")


def _kinds(house: RunningHouse) -> list[str]:
    lines = b"".join(path.read_bytes() for path in sorted(house.settings.ledger_folder.glob("records-*")))
    return [json.loads(line)["kind"] for line in lines.splitlines()]


def test_a_stream_is_finished_while_what_comes_is_told_to_go_elsewhere(
    house: RunningHouse, capsys: pytest.CaptureFixture[str]
) -> None:
    assert house.chat("short").status == 200
    kept_alive = http.client.HTTPConnection("127.0.0.1", house.port, timeout=60)
    kept_alive.request("GET", "/v1/models")
    kept_alive.getresponse().read()
    stream = house.open_stream(CHAT, {"model": "few", **HELLO})
    workers = house.workers()
    assert control.ps(house.settings)["closes_within_s"] is None
    _end(house)

    assert 0 < control.ps(house.settings)["closes_within_s"] <= 40
    assert main(["ps"]) == 0
    said = capsys.readouterr().out
    assert "It is closing: what is at work may end, at most" in said
    assert "ready" not in said.partition("WORKER OF")[0] and "closing" in said
    refused = house.chat("short")
    assert (refused.status, refused.error["code"]) == (503, "house_closing")
    assert refused.headers["connection"] == "close"
    assert 1 <= int(refused.headers["retry-after"]) <= 40
    assert refused.headers["x-should-retry"] == "true"
    kept_alive.request("GET", "/v1/models")
    answer = kept_alive.getresponse()
    assert (answer.status, answer.getheader("connection")) == (503, "close")
    assert (house.ask("GET", "/health/live").status, house.ask("GET", "/health/ready").status) == (200, 503)
    assert house.ask("POST", "/v1/messages", {"model": "short", "max_tokens": 3, **HELLO}).status == 503
    assert control.running(house.settings) is not None

    assert b"data: [DONE]" in rest_of(stream)
    assert house.process.wait(timeout=60) == 0
    assert not any(worker.is_running() for worker in workers)
    verdict = verify(house.settings.ledger_folder)
    assert (verdict.findings, verdict.open, verdict.requests) == ([], 0, 2)
    assert _kinds(house)[-1] == "stop"


def test_a_second_signal_ends_at_once_and_tells_those_who_wait(house: RunningHouse) -> None:
    stream = house.open_stream(CHAT, ENDLESS)
    whole = socket.create_connection(("127.0.0.1", house.port), timeout=60)
    body = json.dumps(ENDLESS).encode()
    whole.sendall(f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n".encode())
    whole.sendall(f"content-length: {len(body)}\r\n\r\n".encode() + body)
    until(lambda: house.busy() == 2)
    workers = house.workers()
    _end(house)
    house.process.send_signal(signal.SIGTERM)
    assert house.process.wait(timeout=30) == 0, "and not after the 40 s that a drain may take"
    cut = rest_of(stream)
    assert b'"code":"house_closing"' in cut and b"[DONE]" not in cut
    answer = rest_of(whole)
    assert answer.startswith(b"HTTP/1.1 503") and b'"code":"house_closing"' in answer
    assert not any(worker.is_running() for worker in workers)
    lines = house.settings.ledger_folder.glob("records-*")
    ends = [json.loads(line) for path in lines for line in path.read_bytes().splitlines()]
    assert [row["error"] for row in ends if row["kind"] == "outcome"] == ["house_closing"] * 2


def test_two_signals_at_once_tell_those_who_wait_as_well(house: RunningHouse) -> None:
    with ThreadPoolExecutor(1) as pool:
        whole = pool.submit(house.ask, "POST", CHAT, ENDLESS)
        until(lambda: house.busy() == 1)
        for number in (signal.SIGTERM, signal.SIGINT):
            house.process.send_signal(number)
        assert house.process.wait(timeout=30) == 0
    assert (whole.result().status, whole.result().error["code"]) == (503, "house_closing")


def test_a_client_that_takes_nothing_does_not_hold_up_a_second_signal(tmp_path: Path) -> None:
    toml = TOML.format(drain_s=40) + 'flood = "fake:flood?tokens=100000&context=200000"\n'
    with running_house(tmp_path, toml) as house:
        deaf = house.open_stream(CHAT, {"model": "flood", **HELLO})
        _end(house)
        house.process.send_signal(signal.SIGTERM)
        assert house.process.wait(timeout=30) == 0
        deaf.close()


def test_a_drain_that_runs_out_tells_the_client(tmp_path: Path) -> None:
    with running_house(tmp_path, TOML.format(drain_s=0.5)) as house:
        client = house.open_stream(CHAT, ENDLESS)
        house.process.send_signal(signal.SIGTERM)
        rest = rest_of(client)
        assert b"The house is closing." in rest
        assert b"[DONE]" not in rest
        assert house.process.wait(timeout=60) == 0


def test_a_house_with_nothing_at_work_ends_without_waiting(house: RunningHouse) -> None:
    assert house.chat("short").status == 200
    house.process.send_signal(signal.SIGTERM)
    assert house.process.wait(timeout=30) == 0, "and not after the 40 s that a drain may take"
