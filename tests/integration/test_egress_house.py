"""A house that gave up its connections, with malicious code in its own process and in its worker: what each tried is
refused by the kernel, on record, and in the signed report. And what goes on."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from freehold import control
from freehold.core.errors import SettingsError
from freehold.core.settings import Settings, load
from freehold.egress.record import FOLDER
from freehold.engines.sandbox import house as sandbox
from freehold.engines.sandbox import landlock
from freehold.engines.sandbox.spoken import OF_LIBUV
from freehold.ledger.segments import segments
from freehold.ledger.verify import verify
from tests.certificates import write_pair
from tests.integration.commands import bearer, freehold
from tests.integration.house_process import DEADLINE_S, RunningHouse, until
from tests.servers.issuer import local_issuer

HERE = Path(__file__).parent
TOML = """
[server]
port = 0
{policy}
[endpoints]
{endpoints}
"""
BAD = ("--bad-workers",)
NOT_HELD = pytest.mark.skipif(bool(sandbox.lacking()), reason="; ".join(sandbox.lacking()))
pytestmark = NOT_HELD


@dataclass
class Grounds:
    """What malicious code would like to reach: another program's sockets, and a file."""

    folder: Path
    target: Path
    reached: list[bytes]


@pytest.fixture
def grounds(tmp_path: Path) -> Iterator[Grounds]:
    reached: list[bytes] = []
    with tempfile.TemporaryDirectory(prefix="fh-") as folder, contextlib.ExitStack() as ends:
        for address in (f"{folder}/n.sock", f"\0{folder}"):
            listener = ends.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(address)
            listener.listen()
            threading.Thread(target=_note, args=(listener, reached), daemon=True).start()
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside" / "file").write_text("not yours")
        target = tmp_path / "target.json"
        here = {
            "neighbor": f"{folder}/n.sock",
            "abstract": f"\0{folder}",
            "outside": str(tmp_path / "outside" / "file"),
        }
        victim = ends.enter_context(subprocess.Popen(["sleep", "600"]))
        ends.callback(victim.kill)
        target.write_text(json.dumps({**here, "process": str(victim.pid)}))
        yield Grounds(tmp_path, target, reached)


def _note(listener: socket.socket, reached: list[bytes]) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            client.close()
            reached.append(b"somebody")


@contextlib.contextmanager
def malicious_house(
    grounds: Grounds,
    *arguments: str,
    policy: str = "",
    endpoints: str = 'demo = "fake:demo?tokens=3"',
    toml: str | None = None,
    after: tuple[str, ...] = (),
) -> Iterator[RunningHouse]:
    """`toml` is the whole freehold.toml where `policy` and `endpoints` are not enough; `after` are options of `up`."""
    (grounds.folder / "freehold.toml").write_text(toml or TOML.format(policy=policy, endpoints=endpoints))
    environment = {**os.environ, "MALICIOUS": str(grounds.target)}
    process = subprocess.Popen(
        [sys.executable, str(HERE / "malicious_house.py"), *arguments, "up", "--quiet", *after],
        cwd=grounds.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, process.communicate()[1]
        running = RunningHouse(process, load(environment=environment, folder=grounds.folder), address)
        grounds.target.write_text(json.dumps({**json.loads(grounds.target.read_text()), "port": running.port}))
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_S)


def report(*arguments: str) -> subprocess.CompletedProcess[str]:
    return freehold("egress", *arguments)


def records(settings: Settings) -> list[dict[str, Any]]:
    files = segments(settings.ledger_folder / FOLDER)
    return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]


LOCAL_ONLY = "[policy]\negress = []"
REFUSED = {
    **dict.fromkeys(("tcp", "tcp over IPv6", "udp", "raw", "packet", "netlink"), "EPERM"),
    **dict.fromkeys(("another program's socket", "an abstract socket"), "EPERM"),
    **dict.fromkeys(("a file outside", "a new file outside"), "EACCES"),
    **dict.fromkeys(("ptrace", "memory of another process", "a descriptor of another process", "io_uring"), "EPERM"),
}
OF_THE_HOUSE = {
    **dict.fromkeys(("a client's connection, turned around", "the same by sending", "a program of its own"), "EPERM"),
}


