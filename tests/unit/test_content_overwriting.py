"""What a kill leaves of keys that were replaced: the next start finds it, and overwrites it where it lies."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from freehold.ledger.content import house_key, overwriting
from freehold.ledger.content.house_key import FILE
from freehold.ledger.content.overwriting import finish, former_of, replaced
from freehold.ledger.content.places import places
from tests.kept_requests import CANARY, REQUESTS, Killed, Place


def _killed(*_: object, **__: object) -> None:
    raise Killed


def _beside(path: Path) -> list[str]:
    """The files whose names begin as this one's."""
    return sorted(each.name for each in path.parent.glob(f"{path.name}*") if not each.name.endswith("lock"))


def _opens_all(place: Place) -> bool:
    verdict = place.verdict()
    told = sum(CANARY in place.told(request) for request in place.requests())
    return (verdict.findings, verdict.sealed_otherwise, told) == ([], {}, REQUESTS)


@pytest.mark.parametrize("which", ["the house's", "the segment's"])
@pytest.mark.parametrize("then", ["a start", "another exchange"])
async def test_what_a_kill_left_before_it_was_overwritten_is_found_and_overwritten(
    place: Place, which: str, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (it,) = places(place.content)
    path = place.ring.path if which == "the house's" else it.about
    exchanged, lies_at, overwrites = path.read_bytes(), path.stat(), overwriting.overwrite

    def killed(descriptor: int, offset: int, size_bytes: int) -> None:
        if os.path.samestat(os.fstat(descriptor), lies_at):
            raise Killed
        overwrites(descriptor, offset, size_bytes)

    with path.open("rb") as lay:
        with pytest.raises(Killed), monkeypatch.context() as patched:
            patched.setattr(overwriting, "overwrite", killed)
            place.rekey()
        assert lay.read() == exchanged and path.read_bytes() != exchanged and _opens_all(place)
        if then == "a start":
            async with place.running():
                pass
        else:
            place.rekey()
        assert set(os.pread(lay.fileno(), 1 << 16, 0)) == {0}
    assert _beside(path) == [path.name] and _opens_all(place)


async def test_keys_that_were_being_written_when_they_were_cut_off_are_overwritten_by_the_next_start(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = place.ring.read()
    unfinished = place.ring.path.with_name("content.key.abcd0123.new")

    def cut_off(_: Path, data: bytes, **__: object) -> None:
        unfinished.write_bytes(data)
        raise Killed

    with pytest.raises(Killed), monkeypatch.context() as patched:
        patched.setattr(house_key, "replace_whole", cut_off)
        place.rekey()
    with unfinished.open("rb") as lay:
        assert old.value.hex().encode() in lay.read()
        async with place.running():
            pass
        assert set(os.pread(lay.fileno(), 1 << 16, 0)) == {0}
    assert _beside(place.ring.path) == ["content.key"] and _opens_all(place)


async def test_a_kill_before_the_new_key_is_there_costs_nothing_of_the_old(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = place.ring.path.read_bytes()
    os.link(place.ring.path, former_of(place.ring.path))
    async with place.running():
        pass
    assert place.ring.path.read_bytes() == whole and _beside(place.ring.path) == ["content.key"]
    os.link(place.ring.path, former_of(place.ring.path))
    copy = place.home / "put away"
    place.ring.path.rename(copy)  # as somebody would who keeps a copy
    finish(place.ring.path)
    assert copy.read_bytes() == whole and not former_of(place.ring.path).exists()
    copy.rename(place.ring.path)
    monkeypatch.setattr(house_key, "replace_whole", _killed)
    with pytest.raises(Killed):
        place.rekey()
    assert place.ring.path.read_bytes() == whole and _beside(place.ring.path) == ["content.key"]


async def test_a_file_system_without_second_names_exchanges_all_the_same(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refused)
    with place.ring.path.open("rb") as lay:
        place.rekey()
        assert set(lay.read()) == {0}
    assert _opens_all(place)


async def test_a_disk_that_takes_no_second_name_keeps_what_it_has(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    whole = place.ring.path.read_bytes()
    monkeypatch.setattr(os, "link", full)
    with pytest.raises(OSError, match="No space"), replaced(place.ring.path):
        pytest.fail("nothing is replaced")
    assert place.ring.path.read_bytes() == whole


async def test_a_start_waits_for_nobody_who_exchanges_keys(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copy(place.home / FILE, former_of(place.ring.path))
    with place.ring.alone():
        async with place.running():
            pass
    assert any("is being exchanged by another process" in message for message in caplog.messages)
    assert former_of(place.ring.path).exists()
