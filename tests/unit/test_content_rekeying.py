"""An exchange of the keys: what it closes, and what readers and writers see of it meanwhile."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from freehold.core.errors import HouseKeyError, LedgerError
from freehold.ledger.content import current, destroying, erasing, rekeying, turns
from freehold.ledger.content.container import SLOT_BYTES, BrokenSealError
from freehold.ledger.content.places import Place as Files
from freehold.ledger.content.places import places, read_about, read_part
from freehold.ledger.content.shelf import Shelf, left, slots
from freehold.ledger.content.spans import spans
from freehold.ledger.content.turns import adding
from tests.kept_requests import CANARY, REQUESTS, WHY, Killed, Place, ask
from tests.unit.content_attack import openable
from tests.unit.test_deeds_cli import Terminal


def _copied(place: Place, to: Path) -> Path:
    return Path(shutil.copytree(place.content, to))


def _names(texts: set[str]) -> list[int]:
    """Which of the requests can be read in these."""
    return [number for number in range(100) if any(f"{CANARY} {number}'" in text for text in texts)]


async def test_a_new_key_closes_every_copy_from_before_to_what_was_erased(place: Place, tmp_path: Path) -> None:
    (request,) = place.requests(request="req_2")
    old = place.ring.read()
    async with place.running() as ledger:
        await ask(ledger, 6)
        before = _copied(place, tmp_path / "before")
        assert await ledger.erasures.erase(spans(request.names), WHY) == 2
        erased = _copied(place, tmp_path / "erased")
        assert _names(openable([before, erased, place.content], old)) == list(range(7)), "the attack works"
        assert place.rekey().segments == 2
        await ask(ledger, 7)
    everything = [before, erased, place.content]
    told = openable(everything, place.ring.read())
    assert _names(told) == [0, 1, 3, 4, 5, 6, 7]
    assert len(told) == 2 * (REQUESTS + 2) - 2, "neither what it asked nor what was answered"
    assert _names(openable([place.content], old)) == [], "the old key opens nothing that lies here"
    assert _names(openable(everything, old)) == list(range(7)), "and what the copies hold, as long as there is one"
    assert (place.verdict().findings, place.verdict().sealed_otherwise) == ([], {})


async def test_no_mixture_of_files_of_before_and_now_opens_what_was_erased_with_the_new_key(
    place: Place,
    tmp_path: Path,
) -> None:
    (request,), (other,) = place.requests(request="req_2"), place.requests(request="req_3")
    copies = {"old": _copied(place, tmp_path / "old")}
    async with place.running() as ledger:
        await ledger.erasures.erase(spans(request.names), WHY)
    place.rekey()
    copies["new"] = place.content
    there, opens = 0, []
    for about, keys, sealed in product(copies, repeat=3):
        mixed = Files(tmp_path / f"{about}-{keys}-{sealed}", places(place.content)[0].segment)
        mixed.folder.mkdir()
        shutil.copy(places(copies[about])[0].about, mixed.about)
        said = read_about(mixed)
        assert said is not None
        shutil.copy(next(iter(places(copies[keys])[0].every_keys().values())), mixed.keys(said.generation))
        shutil.copy(places(copies[sealed])[0].sealed, mixed.sealed)
        shelf = Shelf(mixed.folder, place.ring.read)
        if (found := shelf.find(request.names[0])) is not None:
            there += 1
            with pytest.raises(BrokenSealError):
                shelf.open(request.names[0], found)
        if (found := shelf.find(other.names[0])) is not None:
            try:
                shelf.open(other.names[0], found)
                opens.append((about, keys, sealed))
            except BrokenSealError:
                pass
    assert (there, opens) == (4, [("new", "new", "old"), ("new", "new", "new")])


async def test_what_an_earlier_version_wrote_opens_and_gets_new_keys(place: Place) -> None:
    (it,) = places(place.content)
    told = json.loads(it.about.read_bytes())
    assert told.pop("generation") == 0
    it.about.write_text(json.dumps({**told, "format": 1}))
    assert place.verdict().findings == []
    for generation in (1, 2):
        assert place.rekey().segments == 1
        assert list(it.every_keys()) == [generation]
        assert (place.verdict().findings, place.verdict().sealed_otherwise) == ([], {})
    assert [CANARY in place.told(request) for request in place.requests()] == [True] * REQUESTS


async def test_nothing_of_the_old_keys_is_left_where_they_lay(place: Place) -> None:
    (it,) = places(place.content)
    with it.about.open("rb") as about, it.keys(0).open("rb") as keys:
        place.rekey()
        assert set(about.read()) == set(keys.read()) == {0}
    assert not it.keys(0).exists() and it.keys(1).stat().st_mode & 0o777 == 0o600


async def test_what_was_changed_before_is_still_found_after(place: Place) -> None:
    (it,) = places(place.content)
    data = bytearray(it.keys(0).read_bytes())
    data[SLOT_BYTES - 1] ^= 1
    it.keys(0).write_bytes(data)
    place.rekey()
    assert [(finding.kind, finding.first) for finding in place.verdict().findings] == [("content closed", 3)]


async def test_the_only_key_to_what_lies_elsewhere_is_not_dropped(
    place: Place, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "elsewhere"
    (other / "content").mkdir(parents=True)
    (tmp_path / "other.toml").write_text(f'[ledger]\nfolder = "{other}"\n')
    monkeypatch.setenv("FREEHOLD_CONFIG", str(tmp_path / "other.toml"))
    code, _, err = await asyncio.to_thread(Terminal(capsys), "ledger", "new-key")
    assert code != 0 and f"Nothing in {other / 'content'} is sealed with the key" in err
    shutil.copytree(place.content, other / "content", dirs_exist_ok=True)
    code, _, err = await asyncio.to_thread(Terminal(capsys), "ledger", "new-key")
    assert code != 0 and f"What is kept in {place.content} is sealed with the key" in err
    assert (place.verdict().findings, place.verdict().sealed_otherwise) == ([], {})


def _lose_the_keys(it: Files) -> tuple[Path, Path]:
    return it.keys(0), it.keys(0).with_name("aside")


def _take_keys_for_those_of_another_exchange(it: Files) -> tuple[Path, Path]:
    return it.keys(0), it.keys(1)


def _lose_the_about_file(it: Files) -> tuple[Path, Path]:
    return it.about, it.about.with_name("aside")


@pytest.mark.parametrize("lost", [_lose_the_keys, _take_keys_for_those_of_another_exchange, _lose_the_about_file])
@pytest.mark.parametrize("segments", [1, 2])
async def test_what_is_not_whole_keeps_its_key_and_opens_once_it_is_mended(
    place: Place, lost: Callable[[Files], tuple[Path, Path]], segments: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (it,) = places(place.content)
    if segments > 1:
        async with place.running() as ledger:
            await ask(ledger, 7)
    there, away = lost(it)
    there.rename(away)
    for _ in range(3):
        code, out, err = await asyncio.to_thread(Terminal(capsys), "ledger", "new-key", "--json")
        told = json.loads(out)
        assert (code, told["segments"], told["damaged"], len(place.ring.read())) == (1, segments - 1, 1, 2), err
        async with place.running():
            pass
    away.rename(there)
    assert (place.verdict().findings, place.verdict().sealed_otherwise) == ([], {})
    assert (await asyncio.to_thread(Terminal(capsys), "ledger", "new-key"))[0] == 0 and len(place.ring.read()) == 1
    assert (place.verdict().findings, place.verdict().sealed_otherwise) == ([], {})


async def test_calls_that_fail_leave_one_more_key_in_all(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(rekeying, "_write_keys", full)
        for _ in range(5):
            with pytest.raises(OSError, match="No space"):
                place.rekey()
    first, _ = place.ring.read()
    assert place.rekey().key == first.name and len(place.ring.read()) == 1


async def test_what_the_chain_calls_erased_is_gone_before_keys_are_exchanged(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise Killed

    (request,) = place.requests(request="req_1")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        async with place.running() as ledger:
            patched.setattr(erasing, "destroy", killed)
            await ledger.erasures.erase(spans(request.names), WHY)
    with pytest.raises(LedgerError, match="an erasure was cut off"):
        place.rekey()
    assert (await asyncio.to_thread(Terminal(capsys), "ledger", "new-key"))[0] == 0
    assert _names(openable([place.content], place.ring.read())) == [0, 2, 3, 4, 5]


async def test_one_home_exchanges_its_keys_once_at_a_time(place: Place) -> None:
    with place.ring.alone(), pytest.raises(HouseKeyError, match="by another process"):
        place.rekey()


async def test_a_stray_name_is_no_segment(place: Place) -> None:
    for name in ("content-9.json", "content-9999999999999.json", "content-٠٠٠٠٠٠٠٠٠٠٠٩.json"):
        (place.content / name).write_text("{}")
    assert len(places(place.content)) == 1


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/null")])
async def test_what_is_no_file_holds_up_neither_an_exchange_nor_a_start(
    place: Place, make: Callable[[Path], None]
) -> None:
    (it,) = places(place.content)
    make(it.keys(5))
    with pytest.raises(OSError, match=r"\.5\.keys"):
        place.rekey()
    async with place.running() as ledger:
        await ask(ledger, 7)
    it.keys(5).rmdir() if it.keys(5).is_dir() else it.keys(5).unlink()
    assert place.rekey().unopened == 0
    assert (place.verdict().findings, place.verdict().sealed_otherwise) == ([], {})


@pytest.mark.parametrize("when", ["before", "after"])
async def test_who_reads_while_keys_are_exchanged_sees_the_old_or_the_new(
    place: Place,
    when: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exchange comes whole between a look at what the segment says and the reading of its keys, or behind that."""
    exchanged = 0

    def slow(path: Path, offset: int, size_bytes: int) -> bytes:
        nonlocal exchanged
        found = read_part(path, offset, size_bytes) if when == "after" else None
        if not exchanged:
            exchanged = 1
            place.rekey()
        return read_part(path, offset, size_bytes) if found is None else found

    (it,) = places(place.content)
    looks: list[tuple[Callable[[], object], int]] = [
        (lambda: len(list(left(it))), 2 * REQUESTS),
        (lambda: len(list(slots(it))), 2 * REQUESTS),
        (lambda: len(place.verdict().findings), 0),
    ]
    for look, expected in looks:
        exchanged = 0
        with monkeypatch.context() as patched:
            patched.setattr(current, "read_part", slow)
            assert (look(), exchanged) == (expected, 1)
        assert (place.verdict().findings, place.verdict().sealed_otherwise) == ([], {})