def test_everything_malicious_code_tries_is_refused_recorded_and_in_the_signed_report(grounds: Grounds) -> None:
    assert subprocess.run([sys.executable, "-m", "freehold", "signing", "create"], check=False).returncode == 0
    with malicious_house(grounds, *BAD, policy=LOCAL_ONLY) as house:
        assert house.chat("demo").status == 200, "accepting, and reaching a worker, go on"
        tried = house.ask("GET", "/health/live").json
        assert tried.pop("dns").startswith("no name: ")
        assert tried == {**REFUSED, **OF_THE_HOUSE}
        assert house.chat("demo").status == 200
        until(
            lambda: {"fake worker of fake:demo?tokens=3", "the house"} <= {row["process"] for row in _attempts(house)}
        )
        shown = control.ps(house.settings)
    log = next((house.settings.home / "logs").glob("*.log")).read_text()
    (line,) = (line for line in log.splitlines() if line.startswith("malicious: "))
    by_worker = json.loads(line.removeprefix("malicious: "))
    assert by_worker.pop("dns").startswith("no name: ")
    assert by_worker == REFUSED
    assert grounds.reached == []
    assert (grounds.folder / "outside" / "file").read_text() == "not yours"
    assert [path.name for path in (grounds.folder / "outside").iterdir()] == ["file"]
    assert shown["egress"]["allowed"] == []
    assert {each["what"] for each in shown["workers"][0]["attempts"]} >= {"socket: IPv4 stream", "ptrace"}
    neighbor = json.loads(grounds.target.read_text())["neighbor"]
    both = {
        *("socket: IPv4 stream", "socket: IPv6 stream", "socket: IPv4 datagram", "socket: IPv4 raw"),
        *("socket: packet raw", "socket: netlink raw", "ptrace", "process_vm_readv", "pidfd_getfd", "io_uring_setup"),
    }
    by_process: dict[str, set[str]] = {}
    for row in _attempts(house):
        by_process.setdefault(row["process"], set()).add(row["what"])
        assert (row["fate"], row["by"]) == ("refused", "seccomp")
    assert both <= by_process["fake worker of fake:demo?tokens=3"]
    assert both <= by_process["the house"]
    turned = {"connect: 192.0.2.7:443", "sendto: a connection by TCP Fast Open"}
    assert {f"connect: {neighbor}", *turned} <= by_process["the house"]
    assert any(name.endswith(", started by the house") for name in by_process)
    assert verify(house.settings.ledger_folder / FOLDER).findings == []

    made = report("report")
    assert made.returncode == 0, made.stderr
    for words in (
        "connect: 192.0.2.7:443: refused by seccomp",
        f"connect: {neighbor}: refused",
        "io_uring_setup: refused",
    ):
        assert words in made.stdout
    assert "Refused files are enforced, not observed" in made.stdout
    (grounds.folder / "report.txt").write_text(made.stdout)
    checked = report("verify", "report.txt")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "This house's record is still what it was made of." in checked.stdout
    (grounds.folder / "report.txt").write_text(made.stdout.replace("connect: 192.0.2.7:443", "connect: 192.0.2.8:443"))
    assert report("verify", "report.txt").returncode == 1


def test_an_honest_house_and_its_workers_try_nothing_but_what_libuv_tries(grounds: Grounds) -> None:
    with malicious_house(grounds, policy=LOCAL_ONLY) as house:
        assert house.chat("demo").status == 200
    assert "TRIED\n    nothing that was observed\n" in report("report").stdout
    assert {record["what"] for record in _attempts(house)} <= {OF_LIBUV}
    document = json.loads(report("report", "--json").stdout)
    why = [gap["why"] for gap in document["gaps"]]
    assert [each for each in why if "lock" in each] == [], "each of them said its lock, and it is known"
    assert [each for each in why if "had ended" in each] == [], "its helpers ended with it"
    (run,) = document["runs"]
    gave_up = {each["process"]: each["enforced"] for each in run["processes"] if each["lock"] != "the house's"}
    assert len(gave_up) == 4 and all(gave_up.values()) and run["passed_over"] == 0


def test_the_same_code_in_a_house_that_is_not_restricted_gets_out(grounds: Grounds) -> None:
    """Or the test above would prove nothing."""
    with malicious_house(grounds) as house:
        tried = house.ask("GET", "/health/live").json
    for name in (
        "tcp",
        "udp",
        "another program's socket",
        "an abstract socket",
        "a file outside",
        "a program of its own",
    ):
        assert tried[name] == "done"
    assert grounds.reached
    made = report("report", "--json")
    document = json.loads(made.stdout)
    assert "not restricted" in " ".join(gap["why"] for gap in document["gaps"])
    assert document["runs"][0]["allowed"] is None


def _attempts(house: RunningHouse) -> list[dict[str, Any]]:
    return [record for record in records(house.settings) if record["kind"] == "attempt"]


