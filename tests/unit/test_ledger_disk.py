"""A disk that fails under a ledger: what counts is on it once and in order, and what does not count is told."""

from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path

import pytest

from freehold.core.errors import LedgerError
from freehold.ledger import ledger as house
from freehold.ledger import writer
from freehold.ledger.ledger import Ledger, opened
from freehold.ledger.segments import Tail, segments
from freehold.ledger.verify import verify
from tests.processes import DEADLINE_S, until
from tests.unit.test_ledger_verify import ASKED, found


class Disk:
    """Takes `sync` from the ledger: the first waits until `go_on` is set; those whose number is in `fails` fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *fails: int) -> None:
        self.asked = 0
        self.go_on = threading.Event()
        self._fails = fails
        self._sync = Tail.sync
        monkeypatch.setattr(Tail, "sync", lambda tail, size_bytes: self._asked(tail, size_bytes))
        monkeypatch.setattr(writer, "RETRY_EVERY_S", 0.0)

    def _asked(self, tail: Tail, size_bytes: int) -> None:
        self.asked += 1
        number = self.asked
        if number == 1:
            assert self.go_on.wait(DEADLINE_S)
        if number in self._fails:
            raise OSError(errno.EIO, "Input/output error")
        self._sync(tail, size_bytes)


@pytest.fixture
async def ledger(tmp_path: Path) -> Ledger:
    return await opened(tmp_path / "ledger", "strict", version="1")


async def test_a_line_that_came_while_the_disk_was_asked_is_not_written_twice(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch, 2)
    ledger.admit(ASKED)
    first = asyncio.create_task(ledger.durable())
    await until(lambda: disk.asked == 1)
    ledger.admit(ASKED)
    disk.go_on.set()
    await first
    with pytest.raises(LedgerError, match="Input/output error"):
        await ledger.durable()
    await ledger.require()
    await ledger.close()
    verdict = verify(tmp_path / "ledger")
    assert (found(verdict), verdict.requests, verdict.open) == ([], 2, 0)


async def test_an_error_that_was_told_while_another_file_was_begun_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house, "SEGMENT_BYTES", 2000)
    ledger = await opened(tmp_path / "ledger", "strict", version="1")
    disk = Disk(monkeypatch, 1)
    ledger.admit(ASKED)
    first = asyncio.create_task(ledger.durable())
    await until(lambda: disk.asked == 1)
    for _ in range(20):
        ledger.admit(ASKED)
    disk.go_on.set()
    with pytest.raises(LedgerError, match="Input/output error"):
        await first
    await ledger.require()
    await ledger.close()
    verdict = verify(tmp_path / "ledger")
    assert (found(verdict), verdict.requests, verdict.open) == ([], 21, 0)
    assert len(segments(tmp_path / "ledger")) > 3


async def test_a_file_that_is_not_where_it_was_lets_nothing_through_until_it_is(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SYNC_EVERY_S", 0.01)
    monkeypatch.setattr(writer, "RETRY_EVERY_S", 0.0)
    (path,) = segments(tmp_path / "ledger")
    path.rename(tmp_path / "away")
    async with asyncio.timeout(DEADLINE_S):
        while await is_written(ledger):  # noqa: ASYNC110  # turns of the loop
            await asyncio.sleep(0)
    for _ in range(3):
        assert not await is_written(ledger)
    (tmp_path / "away").rename(path)
    await ledger.require()
    await ledger.close()
    assert found(verify(tmp_path / "ledger")) == []


async def is_written(ledger: Ledger) -> bool:
    try:
        await ledger.require()
    except LedgerError:
        return False
    return True
