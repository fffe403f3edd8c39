"""What lies there and no record names, as a kill and a cut end of the chain leave it: found, held, destroyed late."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from freehold.core.errors import LedgerError
from freehold.ledger.content.places import places
from freehold.ledger.content.shelf import left
from freehold.ledger.content.unnamed import FILE, HELD_MS
from freehold.ledger.segments import segments
from tests.unit.test_deeds_cli import Terminal
from tests.unit.test_ledger_content import CANARY, HOUR_S, REQUESTS, Place, ask

FOR_EVER = {"demo": float("inf")}


@pytest.fixture
async def place(home: Path) -> Place:
    """A ledger of 6 requests."""
    place = Place(home)
    async with place.running() as ledger:
        for number in range(REQUESTS):
            await ask(ledger, number)
    return place


def _there(place: Place) -> int:
    return sum(1 for it in places(place.content) for _ in left(it))


def _cut_off_the_last_request(place: Place) -> bytes:
    """All that there was before."""
    (path,) = segments(place.ledger)
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-3]))  # its admission, its outcome and the stop
    return whole


async def test_what_a_killed_house_kept_is_found_once_and_goes_after_a_week_with_a_record(
    place: Place, tmp_path: Path
) -> None:
    async with place.running() as ledger:
        await ask(ledger, 20)
        for _ in range(3):
            await ledger.contents.keep(lambda: b"nobody names me", "demo", HOUR_S)
        await ask(ledger, 21)
        killed = Place(Path(shutil.copytree(place.home, tmp_path / "killed")), place.time)
    assert (_there(place), _there(killed)) == (12 + 4, 12 + 7), "who ends in order leaves nothing"
    place = killed
    for _ in range(2):
        async with place.running() as ledger:
            assert await ledger.retention.retain(FOR_EVER) == 0
    (found,) = place.verdict().unnamed
    assert (found.contents, _there(place), place.verdict().erasures) == (3, 12 + 7, [])
    async with place.running() as ledger:
        place.time.ms += HELD_MS - 1
        assert await ledger.retention.retain(FOR_EVER) == 0
        place.time.ms += 1
        assert await ledger.retention.retain(FOR_EVER) == 3
        assert await ledger.retention.retain(FOR_EVER) == 0
    (erasure,) = place.verdict().erasures
    assert (erasure.cause, erasure.by, erasure.contents) == ("unnamed", "the house", 3)
    assert (place.verdict().findings, _there(place), (place.content / FILE).exists()) == ([], 12 + 4, False)
    assert [CANARY in place.told(request) for request in place.requests()] == [True] * 8


async def test_what_a_chain_named_whose_end_was_cut_off_is_evidence_for_a_week(
    place: Place, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    _cut_off_the_last_request(place)
    async with place.running() as ledger:
        assert any("2 contents that no record names were found" in message for message in caplog.messages)
        assert await ledger.retention.retain(FOR_EVER) == 0
    assert (_there(place), [found.contents for found in place.verdict().unnamed]) == (2 * REQUESTS, [2])
    code, _, err = Terminal(capsys)("ledger", "verify")
    assert code == 0 and "2 contents that no record names lay there at a start" in err and "a checkpoint tells." in err
    async with place.running() as ledger:
        place.time.ms += HELD_MS
        assert await ledger.retention.retain(FOR_EVER) == 2
    assert "2 contents of that kind went, last on 2027-01-22" in Terminal(capsys)("ledger", "verify")[2]


async def test_what_is_named_again_where_the_records_were_put_back_stays(place: Place) -> None:
    whole = _cut_off_the_last_request(place)
    async with place.running():
        pass
    segments(place.ledger)[0].write_bytes(whole)
    async with place.running() as ledger:
        place.time.ms += HELD_MS
        assert await ledger.retention.retain(FOR_EVER) == 0
    assert (place.verdict().findings, _there(place), (place.content / FILE).exists()) == ([], 2 * REQUESTS, False)
    assert all(CANARY in place.told(request) for request in place.requests())


async def test_what_is_held_is_there_no_longer_than_its_endpoint_says(place: Place) -> None:
    _cut_off_the_last_request(place)
    async with place.running() as ledger:
        place.time.ms += int(HOUR_S * 1000)
        assert await ledger.retention.retain({}) == 2 * REQUESTS
    assert (place.verdict().findings, _there(place)) == ([], 0)


async def test_nothing_that_is_held_goes_while_the_records_are_not_whole(place: Place) -> None:
    _cut_off_the_last_request(place)
    async with place.running():
        pass
    (path,) = segments(place.ledger)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:6], b"damaged\n", *lines[7:]]))
    async with place.running() as ledger:
        place.time.ms += HELD_MS
        assert await ledger.retention.retain(FOR_EVER) == 0
    assert (_there(place), (place.content / FILE).exists()) == (2 * REQUESTS, True)


@pytest.mark.parametrize("text", ["", "[]", '{"held": [{"at_ms": "1", "contents": []}]}', '{"held": [{"at_ms": 1}]}'])
async def test_a_damaged_note_of_what_is_held_is_told_and_the_house_starts(
    place: Place, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (place.content / FILE).write_text(text)
    async with place.running() as ledger:
        assert any("and is damaged" in message for message in caplog.messages)
        with pytest.raises(LedgerError, match="is damaged"):
            await ledger.retention.retain(FOR_EVER)
        await ask(ledger, 7)
    assert place.verdict().findings == []
