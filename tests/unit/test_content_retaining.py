"""What is kept goes when its time is over, and not by a clock that is wrong for a while."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.core.disk import replace_whole
from freehold.core.errors import LedgerError
from freehold.gateway.keeping import Keeping
from freehold.ledger.content import erasing, note
from freehold.ledger.content.note import ERASING
from freehold.ledger.content.places import places
from freehold.ledger.content.retaining import UNNAMED_MS
from freehold.ledger.content.room import FILE, ROOM_BYTES
from freehold.ledger.content.segment import Segment
from freehold.ledger.content.shelf import left
from freehold.ledger.content.spans import spans
from freehold.ledger.content.turns import left_alone
from freehold.ledger.record import Asked, Outcome
from freehold.ledger.segments import Tail
from tests.kept_requests import CANARY, DAY_MS, HOUR_S, WHY, Place, ask

YEARS_MS = 25 * 365 * DAY_MS
FIVE_YEARS = {"demo": 5 * 365 * 86_400.0}


@pytest.fixture
async def place(home: Path) -> Place:
    """A ledger of one request."""
    place = Place(home)
    async with place.running() as ledger:
        await ask(ledger, 0, keep_s=FIVE_YEARS["demo"])
    return place


async def test_what_comes_while_the_clock_is_years_back_is_kept_as_long_as_anything(place: Place) -> None:
    place.time.wrong_ms = -YEARS_MS
    async with place.running() as ledger:
        await ask(ledger, 1, keep_s=FIVE_YEARS["demo"])
        place.time.wrong_ms = 0
        for _ in range(3):
            place.time.ms += DAY_MS
            assert await ledger.retention.retain(FIVE_YEARS) == 0
        place.time.ms += 5 * 365 * DAY_MS
        assert await ledger.retention.retain(FIVE_YEARS) == 4


async def test_what_comes_after_a_clock_that_was_years_ahead_goes_when_its_time_is_over(place: Place) -> None:
    place.time.wrong_ms = YEARS_MS
    async with place.running() as ledger:
        await ask(ledger, 1)
    place.time.wrong_ms = 0
    async with place.running() as ledger:
        place.time.ms += DAY_MS
        await ask(ledger, 2, "demo", HOUR_S)
        place.time.ms += int(HOUR_S * 1000)
        assert await ledger.retention.retain({"other": HOUR_S}) == 2


@pytest.mark.parametrize("at", ["in a run", "at a start"])
async def test_a_clock_that_jumps_years_ahead_erases_nothing_before_it_has_stood_for_a_day(
    place: Place, at: str, caplog: pytest.LogCaptureFixture
) -> None:
    if at == "at a start":
        place.time.wrong_ms = YEARS_MS
    async with place.running() as ledger:
        assert await ledger.retention.retain(FIVE_YEARS) == 0
        place.time.wrong_ms = YEARS_MS
        assert await ledger.retention.retain(FIVE_YEARS) == 0
        assert any("set it if it is wrong" in message for message in caplog.messages)
        place.time.ms += DAY_MS - 1
        assert await ledger.retention.retain(FIVE_YEARS) == 0
        place.time.wrong_ms = 0
        place.time.ms += 1
        assert await ledger.retention.retain(FIVE_YEARS) == 0, "it was set right in time"
        place.time.wrong_ms = YEARS_MS
        assert await ledger.retention.retain(FIVE_YEARS) == 0, "another jump"
        place.time.ms += DAY_MS
        assert await ledger.retention.retain(FIVE_YEARS) == 2


async def test_a_house_that_was_off_for_long_erases_what_is_over_within_a_day(place: Place) -> None:
    place.time.ms += 30 * DAY_MS
    async with place.running() as ledger:
        assert await ledger.retention.retain({"demo": HOUR_S}) == 2, "a day is believed at once"
        await ask(ledger, 1)
        place.time.ms += int(HOUR_S * 1000)
        assert await ledger.retention.retain({"demo": HOUR_S}) == 0, "it is not older than the house can tell"
        place.time.ms += DAY_MS
        assert await ledger.retention.retain({"demo": HOUR_S}) == 2


async def test_what_is_in_flight_when_its_time_is_over_goes_once_it_has_ended(place: Place) -> None:
    async with place.running() as ledger:
        keeping = Keeping(ledger.contents, "brief", HOUR_S)
        keeping.sent("/completions", {"prompt": CANARY})
        asked = Asked("req_long", None, "brief", "/v1/completions", None, "fake", 1)
        admission, began = ledger.admit(asked, await keeping.kept())
        place.time.ms += int(HOUR_S * 1000)
        assert await ledger.retention.retain({"brief": HOUR_S}) == 0
        ledger.settle(admission, Outcome("done"), began)
        assert await ledger.retention.retain({"brief": HOUR_S}) == 1
    assert place.verdict().findings == []


async def test_what_the_disk_may_hold_of_a_refused_request_is_taken_away(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place.running() as ledger:
        with monkeypatch.context() as patched, pytest.raises(LedgerError, match="cannot be kept"):
            patched.setattr(Segment, "sync", _fails)
            await ask(ledger, 1)
        assert len(places(place.content)) == 2 and len(list(left(places(place.content)[1]))) == 1
        place.time.ms += UNNAMED_MS
        assert await ledger.retention.retain(FIVE_YEARS) == 0
        assert len(places(place.content)) == 1 and ledger.contents.unnamed == {}


async def test_an_erasure_that_the_disk_refused_is_carried_out_when_the_house_retains(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (request,) = place.requests()
    async with place.running() as ledger:
        with monkeypatch.context() as patched, pytest.raises(LedgerError, match="Input/output") as refused:
            patched.setattr(erasing, "destroy", _fails)
            await ledger.erasures.erase(spans(request.names), WHY)
        assert "within an hour" in str(refused.value.hint)
        await ledger.retention.retain(FIVE_YEARS)
        assert place.verdict().findings == [] and not (place.content / ERASING).exists()


async def test_a_full_disk_says_that_nothing_was_erased(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (request,) = place.requests()
    async with place.running() as ledger:
        with monkeypatch.context() as patched, pytest.raises(LedgerError) as refused:
            patched.setattr(note, "replace_whole", _fails)
            await ledger.erasures.erase(spans(request.names), WHY)
        assert "not erased" in str(refused.value.hint)
    (request,) = place.requests()
    assert request.erased is None and CANARY in place.told(request)


async def test_on_a_full_disk_an_erasure_has_the_room_that_was_set_aside(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full to the byte: what was set aside is what there is."""
    (request,) = place.requests()
    room = place.content / FILE

    def has_room(do: Callable[..., None]) -> Callable[..., None]:
        def done(*args: Any, **named: Any) -> None:
            if room.exists():
                raise OSError(errno.ENOSPC, "No space left on device")
            do(*args, **named)

        return done

    async with place.running() as ledger:
        with monkeypatch.context() as patched:
            patched.setattr(note, "replace_whole", has_room(replace_whole))
            patched.setattr(Tail, "write", has_room(Tail.write))
            assert room.stat().st_size == ROOM_BYTES
            assert await ledger.erasures.erase(spans(request.names), WHY) == 2
    assert (place.verdict().findings, len(place.verdict().erasures)) == ([], 1)
    async with place.running():
        assert room.stat().st_size == ROOM_BYTES, "it is set aside anew"


