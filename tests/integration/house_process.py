"""A real house in a real process, with fake engines behind it, and plain sockets to speak to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from freehold.core.settings import Settings, load

DEADLINE_S = 60.0
_SERVE = """
from freehold.core.settings import load
from freehold.server.serve import serve
raise SystemExit(serve(load(), on_ready=lambda address: print(address, flush=True)))
"""
T = TypeVar("T")
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello!"}]}


def until(look: Callable[[], T]) -> T:
    """What `look` gives once it is true. Fails after DEADLINE_S."""
    end = time.monotonic() + DEADLINE_S
    while not (found := look()):
        assert time.monotonic() < end, f"still not so after {DEADLINE_S} s: {look}"
        select.select((), (), (), 0.01)
    return found


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def error(self) -> dict[str, Any]:
        return dict(self.json["error"])


@dataclass
class RunningHouse:
    """`host` and `port` are where it listens; `settings` what it was started with."""

    process: subprocess.Popen[str]
    settings: Settings
    address: str
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self.port = int(self.address.rpartition(":")[2])

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, raw: Any = None
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        data = raw if raw is not None else None if body is None else json.dumps(body)
        usual = {"content-type": "application/json"} if data is not None else {}
        try:
            connection.request(method, path, body=data, headers={**usual, **(headers or {})})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, found, response.read())
        finally:
            connection.close()

    def chat(self, model: str, **fields: Any) -> Reply:
        return self.ask("POST", "/v1/chat/completions", {"model": model, **HELLO, **fields})

    def open_stream(self, path: str, body: dict[str, Any], *, headers: dict[str, str] | None = None) -> socket.socket:
        """A connection on which the head and the first bytes of a streamed answer have come."""
        raw = json.dumps({**body, "stream": True}).encode()
        client = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        client.sendall(f"{head}connection: close\r\ncontent-length: {len(raw)}\r\n\r\n".encode() + raw)
        seen = b""
        while b"data: " not in seen:
            piece = client.recv(65536)
            assert piece, seen
            seen += piece
        assert seen.startswith(b"HTTP/1.1 200"), seen
        return client

    def worker_slots(self) -> list[dict[str, Any]]:
        """The slots of every worker, asked of the workers themselves."""
        found: list[dict[str, Any]] = []
        for path in self.settings.runtime_dir.rglob("*.sock"):
            if path.name != "house.sock":
                found += json.loads(_get_over(path, "/slots"))
        return found

    def over_control(self, target: str) -> bytes:
        """The body that the house's control socket answers with."""
        return _get_over(self.settings.runtime_dir / "house.sock", target)

    def busy(self) -> int:
        return sum(slot["is_processing"] for slot in self.worker_slots())

    def workers(self) -> list[psutil.Process]:
        """Every process below the house."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def metric(self, line_start: str) -> float:
        """The value of the sample whose line starts so; 0.0 where nothing was counted yet."""
        lines = self.ask("GET", "/metrics").raw.decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(line_start)), 0.0)


def rest_of(client: socket.socket) -> bytes:
    """Everything until the house closes the connection."""
    with client:
        return b"".join(iter(lambda: client.recv(65536), b""))


@contextmanager
def running_house(folder: Path, toml: str, *, stderr: Path | None = None, **environment: str) -> Iterator[RunningHouse]:
    """A house with `toml` as its freehold.toml; it is ended with SIGTERM and must end well. `stderr` is a file that
    gets what it says there."""
    with _running(folder, toml, ("-c", _SERVE), stderr, environment) as house:
        yield house


@contextmanager
def _running(
    folder: Path, toml: str, program: Sequence[str], stderr: Path | None, environment: Mapping[str, str]
) -> Iterator[RunningHouse]:
    (folder / "freehold.toml").write_text(toml)
    command = [sys.executable, *program]
    with contextlib.ExitStack() as files:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if stderr is None else files.enter_context(stderr.open("w")),
            text=True,
        )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, process.communicate()[1]
        yield RunningHouse(process, load(environment={**os.environ, **environment}, folder=folder), address)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


@contextmanager
def shared_house(
    paths: pytest.TempPathFactory, toml: str, *, program: Path | None = None, **environment: str
) -> Iterator[RunningHouse]:
    """A house for all tests of a module, in a folder and a home of its own: for tests that leave it as it was. What it
    says on stderr is in the file `log` of its folder; `program` serves another house than the usual."""
    folder = paths.mktemp("shared")
    own = {"FREEHOLD_HOME": str(folder / "home"), "XDG_CONFIG_HOME": str(folder), **environment}
    serving = ("-c", _SERVE) if program is None else (str(program),)
    with _running(folder, toml, serving, folder / "log", own) as house:
        yield house


def _get_over(path: Path, target: str) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(DEADLINE_S)
        client.connect(str(path))
        client.sendall(f"GET {target} HTTP/1.1\r\nhost: worker\r\nconnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    return answer.partition(b"\r\n\r\n")[2]
