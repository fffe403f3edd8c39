"""Which chain a process that answers without a house goes on with, and what it does where it can have none."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from freehold.core.errors import LedgerError
from freehold.egress.record import EgressRecord
from freehold.ledger import chains
from freehold.ledger import ledger as house
from freehold.ledger.energy import Meter
from freehold.ledger.ledger import Ledger
from freehold.ledger.record import NOTHING
from freehold.ledger.segments import Tail, segment_path, segments
from freehold.ledger.verify import verify
from freehold.python.backup_form import BACKUP, local_chain
from tests.unit.test_ledger_verify import ASKED, found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


async def begun(folder: Path) -> Ledger:
    return await chains.opened_alone(folder, "strict", version="1", meter=Meter([]))


def a_file(place: Path) -> None:
    place.write_bytes(b"")


def a_link_to_nothing(place: Path) -> None:
    place.symlink_to("nowhere")


def a_pipe_for_a_segment(place: Path) -> None:
    place.mkdir()
    os.mkfifo(segment_path(place, 1))


def a_pipe_for_what_is_set_aside(place: Path) -> None:
    place.mkdir()
    segment_path(place, 1).write_bytes(b"torn")
    os.mkfifo(place / "torn-000000000001")


def a_folder_for_the_lock(place: Path) -> None:
    (place / "lock").mkdir(parents=True)


def a_newer_chain(place: Path) -> None:
    place.mkdir()
    line = f'{{"chain":"c","format":2,"kind":"segment","open":[],"prev":"{NOTHING}","seq":1}}\n'
    segment_path(place, 1).write_text(line)


def a_file_for_all_chains(folder: Path) -> None:
    folder.mkdir()
    (folder / "local").write_bytes(b"")


@pytest.mark.parametrize(
    "occupy",
    [
        a_file,
        a_link_to_nothing,
        a_pipe_for_a_segment,
        a_pipe_for_what_is_set_aside,
        a_folder_for_the_lock,
        a_newer_chain,
    ],
)
async def test_it_goes_on_with_the_next_where_one_cannot_be_used(folder: Path, occupy: Callable[[Path], None]) -> None:
    (folder / "local").mkdir(parents=True)
    occupy(folder / "local" / "1")
    await (await begun(folder)).close()
    verdict = verify(folder / "local" / "2")
    assert (found(verdict), verdict.records) == ([], 3)
    assert not (folder / "local" / "3").exists()


async def test_where_there_can_be_no_chain_at_all_it_says_where_and_what_to_do(folder: Path) -> None:
    a_file_for_all_chains(folder)
    with pytest.raises(LedgerError, match=re.escape(str(folder / "local"))) as raised:
        await begun(folder)
    assert "[ledger]" in raised.value.hint and 'mode = "off"' in raised.value.hint


async def test_a_disk_that_takes_nothing_is_told_and_no_other_chain_is_tried(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Tail, __: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Tail, "sync", full)
    with pytest.raises(LedgerError, match="No space left"):
        await begun(folder)
    assert [path.name for path in (folder / "local").iterdir()] == ["1"]


async def test_it_stops_at_the_last_number(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "LAST", 2)
    first, second = await begun(folder), await begun(folder)
    with pytest.raises(LedgerError, match="Each of the 2 chains"):
        await begun(folder)
    await first.close()
    third = await begun(folder)
    await second.close()
    await third.close()
    assert [place.number for place in chains.chains(folder)] == ["1", "2"]


@pytest.mark.parametrize(("number", "is_one"), [(0, False), (1, True), (chains.LAST, True), (chains.LAST + 1, False)])
def test_what_is_written_is_found_and_backed_up(folder: Path, number: int, is_one: bool) -> None:
    name = str(number)
    place = folder / chains.LOCAL / name
    place.mkdir(parents=True)
    segment_path(place, 1).write_bytes(b"")
    assert (place in [each.folder for each in chains.chains(folder)]) is is_one
    assert BACKUP.is_path(f"{local_chain(name)}/{segment_path(place, 1).name}") is is_one


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_umask")
async def test_every_folder_that_it_makes_is_its_owners_alone(folder: Path) -> None:
    await (await begun(folder)).close()
    made = (folder, folder / "local", folder / "local" / "1")
    assert [stat.S_IMODE(each.stat().st_mode) for each in made] == [0o700] * 3


@pytest.mark.usefixtures("usual_umask")
async def test_so_are_those_of_a_house_whose_first_record_is_of_what_leaves(folder: Path) -> None:
    record = EgressRecord(folder)
    await record.begin(version="1", allowed=None, strict=True)
    await record.close()
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, folder / "egress")] == [0o700] * 2


async def test_what_the_next_start_has_to_read_is_short(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "ALONE_SEGMENT_BYTES", 2000)
    ledger = await begun(folder)
    for _ in range(20):
        ledger.admit(ASKED)
    await ledger.close()
    place = folder / "local" / "1"
    assert len(segments(place)) > 3
    assert max(path.stat().st_size for path in segments(place)) < 4000
    assert (found(verify(place)), verify(place).requests) == ([], 20)
