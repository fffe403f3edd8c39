"""What is kept goes when its time is over, and not by a clock that is wrong for a while."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.gateway.keeping import Keeping
from freehold.ledger.record import Asked, Outcome
from tests.unit.test_ledger_content import CANARY, DAY_MS, HOUR_S, Place, ask

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
