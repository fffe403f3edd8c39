"""Pulls of the real small model that are killed, doubled and interrupted, proven from the server's side."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.core.refs import parse
from freehold.store.store import Store
from tests.servers.files import FileServer, file_server

CHILD = Path(__file__).with_name("pull_child.py")
NAME = "smollm2-135m-instruct:q4_1"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        yield running


class Puller:
    """A child process that pulls. Ends with its context, killed if it still runs."""

    def __init__(self, home: Path, ref: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), str(home), ref], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Puller:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.communicate()

    def until(self, what: str) -> str:
        """Read its lines until one starts with `what`; that line."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(what):
                return line.strip()
        raise AssertionError(f"ended without {what!r}: {self.process.stderr and self.process.stderr.read()}")

    def until_at(self, nbytes: int) -> int:
        """Read until at least `nbytes` are on disk; how many are."""
        while (done := int(self.until("at ").removeprefix("at "))) < nbytes:
            pass
        return done

    def finished(self) -> None:
        assert self.process.wait() == 0


def nothing_visible(home: Path) -> bool:
    return Store(home).builds() == () and not list((home / "builds").glob("*"))


def test_a_pull_killed_at_half_goes_on_there_and_asks_only_for_the_rest(
    server: FileServer, home: Path, smollm2_gguf: Path
) -> None:
    data = smollm2_gguf.read_bytes()
    half = len(data) // 2
    url = server.put("/smol.gguf", data, stop_at=half)
    ref = f"{url}#sha256={'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53'}"
    with Puller(home, ref) as puller:
        puller.until_at(half - 1_000_000)
        puller.process.send_signal(signal.SIGKILL)
        assert puller.process.wait() == -signal.SIGKILL
    assert nothing_visible(home)
    (part,) = (home / "partial").glob("*/parts/0-0")
    kept_bytes = part.stat().st_size
    assert kept_bytes >= half - 1_000_000
    server.files["/smol.gguf"].stop_at = None
    server.files["/smol.gguf"].go.set()
    with Puller(home, ref) as puller:
        assert puller.until("held") == f"held {NAME}"
        puller.finished()
    assert server.ranges("/smol.gguf") == [None, f"bytes={kept_bytes}-"]
    assert [asked.status for asked in server.log] == [200, 206]
    build = Store(home).find(parse(NAME))
    assert build.files[0].read_bytes() == data
    assert list((home / "partial").iterdir()) == []


def test_a_pull_killed_again_and_again_still_arrives_whole(server: FileServer, home: Path, smollm2_gguf: Path) -> None:
    data = smollm2_gguf.read_bytes()
    url = server.put("/smol.gguf", data)
    served = server.files["/smol.gguf"]
    ref = f"{url}#sha256={'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53'}"
    for tenth in (1, 4, 7, 9):
        served.stop_at = len(data) * tenth // 10
        with Puller(home, ref) as puller:
            puller.until_at(served.stop_at - 1_000_000)
        assert nothing_visible(home)
        served.go.set()
        served.go = type(served.go)()
    served.stop_at = None
    with Puller(home, ref) as puller:
        puller.until("held")
        puller.finished()
    starts = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in server.ranges("/smol.gguf") if asked]
    assert len(starts) == 4
    assert starts == sorted(starts)
    assert Store(home).find(parse(NAME)).files[0].read_bytes() == data


def test_two_pulls_at_once_make_one_download(server: FileServer, home: Path, smollm2_gguf: Path) -> None:
    data = smollm2_gguf.read_bytes()
    ref = server.put("/smol.gguf", data, stop_at=len(data) // 2)
    with Puller(home, ref) as first:
        first.until_at(len(data) // 2 - 1_000_000)
        with Puller(home, ref) as second:
            assert "another process: waiting for it" in second.until("note ")
            server.files["/smol.gguf"].go.set()
            assert first.until("held") == second.until("held") == f"held {NAME}"
            first.finished()
            second.finished()
    assert server.ranges("/smol.gguf") == [None]


def test_a_pull_that_waits_takes_over_from_one_that_is_killed(
    server: FileServer, home: Path, smollm2_gguf: Path
) -> None:
    data = smollm2_gguf.read_bytes()
    half = len(data) // 2
    ref = server.put("/smol.gguf", data, stop_at=half)
    ref += "#sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    with Puller(home, ref) as first:
        first.until_at(half - 1_000_000)
        with Puller(home, ref) as second:
            second.until("note ")
            first.process.kill()
            first.process.wait()
            server.files["/smol.gguf"].go.set()
            second.until("held")
            second.finished()
    (start,) = [asked for asked in server.ranges("/smol.gguf") if asked]
    assert int(start.removeprefix("bytes=").removesuffix("-")) >= half - 1_000_000


def test_a_build_that_is_held_is_answered_without_asking_anybody(
    server: FileServer, home: Path, smollm2_gguf: Path
) -> None:
    ref = server.put("/smol.gguf", smollm2_gguf.read_bytes())
    for _ in range(2):
        with Puller(home, ref) as puller:
            puller.until("held")
            puller.finished()
    assert len(server.log) == 1