def test_local_only_is_a_word_on_the_command_line(grounds: Grounds) -> None:
    (grounds.folder / "freehold.toml").write_text(TOML.format(policy="", endpoints='far = "openai:gpt-5"'))
    command = [sys.executable, "-m", "freehold", "up", "--local-only"]
    done = subprocess.run(command, cwd=grounds.folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "far: openai:gpt-5 is at api.openai.com:443, and the policy lets nothing leave this house." in done.stderr


def test_nothing_is_pulled_beside_a_house_that_was_started_with_local_only(grounds: Grounds) -> None:
    with malicious_house(grounds, after=("--local-only",)) as house:
        assert house.chat("demo").status == 200
        assert "It may connect to nothing; the kernel holds it to that." in freehold("ps").stdout
        refused = freehold("pull", "https://127.0.0.1:9/x.gguf")
    assert refused.returncode == 1
    assert "the house that runs here is held to connecting to nothing." in refused.stderr
    assert "freehold stop" in refused.stderr


def test_nothing_is_pulled_where_nothing_may_leave(grounds: Grounds) -> None:
    for arguments in (["up", "--local-only", "--pull", "smollm2-135m-instruct"], ["pull", "smollm2-135m-instruct"]):
        policy = LOCAL_ONLY if arguments[0] == "pull" else ""
        (grounds.folder / "freehold.toml").write_text(policy)
        command = [sys.executable, "-m", "freehold", *arguments]
        done = subprocess.run(command, cwd=grounds.folder, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1
        assert "would be downloaded, and the policy lets nothing leave this house." in done.stderr
        assert "freehold bundle open" in done.stderr


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('[policy]\negress = []\n[engine]\nlock = "off"', 'lock = "off" lets workers go anywhere: [engine]'),
        ('[policy]\negress = []\n[ledger]\nmode = "off"', "without a ledger nothing shows"),
        ('[policy]\negress = ["*.example.org:443"]', "names no single host"),
        ('[policy]\negress = ["example.org"]', "has no port"),
        ('[policy]\negress = "closed"', 'must be "open", or a list of HOST:PORT'),
    ],
)
def test_settings_that_a_restricted_house_could_not_keep_are_refused(grounds: Grounds, toml: str, words: str) -> None:
    (grounds.folder / "freehold.toml").write_text(f'{toml}\n[endpoints]\ndemo = "fake:demo"\n')
    command = [sys.executable, "-m", "freehold", "up", "--port", "0"]
    done = subprocess.run(command, cwd=grounds.folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2 and words in done.stderr


@pytest.mark.parametrize(
    ("early", "words"),
    [
        ("--early-socket", "The house has sockets open that are not its own: descriptor"),
        ("--early-thread", "2 threads run"),
    ],
)
def test_a_house_does_not_lock_itself_where_something_would_stay_outside(
    grounds: Grounds, early: str, words: str
) -> None:
    (grounds.folder / "freehold.toml").write_text(TOML.format(policy=LOCAL_ONLY, endpoints='demo = "fake:demo"'))
    command = [sys.executable, str(HERE / "malicious_house.py"), early, "up"]
    environment = {**os.environ, "MALICIOUS": str(grounds.target)}
    done = subprocess.run(
        command, cwd=grounds.folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert "So it does not start." in done.stderr


def test_a_restricted_house_restarts_its_workers_and_ends_with_its_broker(grounds: Grounds) -> None:
    with malicious_house(grounds, policy=LOCAL_ONLY) as house:
        assert house.chat("demo").status == 200
        (pid,) = {row["pid"] for row in control.ps(house.settings)["workers"]}
        os.kill(pid, signal.SIGKILL)
        assert until(lambda: house.chat("demo").status == 200)
        assert {row["pid"] for row in control.ps(house.settings)["workers"]} != {pid}
        broker = next(row["pid"] for row in records(house.settings) if row.get("process") == "the broker")
        os.kill(broker, signal.SIGKILL)
        assert house.process.wait(DEADLINE_S) == 3
    ended = {row["process"]: row["how"] for row in records(house.settings) if row["kind"] == "end"}
    assert ended["the broker"] == "its channel closed"
    gaps = json.loads(report("report", "--json").stdout)["gaps"]
    assert [gap["why"] for gap in gaps if gap["why"].startswith(f"the broker (process {broker}) had ended")]


def test_encrypted_connections_are_accepted_as_before_and_a_reload_gives_nothing_back(grounds: Grounds) -> None:
    certificate, key, _ = write_pair(grounds.folder)
    listen = f'[server]\nport = 0\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n'
    toml = TOML.format(policy=LOCAL_ONLY, endpoints='demo = "fake:demo?tokens=3"')
    with malicious_house(grounds, toml=toml.replace("[server]\nport = 0\n", listen)) as house:
        trust = ssl.create_default_context(cafile=str(certificate))
        client = http.client.HTTPSConnection("localhost", house.port, context=trust, timeout=DEADLINE_S)
        with contextlib.closing(client):
            client.request("GET", "/health/live")
            assert json.loads(client.getresponse().read())["tcp"] == "EPERM"
        file = grounds.folder / "freehold.toml"
        file.write_text(file.read_text().replace("egress = []", 'egress = "open"'))
        assert any("egress of [policy] are read at start" in line for line in control.reload(house.settings))
        file.write_text(file.read_text().replace('egress = "open"', 'egress = "open"\n[engine]\nlock = "off"'))
        with pytest.raises(SettingsError, match='lock = "off" lets workers go anywhere'):
            control.reload(house.settings)


def test_a_house_that_was_killed_leaves_a_gap_and_no_helper(grounds: Grounds) -> None:
    with malicious_house(grounds, policy=LOCAL_ONLY) as house:
        children = house.workers()
        house.process.kill()
        house.process.wait()
        until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))
    with malicious_house(grounds, policy=LOCAL_ONLY):
        pass
    document = json.loads(report("report", "--json").stdout)
    assert [run["ending"] for run in document["runs"]] == ["without a word", "stopped"]
    assert any("ended without a word" in gap["why"] for gap in document["gaps"])
    assert document["record"]["findings"] == []


