"""The house's key where it is not the one that something was sealed with, and where it opens more than one folder."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from pathlib import Path

import pytest

from freehold.core.errors import HouseKeyError, LedgerError
from freehold.ledger.content import sealed_folders
from freehold.ledger.content.container import KEY_BYTES
from freehold.ledger.content.house_key import FILE, HouseKey, KeyRing
from freehold.ledger.content.places import key_names, places
from freehold.ledger.content.rekeyed import Rekeyed
from freehold.ledger.content.rekeying import rekey
from freehold.ledger.content.sealed_folders import FILE_NAME, Sealed
from freehold.ledger.segments import segments
from freehold.python.alone import account
from tests.kept_requests import Place, ask
from tests.unit.test_deeds_cli import Terminal

WRONG = HouseKey(bytes(KEY_BYTES))


def _name(place: Place) -> str:
    (key,) = place.ring.read()
    return key.name


async def test_a_wrong_key_seals_nothing_and_its_house_is_told_what_to_do(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    right, copy = _name(place), (place.home / FILE).read_text()
    place.ring.write([WRONG])
    async with place.running() as ledger:
        with pytest.raises(HouseKeyError, match=f"{WRONG.name}, and what is kept in .* with {right}") as wrong:
            await ledger.contents.ready()
        assert all(word in str(wrong.value.hint) for word in ("your copy", "add its line below", "new-key"))
        with pytest.raises(LedgerError, match="the house's key cannot be used"):
            await ask(ledger, 7)
    code, told = await asyncio.to_thread(Terminal(capsys).json, "ledger", "verify")
    assert (code, told["clean"], told["sealed_otherwise"]) == (0, True, {right: 12})
    assert f"is sealed with {right}. Put your copy" in told["key_problem"]
    assert told["key_problem"] in (await asyncio.to_thread(Terminal(capsys), "ledger", "verify"))[2]
    (place.home / FILE).write_text((place.home / FILE).read_text() + copy)
    async with place.running() as ledger:
        await ledger.contents.ready()
        await ask(ledger, 7)
    assert place.verdict().sealed_otherwise == {}


async def test_a_copy_of_the_key_from_before_an_exchange_is_a_wrong_one(place: Place) -> None:
    former = place.ring.read()
    (place.home / FILE).unlink()
    assert place.rekey().unopened == 1, "what was kept is given up, and names that key for good"
    async with place.running() as ledger:
        await ledger.contents.ready()
        await ask(ledger, 7)
    place.ring.folders.path.write_text(f'{former[0].name} "ledger/content"\n{place.ring.folders.path.read_text()}')
    place.ring.write(former)  # of which an earlier version left its line
    async with place.running() as ledger:
        with pytest.raises(HouseKeyError, match="is sealed with"):
            await ledger.contents.ready()


async def test_what_is_sealed_with_a_wrong_key_is_given_up_as_where_it_is_missing(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    right = _name(place)
    place.ring.write([WRONG])
    code, _, err = await asyncio.to_thread(Terminal(capsys), "ledger", "new-key")
    assert code != 0 and "move keys/content.key away, and call this again" in err
    (place.home / FILE).unlink()
    code, told = await asyncio.to_thread(Terminal(capsys).json, "ledger", "new-key")
    assert (code, told["unopened"], told["damaged"]) == (0, 1, 0)
    async with place.running() as ledger:
        await ledger.contents.ready()
        await ask(ledger, 7)
    assert [*key_names(place.content)] == [_name(place), right]
    assert place.verdict().sealed_otherwise == {right: 12}


async def test_a_home_of_before_knows_its_key_by_what_it_sealed(place: Place) -> None:
    (place.home / FILE).with_name(FILE_NAME).unlink()
    async with place.running() as ledger:
        await ledger.contents.ready()
    place.ring.write([WRONG])
    async with place.running() as ledger:
        with pytest.raises(HouseKeyError, match="is sealed with"):
            await ledger.contents.ready()


async def test_a_damaged_segment_says_nothing_of_its_key(place: Place) -> None:
    for damaged in places(place.content):
        damaged.about.write_text("{}")
    place.ring.write([WRONG])
    assert place.ring.wrong(place.content) is None


async def test_a_key_that_is_exchanged_between_two_looks_is_not_called_wrong(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, before = KeyRing.read, place.ring.read()

    def slow(ring: KeyRing) -> tuple[HouseKey, ...]:
        nonlocal before
        found, before = before, ()
        return found or reads(ring)

    place.rekey()
    monkeypatch.setattr(KeyRing, "read", slow)
    assert place.ring.wrong(place.content) is None


async def test_an_exchange_leaves_a_record_of_who_made_it_and_of_the_names_of_the_keys(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    former = _name(place)
    code, made = await asyncio.to_thread(Terminal(capsys).json, "ledger", "new-key")
    assert (code, made["former"], made["key"]) == (0, [former], _name(place))
    (told,) = (await asyncio.to_thread(Terminal(capsys).json, "ledger", "verify"))[1]["rekeyings"]
    assert told == {"seq": 17, "at_ms": told["at_ms"], "by": account(), **made}
    err = (await asyncio.to_thread(Terminal(capsys), "ledger", "verify"))[2]
    assert f"were exchanged 1 time, last by {account()} for {_name(place)} (record 17)" in err
    secrets = [key.value.hex() for key in place.ring.read()]
    assert not any(secret in path.read_text() for path in segments(place.ledger) for secret in secrets)


async def test_the_old_key_goes_after_the_record_alone(place: Place) -> None:
    def refused(_: Rekeyed) -> None:
        assert place.verdict().sealed_otherwise == {}
        raise LedgerError("The ledger cannot be written.")

    former = _name(place)
    with pytest.raises(LedgerError, match="cannot be written"):
        rekey(place.content, place.ring, refused)
    fresh, old = place.ring.read()
    assert (old.name, place.verdict().sealed_otherwise) == (former, {})
    told: list[Rekeyed] = []
    rekey(place.content, place.ring, told.append)
    assert [(each.key, each.former) for each in told] == [(fresh.name, (former,)), (_name(place), (fresh.name,))]


async def test_what_is_damaged_has_a_record_too(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    (it,) = places(place.content)
    it.keys(0).rename(it.keys(0).with_name("aside"))
    assert (await asyncio.to_thread(Terminal(capsys), "ledger", "new-key"))[0] == 1
    (told,) = place.verdict().rekeyings
    assert told.made is not None and (told.made.segments, told.made.damaged) == (0, 1)


@pytest.mark.parametrize(
    "changed",
    [{"key": "x"}, {"key": 5}, {"former": "0" * 16}, {"former": [5]}, {"segments": -(2**53)}, {"damaged": None}],
    ids=str,
)
async def test_a_record_that_says_no_exchange_is_listed_without_one(place: Place, changed: dict[str, object]) -> None:
    fields = {**Rekeyed("0" * 16, ("1" * 16,), 1, 0).fields, **changed}
    async with place.running() as ledger:
        ledger.enter("rekey", {"by": "eve", **fields})
    assert [(each.by, each.made) for each in place.verdict().rekeyings] == [("eve", None)]


async def _two_ledgers(place: Place, tmp_path: Path) -> Place:
    """Another ledger of the same home, in a folder that other settings name."""
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "other.toml").write_text(f'[ledger]\nfolder = "{elsewhere / "ledger"}"\n')
    other = Place(elsewhere, place.time, key=place.ring.path)
    async with other.running() as ledger:
        await ask(ledger, 8)
    return other


async def test_a_key_that_opens_another_folder_too_is_not_exchanged_and_verify_says_so(
    place: Place, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await _two_ledgers(place, tmp_path)
    assert place.ring.folders.read() == [Sealed(_name(place), each.content) for each in (place, other)]
    for mine, theirs in ((place, other), (other, place)):
        if mine is other:
            monkeypatch.setenv("FREEHOLD_CONFIG", str(tmp_path / "other.toml"))
        code, _, err = await asyncio.to_thread(Terminal(capsys), "ledger", "new-key")
        assert code != 0 and f"What is kept in {theirs.content} is sealed with the key {_name(place)} too" in err
        assert f"opens {theirs.content} too" in (await asyncio.to_thread(Terminal(capsys), "ledger", "verify"))[2]
        _, told = await asyncio.to_thread(Terminal(capsys).json, "ledger", "verify")
        assert told["sealed_elsewhere"] == [str(theirs.content)]
    assert other.verdict().sealed_otherwise == place.verdict().sealed_otherwise == {}


async def test_a_folder_that_is_not_there_keeps_its_key_until_somebody_says_that_it_is_gone(
    place: Place, tmp_path: Path
) -> None:
    other = await _two_ledgers(place, tmp_path)
    away = other.home.rename(tmp_path / "away")
    with pytest.raises(HouseKeyError, match=f"{other.content} is not there") as refused:
        place.rekey()
    assert str(place.ring.folders.path) in str(refused.value.hint)
    away.rename(other.home)
    shutil.rmtree(other.content)
    other.content.mkdir()
    assert place.rekey().segments == 1, "nothing lies there any more"
    assert place.ring.folders.read() == [Sealed(_name(place), place.content)]


async def test_folders_below_the_home_move_along_with_it(place: Place, tmp_path: Path) -> None:
    assert '"ledger/content"' in place.ring.folders.path.read_text()
    moved = Place(place.home.rename(tmp_path / "moved"), place.time)
    assert moved.ring.folders.read() == [Sealed(_name(moved), moved.content)]
    assert moved.rekey().segments == 1
    assert moved.ring.folders.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("line", ["nonsense", f"{'0' * 16} nowhere", f"{'0' * 16} 5", f"ab {'[' * 999}"])
async def test_a_line_that_names_no_folder_is_told_and_nothing_is_exchanged(place: Place, line: str) -> None:
    with place.ring.folders.path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(HouseKeyError, match=r"content\.ledgers is damaged"):
        place.rekey()


async def test_keys_that_nobody_here_may_exchange_seal_all_the_same(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(code: int) -> None:
        def replace_whole(*_: object, **__: object) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(sealed_folders, "replace_whole", replace_whole)

    place.ring.folders.path.unlink()
    refused(errno.EROFS)
    assert place.ring.sealing(place.content) == place.ring.read()[0]
    assert any("is not named in" in message for message in caplog.messages)
    refused(errno.ENOSPC)
    with pytest.raises(HouseKeyError, match="No space left"):
        place.ring.sealing(place.content)
