"""A ledger that is not closed in order, but cancelled half-way or left by a loop that has ended: its chain is free."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from freehold.core.errors import LedgerError
from freehold.ledger import appender
from freehold.ledger.appender import TakenError, appending, is_appended_to
from freehold.ledger.chains import chains, opened_alone
from freehold.ledger.energy import Meter
from freehold.ledger.ledger import Ledger, opened
from freehold.ledger.recover import Found, look
from freehold.ledger.verify import verify
from tests.processes import DEADLINE_S, until
from tests.unit.test_ledger_disk import Disk
from tests.unit.test_ledger_verify import ASKED, found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


async def begun(folder: Path) -> Ledger:
    return await opened(folder, "strict", version="1")


def held(folder: Path) -> list[str]:
    """The files of the ledger that this process has open, and its threads."""
    links = (os.path.realpath(link) for link in Path("/proc/self/fd").iterdir())
    threads = (thread.name for thread in threading.enumerate() if thread.name == "ledger")
    return [*(path for path in links if path.startswith(str(folder))), *threads]


def size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


async def test_a_close_that_is_cancelled_goes_on_to_its_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = await begun(folder)
    ledger.admit(ASKED)
    disk = Disk(monkeypatch)
    closing = asyncio.create_task(ledger.close())
    await until(lambda: disk.asked == 1)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    with pytest.raises(TakenError):
        await begun(folder)
    disk.go_on.set()
    await until(lambda: not held(folder))
    await ledger.close()
    await (await begun(folder)).close()
    verdict = verify(folder)
    assert (found(verdict), verdict.open, verdict.interrupted) == ([], 0, 0)


def test_a_loop_that_ends_while_the_disk_is_slow_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)

    async def closed_too_late() -> None:
        closing = asyncio.create_task(ledger.close())
        await until(lambda: disk.asked == 1)
        closing.cancel()

    with asyncio.Runner() as runner:
        disk.go_on.set()
        ledger = runner.run(begun(folder))
        disk.asked = 0
        disk.go_on.clear()
        runner.run(closed_too_late())
    assert is_appended_to(folder)
    disk.go_on.set()
    asyncio.run(until(lambda: not held(folder)))
    assert not is_appended_to(folder)
    assert found(verify(folder)) == []


def test_what_nobody_closed_is_free_once_its_loop_has_ended(folder: Path) -> None:

    async def asked() -> None:
        ledger = await opened_alone(folder, "strict", version="1", meter=Meter([]))
        ledger.admit(ASKED)
        await ledger.durable()

    for _ in range(4):
        asyncio.run(asked())
    asyncio.run(_closed(folder / "local" / "1"))
    asyncio.run(until(lambda: not held(folder)))
    assert [place.number for place in chains(folder)] == ["1"]
    verdict = verify(folder / "local" / "1")
    assert (found(verdict), verdict.requests, verdict.open, verdict.interrupted) == ([], 4, 0, 4)


async def _closed(folder: Path) -> None:
    await (await begun(folder)).close()


async def test_nothing_is_written_after_the_end(folder: Path) -> None:
    chain = await appending(folder, strict=True)
    chain.begin()
    await chain.close()
    size = size_bytes(folder)
    chain.put(chain.chain.entry("note", {}))
    for ask in (chain.durable, chain.on_disk, chain.require):
        with pytest.raises(LedgerError, match="it is closed"):
            await ask()
    assert size_bytes(folder) == size


async def test_an_opening_that_is_cancelled_keeps_the_chain_until_its_thread_has_left_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, go_on = threading.Event(), threading.Event()

    def slow(place: Path) -> Found:
        looking.set()
        assert go_on.wait(DEADLINE_S)
        return look(place)

    monkeypatch.setattr(appender, "look", slow)
    opening = asyncio.create_task(begun(folder))
    await until(looking.is_set)
    opening.cancel()
    await asyncio.sleep(0)
    assert is_appended_to(folder) and not opening.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not is_appended_to(folder)
    assert held(folder) == []