async def test_the_record_of_an_erasure_has_that_room_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (request,) = place.requests()
    write, room = Tail.write, place.content / FILE

    def full(tail: Tail, data: bytes) -> None:
        if room.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        write(tail, data)

    async with place.running() as ledger:
        with monkeypatch.context() as patched:
            patched.setattr(Tail, "write", full)
            assert await ledger.erasures.erase(spans(request.names), WHY) == 2
    assert (place.verdict().findings, len(place.verdict().erasures)) == ([], 1)


async def test_nothing_is_taken_away_while_a_copy_is_made(place: Place) -> None:
    async with place.running() as ledger:
        await ledger.contents.keep(lambda: b"nobody names me", "demo", HOUR_S)
        place.time.ms += UNNAMED_MS
        with left_alone(place.content), pytest.raises(LedgerError, match="being copied"):
            await ledger.retention.retain(FIVE_YEARS)
        assert len(list(left(places(place.content)[1]))) == 1
        await ledger.retention.retain(FIVE_YEARS)
        assert ledger.contents.unnamed == {}


async def test_a_retention_that_a_defect_ends_is_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> dict[str, float]:
        raise ZeroDivisionError

    async with place.running() as ledger:
        ledger.retention.begin(broken)
        for _ in range(10):
            await asyncio.sleep(0)
    assert any("is erased no more until the house starts anew" in message for message in caplog.messages)


def _fails(*_: object, **__: object) -> int:
    raise OSError(errno.EIO, "Input/output error")
