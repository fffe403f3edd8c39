"""What happens when something breaks: clients that leave or stop reading, killed workers, a killed house."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from freehold import control
from freehold.core.errors import SettingsError
from tests.integration.house_process import HELLO, RunningHouse, rest_of, running_house, until

TOML = """
[server]
port = 0
drain_s = 20
[endpoints]
endless = "fake:endless?rate=50&tokens=100000&context=200000"
flood = "fake:flood?tokens=100000&context=200000"
short = "fake:short?tokens=3"
"""
CHAT = "/v1/chat/completions"
DIALECTS = {
    CHAT: {"model": "endless", **HELLO},
    "/v1/completions": {"model": "endless", "prompt": "Once"},
    "/v1/messages": {"model": "endless", "max_tokens": 100000, **HELLO},
    "/v1/responses": {"model": "endless", "input": "Hello!"},
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunningHouse]:
    with running_house(tmp_path, TOML) as running:
        yield running


def _kill_workers(house: RunningHouse) -> None:
    workers = house.workers()
    assert workers
    for worker in workers:
        worker.kill()


@pytest.mark.parametrize("path", DIALECTS)
def test_a_client_that_leaves_its_stream_frees_the_engine(house: RunningHouse, path: str) -> None:
    client = house.open_stream(path, DIALECTS[path])
    assert house.busy() == 1
    client.close()
    until(lambda: house.busy() == 0)


def test_a_client_that_leaves_while_it_waits_for_a_whole_answer_frees_the_engine(house: RunningHouse) -> None:
    body = json.dumps(DIALECTS[CHAT]).encode()
    client = socket.create_connection(("127.0.0.1", house.port), timeout=60)
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    client.sendall(head.encode() + b"\r\n\r\n" + body)
    until(lambda: house.worker_slots() and house.busy() == 1)
    client.close()
    until(lambda: house.busy() == 0)


@pytest.mark.parametrize(
    ("path", "last"),
    [
        (CHAT, b'"code":"worker_lost"'),
        ("/v1/completions", b'"code":"worker_lost"'),
        ("/v1/messages", b"event: error"),
        ("/v1/responses", b"event: response.failed"),
    ],
)
def test_a_worker_killed_in_the_middle_ends_the_stream_with_an_error_and_the_next_request_works(
    house: RunningHouse, path: str, last: bytes
) -> None:
    client = house.open_stream(path, DIALECTS[path])
    _kill_workers(house)
    rest = rest_of(client)
    assert last in rest
    assert b"[DONE]" not in rest
    assert b"message_stop" not in rest
    until(lambda: house.chat("endless", max_tokens=2).status == 200)


def test_32_streams_all_end_with_an_error_when_their_worker_is_killed(house: RunningHouse) -> None:
    with ThreadPoolExecutor(32) as pool:
        clients = list(pool.map(lambda _: house.open_stream(CHAT, DIALECTS[CHAT]), range(32)))
        _kill_workers(house)
        rests = list(pool.map(rest_of, clients))
    assert len(rests) == 32
    assert all(b'"code":"worker_lost"' in rest and b"[DONE]" not in rest for rest in rests)
    until(lambda: house.chat("endless", max_tokens=2).status == 200)
    broken = 'freehold_broken_streams_total{code="worker_lost",endpoint="endless",route="/v1/chat/completions"}'
    assert house.metric(broken) == 32


def test_a_client_that_does_not_read_costs_no_memory(house: RunningHouse) -> None:
    assert house.chat("short").status == 200
    before = psutil.Process(house.process.pid).memory_info().rss
    clients = [house.open_stream(CHAT, {"model": "flood", **HELLO}) for _ in range(4)]
    until(lambda: house.chat("short").status == 200 and house.busy() == 4)
    seen_bytes = 0
    for client in clients:
        while seen_bytes < 4_000_000 * (clients.index(client) + 1):
            seen_bytes += len(client.recv(65536))
    grown = psutil.Process(house.process.pid).memory_info().rss - before
    assert seen_bytes >= 16_000_000
    assert grown < 12_000_000, grown
    for client in clients:
        client.close()
    until(lambda: house.busy() == 0)


def test_a_reload_swaps_the_model_and_drops_no_stream(house: RunningHouse, tmp_path: Path) -> None:
    client = house.open_stream(CHAT, DIALECTS[CHAT])
    (tmp_path / "freehold.toml").write_text(TOML.replace("fake:endless?rate=50&tokens=100000", "fake:other?tokens=7"))
    changes = control.reload(house.settings)
    assert any(line.startswith("endless:") and "fake:other" in line for line in changes)
    answer = house.chat("endless")
    assert answer.json["usage"]["completion_tokens"] == 7
    assert b"data: " in client.recv(65536)
    assert house.busy() == 1, "the old stream goes on where it began"
    client.close()


def test_a_reload_with_errors_changes_nothing(house: RunningHouse, tmp_path: Path) -> None:
    (tmp_path / "freehold.toml").write_text(TOML + 'broken = "nowhere:x"\n')
    with pytest.raises(SettingsError, match="broken"):
        control.reload(house.settings)
    assert house.chat("short").status == 200


def test_the_control_socket_tells_what_runs_and_stops_the_house(house: RunningHouse) -> None:
    assert house.chat("short").status == 200
    info = control.running(house.settings)
    assert info is not None
    assert (info.pid, info.address) == (house.process.pid, house.address)
    report = control.ps(house.settings)
    assert [row["name"] for row in report["endpoints"]] == ["endless", "flood", "short"]
    assert {"fake:short?tokens=3"} <= {row["build"] for row in report["workers"]}
    workers = house.workers()
    control.stop(house.settings)
    assert house.process.wait(timeout=60) == 0
    assert control.running(house.settings) is None
    assert not any(worker.is_running() for worker in workers)
    assert list(house.settings.runtime_dir.rglob("*.sock")) == []


def test_a_killed_house_leaves_no_process_and_the_next_one_starts(house: RunningHouse, tmp_path: Path) -> None:
    assert house.chat("short").status == 200
    workers = house.workers()
    assert workers
    house.process.kill()
    house.process.wait(timeout=60)
    until(lambda: not any(worker.is_running() for worker in workers))
    with running_house(tmp_path, TOML) as again:
        assert again.chat("short").status == 200


def _start(folder: Path, **environment: str) -> str:
    program = """
from freehold.core.errors import AddressInUseError
from freehold.core.settings import load
from freehold.server.serve import serve
try:
    serve(load())
except AddressInUseError as error:
    print(error)
"""
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return said.stdout


def test_a_second_house_on_one_home_is_refused_with_the_process_of_the_first(
    house: RunningHouse, tmp_path: Path
) -> None:
    said = _start(tmp_path)
    assert f"already running (process {house.process.pid})" in said
    assert "freehold stop" in said


def test_a_taken_port_is_named_with_the_command_that_helps(house: RunningHouse, tmp_path: Path) -> None:
    said = _start(tmp_path, FREEHOLD_HOME=str(tmp_path / "other"), FREEHOLD_PORT=str(house.port))
    assert f"Port {house.port} on 127.0.0.1 is taken" in said
    assert f"freehold up --port {house.port + 1}" in said
