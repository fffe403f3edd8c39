"""The keys of what is kept are exchanged by a process that is killed before each of its changes of the disk in turn."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from freehold.ledger.content.places import places
from freehold.ledger.content.spans import spans
from tests.kept_requests import CANARY, WHY, Place, ask
from tests.unit.content_attack import openable

PROGRAM = Path(__file__).with_name("rekey_cut_off.py")
SEGMENTS = 2
CHANGES = 4 + 2 * 9 + 4 + 16 * SEGMENTS + (SEGMENTS - 1)
"""Before so many it can be cut off: of the locks, of the ring, twice, of the folders that it seals, of each segment,
and of the lock for each but the last."""


def _cut_off_at_each_change(whole: Path, work: Path) -> Iterator[tuple[Place, list[int]]]:
    """The home at `whole`, with its exchange cut off before its first change, its second, and so on to the last; and
    descriptors of the files with keys that it had before."""
    for step in count(1):
        place = Place(Path(shutil.copytree(whole, work / str(step))))
        with ExitStack() as held:
            keys = [place.ring.path, *place.content.glob("content-*.json"), *place.content.glob("content-*keys")]
            files = [held.enter_context(path.open("rb")).fileno() for path in keys]
            done = subprocess.run(
                [sys.executable, str(PROGRAM), str(place.home), str(step)],
                check=False,
                capture_output=True,
                text=True,
            )
            if done.returncode == 0:
                return
            assert done.returncode == -signal.SIGKILL, done.stderr
            yield place, files


def _in(texts: Iterable[str]) -> list[int]:
    """Which of the requests can be read in these."""
    whole = "".join(texts)
    return [number for number in range(6) if f"{CANARY} {number}'" in whole]


def _is_valid_or_zeros(descriptor: int) -> bool:
    """The file has a name still, or holds nothing of what it held."""
    found = os.fstat(descriptor)
    return found.st_nlink == 1 or set(os.pread(descriptor, found.st_size, 0)) == {0}


async def test_killed_anywhere_it_leaves_the_old_keys_or_the_new_and_called_again_it_ends(tmp_path: Path) -> None:
    whole = Place(tmp_path / "whole")
    for numbers in ((0, 1, 2), (3, 4)):
        async with whole.running() as ledger:
            for number in numbers:
                await ask(ledger, number)
    assert len(places(whole.content)) == SEGMENTS
    copy = Path(shutil.copytree(whole.content, tmp_path / "copy"))
    async with whole.running() as ledger:
        for name in ("req_1", "req_4"):
            (request,) = whole.requests(request=name)
            assert await ledger.erasures.erase(spans(request.names), WHY) == 2
    cut_off = 0
    for place, held in _cut_off_at_each_change(whole.home, tmp_path):
        cut_off += 1
        assert (place.verdict().findings, place.verdict().sealed_otherwise) == ([], {})
        assert _in(place.told(request) for request in place.requests()) == [0, 2, 3]
        async with place.running() as ledger:
            assert [len(it.every_keys()) for it in places(place.content)] == [1] * SEGMENTS
            assert len(held) == 1 + 2 * SEGMENTS and all(map(_is_valid_or_zeros, held))
            await ask(ledger, 5)
            (request,) = place.requests(request="req_2")
            assert await ledger.erasures.erase(spans(request.names), WHY) == 2
        made = place.rekey()
        assert (made.segments, made.unopened, len(place.ring.read())) == (SEGMENTS + 1, 0, 1)
        assert (place.verdict().findings, place.verdict().sealed_otherwise) == ([], {})
        told = openable([copy, place.content], place.ring.read())
        left = [path.name for path in place.home.rglob("*") if path.suffix in {".new", ".former"}]
        assert (_in(told), len(told), left) == ([0, 3, 5], 6, [])
    assert cut_off == CHANGES