async def test_a_house_goes_on_in_another_segment_and_loses_nothing(place: Place) -> None:
    async with place.running() as ledger:
        for number in range(10, 14):
            await ask(ledger, number)
            place.rekey()
        await asyncio.gather(
            *(ask(ledger, number) for number in range(14, 80)),
            asyncio.to_thread(place.rekey),
        )
    assert (place.verdict().findings, place.verdict().sealed_otherwise) == ([], {})
    assert _names(openable([place.content], place.ring.read())) == [*range(REQUESTS), *range(10, 80)]


async def test_a_house_waits_for_no_exchange_that_does_not_go_on(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(turns, "ADDING_WAIT_S", 0.0)
    async with place.running() as ledger:
        with adding(place.content, alone=True), pytest.raises(LedgerError, match="cannot be kept"):
            await ask(ledger, 7)
        await ask(ledger, 8)
    assert any("by a process that does not go on" in message for message in caplog.messages)
    assert place.verdict().findings == []


async def test_keys_are_destroyed_beside_the_valid_ones_alone(place: Place) -> None:
    """Files of several days in one folder, which no exchange leaves, are no reason to destroy any of them."""
    (it,) = places(place.content)
    place.rekey()
    it.keys(1).rename(it.keys(0))
    async with place.running():
        pass
    assert {finding.kind for finding in place.verdict().findings} == {"content missing"}
    it.keys(0).rename(it.keys(1))
    assert (place.verdict().findings, place.verdict().sealed_otherwise) == ([], {})


async def test_who_reads_the_houses_key_while_it_is_replaced_reads_the_new_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens, replaced = os.open, 0

    def slow(path: Any, flags: int, *more: Any) -> int:
        nonlocal replaced
        descriptor = opens(path, flags, *more)
        if path == place.ring.path and not replaced:
            replaced = 1
            place.rekey()
        return descriptor

    monkeypatch.setattr(os, "open", slow)
    assert place.verdict().sealed_otherwise == {} and replaced


@pytest.mark.parametrize("where", [(rekeying, "replace_whole"), (destroying, "wipe")], ids=["before", "after"])
async def test_what_is_erased_after_an_exchange_was_cut_off_is_in_none_of_its_files(
    place: Place, where: tuple[ModuleType, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Cut off before the new keys are valid, or before the old are destroyed: the others lie beside the valid ones."""

    def killed(*_: object, **__: object) -> None:
        raise Killed

    (request,) = place.requests(request="req_2")
    (it,) = places(place.content)
    (tmp_path / "before").mkdir()
    shutil.copy(it.about, tmp_path / "before")
    async with place.running() as ledger:
        with monkeypatch.context() as patched, pytest.raises(Killed):
            module, name = where
            patched.setattr(module, name, killed)
            place.rekey()
        assert list(it.every_keys()) == [0, 1]
        await ledger.erasures.erase(spans(request.names), WHY)
        assert len(it.every_keys()) == 1
    assert _names(openable([tmp_path / "before", place.content], place.ring.read())) == [0, 1, 3, 4, 5]
    assert (place.verdict().findings, place.verdict().sealed_otherwise) == ([], {})