def test_a_record_that_was_changed_is_found_by_a_report_that_was_kept(grounds: Grounds) -> None:
    with malicious_house(grounds, policy=LOCAL_ONLY) as house:
        house.ask("GET", "/health/live")
        until(lambda: _attempts(house))
    (grounds.folder / "kept.json").write_text(report("report", "--json").stdout)
    assert report("verify", "kept.json").returncode == 4, "nobody signed it"
    (path,) = segments(house.settings.ledger_folder / FOLDER)
    path.write_bytes(path.read_bytes().replace(b"192.0.2.7", b"192.0.2.8"))
    checked = report("verify", "kept.json")
    assert checked.returncode == 1 and "edited" in checked.stdout
    assert "NOT WHOLE" in report("report").stdout


def test_what_the_policy_lists_is_reached_through_the_broker_and_nothing_else(grounds: Grounds) -> None:
    with _upstream() as (port, asked):
        far = f'far = {{ ref = "openai+http://127.0.0.1:{port}/v1:big" }}'
        policy = f'[policy]\negress = ["127.0.0.1:{port}"]'
        with malicious_house(grounds, policy=policy, endpoints=far) as house:
            assert house.chat("far").status == 200
            by_ports = "the kernel holds it to the ports, and its broker's own program to the hosts"
            held = by_ports if (landlock.version() or 0) >= 4 else "its broker's own program holds it to that"
            assert f"It may connect to 127.0.0.1:{port}; {held}" in freehold("ps").stdout
            assert asked and asked[0].startswith(b"POST /v1/chat/completions")
            assert house.ask("GET", "/health/live").json["tcp"] == "EPERM", "the house itself still connects to nothing"
    (connection,) = (record for record in records(house.settings) if record["kind"] == "connection")
    assert (connection["peer"], connection["fate"]) == (f"127.0.0.1:{port}", "connected")
    assert f"127.0.0.1:{port}: connected" in report("report").stdout


def test_an_address_of_any_length_that_somebody_else_names_is_refused_and_costs_nobody_the_house(
    grounds: Grounds,
) -> None:
    with local_issuer() as firm:
        firm.keys_at = f"https://{'a' * 20_000}.example/keys"
        listed = f'[policy]\negress = ["{firm.url.removeprefix("http://")}"]\n'
        sign_on = f'[sign_on]\nissuer = "{firm.url}"\naudience = "freehold"'
        with malicious_house(grounds, policy=f"{listed}{sign_on}") as house:
            refused = house.ask("GET", "/v1/models", headers=bearer(firm.token()))
            assert (refused.status, refused.error["code"]) == (503, "sign_on_unavailable")
            assert "it is not listed in [policy] egress" in refused.error["message"]
            assert house.ask("GET", "/health").status == 200
    fates = {row["fate"]: row["peer"] for row in records(house.settings) if row["kind"] == "connection"}
    assert len(fates["refused"]) < 300


@contextlib.contextmanager
def _upstream() -> Iterator[tuple[int, list[bytes]]]:
    """Somebody else's API: answers one chat, streamed, each time."""
    asked: list[bytes] = []
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "big"}
    told = {
        **chunk,
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    }
    body = f"data: {json.dumps(told)}\n\ndata: [DONE]\n\n".encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"

    def answer(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    asked.append(client.recv(65536))
                    client.sendall(head + body)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1], asked
