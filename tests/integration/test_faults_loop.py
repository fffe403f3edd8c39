"""kill -9 in a loop, of workers, of the house and of clients, and a worker that is stopped: what clients see, what is
recorded of it, and that nothing is left behind."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest

from freehold.ledger.requests import requests
from freehold.ledger.segments import segments
from freehold.ledger.verify import verify
from tests.integration.house_process import HELLO, RunningHouse, running_house, until
from tests.integration.traffic import LOST, REFUSED, Traffic, account

ENDPOINTS = ("one", "two", "three")
KILLS = 3  # of each; a worker that ends five times in a minute is given up, which is another promise
TOML = """
[server]
port = {port}
[ledger]
mode = "{mode}"
[endpoints]
one = "fake:one?tokens=3"
two = "fake:two?tokens=3"
three = "fake:three?tokens=3"
endless = "fake:endless?rate=50&tokens=100000&context=200000"
"""
CLIENT = """
import json, socket, sys
port, body = int(sys.argv[1]), sys.argv[2].encode()
client = socket.create_connection(("127.0.0.1", port))
head = "POST /v1/chat/completions HTTP/1.1\\r\\nhost: localhost\\r\\ncontent-type: application/json\\r\\n"
client.sendall(f"{head}content-length: {len(body)}\\r\\n\\r\\n".encode() + body)
while piece := client.recv(65536):
    if b"data: " in piece:
        print("begun", flush=True)
"""


@pytest.fixture
def toml() -> Callable[[str], str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return lambda mode: TOML.format(port=port, mode=mode)


def _worker_of(house: RunningHouse, endpoint: str) -> psutil.Process:
    """The process that answers for `endpoint`, once it does."""
    assert until(lambda: house.chat(endpoint).status == 200)
    report = json.loads(house.over_control("/admin/ps"))
    (pid,) = [worker["pid"] for worker in report["workers"] if worker["build"].startswith(f"fake:{endpoint}?")]
    return psutil.Process(pid)


def test_workers_that_are_killed_again_and_again_cost_their_own_requests_and_no_record(
    tmp_path: Path, toml: Callable[[str], str]
) -> None:
    with running_house(tmp_path, toml("strict")) as house:
        traffic = Traffic(house.port, ENDPOINTS)
        with traffic.running():
            traffic.goes_on()
            for _ in range(KILLS):
                for endpoint in ENDPOINTS:
                    _worker_of(house, endpoint).kill()
                    traffic.goes_on()
        workers = house.workers()
    assert set(traffic.seen.values()) <= {200, 502, 503}, "each was answered, or told that its worker was lost"
    ended = account(house.settings.ledger_folder, traffic, _own(house))
    assert ended["done"] >= traffic.answered() and ended["interrupted"] == 0
    assert not any(worker.is_running() for worker in workers)


def _own(house: RunningHouse) -> Traffic:
    """What this test itself asked, under the ids that the house gave."""
    mine = Traffic(house.port, ENDPOINTS, clients=0)
    rows = requests(house.settings.ledger_folder)
    mine.seen = {row["request"]: "mine" for row in rows if row["request"].startswith("req_")}
    return mine


@pytest.mark.parametrize("mode", ["strict", "relaxed"])
def test_a_house_that_is_killed_again_and_again_leaves_no_process_and_a_whole_ledger(
    tmp_path: Path, toml: Callable[[str], str], mode: str
) -> None:
    before = 0
    port = int(toml(mode).partition("port = ")[2].split()[0])
    traffic = Traffic(port, ENDPOINTS)
    with traffic.running():
        for _ in range(4):
            with pytest.raises(_KilledError), running_house(tmp_path, toml(mode)) as house:
                traffic.goes_on()
                workers = house.workers()
                assert workers
                house.process.kill()
                house.process.wait()
                until(partial(_are_gone, workers))
                verdict = verify(house.settings.ledger_folder)
                assert verdict.findings == [] and verdict.requests > before
                before = verdict.requests
                raise _KilledError
        with running_house(tmp_path, toml(mode)) as house:
            traffic.goes_on()
    assert set(traffic.seen.values()) <= {200, 502, 503, LOST, REFUSED}
    ended = account(house.settings.ledger_folder, traffic)
    assert ended["done"] >= traffic.answered()


def _are_gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() for process in processes)


class _KilledError(Exception):
    """Leaves the house of one turn."""


def test_clients_that_are_killed_free_the_engine_and_are_recorded_as_gone(
    tmp_path: Path, toml: Callable[[str], str]
) -> None:
    body = json.dumps({"model": "endless", "stream": True, **HELLO})
    with running_house(tmp_path, toml("relaxed")) as house:
        for _ in range(5):
            command = [sys.executable, "-c", CLIENT, str(house.port), body]
            client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert client.stdout is not None and client.stdout.readline() == "begun\n"
            client.kill()
            client.communicate()
            until(lambda: house.busy() == 0)
    rows = list(requests(house.settings.ledger_folder))
    assert [(row["outcome"], row["error"]) for row in rows] == [("stopped", "client_gone")] * 5


def test_a_worker_that_somebody_stopped_is_noticed_and_replaced_and_no_request_is_left_hanging(
    tmp_path: Path, toml: Callable[[str], str]
) -> None:
    with running_house(tmp_path, toml("relaxed")) as house:
        traffic = Traffic(house.port, ENDPOINTS)
        with traffic.running():
            traffic.goes_on()
            stopped = _worker_of(house, "one")
            stopped.send_signal(signal.SIGSTOP)
            until(lambda: not stopped.is_running())
            traffic.goes_on()
            assert house.chat("one").status == 200
    assert set(traffic.seen.values()) <= {200, 502, 503}
    account(house.settings.ledger_folder, traffic, _own(house))


def test_a_page_that_the_disk_lost_is_named_and_the_house_goes_on_behind_it(
    tmp_path: Path, toml: Callable[[str], str]
) -> None:
    with running_house(tmp_path, toml("strict")) as house:
        for _ in range(30):
            assert house.chat("one").status == 200
    (segment,) = segments(house.settings.ledger_folder)
    whole = segment.read_bytes()
    segment.write_bytes(whole[:4096] + bytes(4096) + whole[8192:])
    with running_house(tmp_path, toml("strict")) as again:
        assert again.chat("one").status == 200
    verdict = verify(house.settings.ledger_folder)
    assert [finding.kind for finding in verdict.findings] == ["damaged"]
    (finding,) = verdict.findings
    lost = [json.loads(line)["seq"] for line in whole[:8192].splitlines()[:-1]]
    assert 1 < finding.first <= finding.last <= lost[-1] + 1
    assert verdict.requests >= 15, "what stands before and behind it is read"
