"""What lies there and no record names, as a kill and a cut end of the chain leave it: found, held, destroyed late."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from freehold.core.errors import LedgerError
from freehold.ledger import ledger as house
from freehold.ledger.content.erasing import Why
from freehold.ledger.content.places import places
from freehold.ledger.content.shelf import left
from freehold.ledger.content.spans import spans
from freehold.ledger.content.unnamed import FILE, HELD_MS
from freehold.ledger.segments import segments
from tests.kept_requests import CANARY, HOUR_S, REQUESTS, Place, ask
from tests.unit.test_deeds_cli import Terminal

FOR_EVER = {"demo": float("inf")}


def _there(place: Place) -> int:
    return sum(1 for it in places(place.content) for _ in left(it))


def _cut_off_the_last_request(place: Place) -> bytes:
    """All that there was before."""
    path = segments(place.ledger)[-1]
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


async def _ask_for_several_files(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of records are small here, so that the last of them names little."""
    monkeypatch.setattr(house, "SEGMENT_BYTES", 4000)
    async with place.running() as ledger:
        for number in range(20, 32):
            await ask(ledger, number)
    assert len(segments(place.ledger)) > 2


async def test_what_earlier_files_of_records_name_stays_though_its_segment_has_a_number_far_beyond_theirs(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after the end of the chain was cut off: the numbers of records begin anew, those of segments do not."""
    (path,) = segments(place.ledger)
    cut = path.read_bytes()
    async with place.running() as ledger:
        for _ in range(1500):
            ledger.enter("access", {"by": "x", "of": 3, "reason": None})
        await ledger.durable()
        await ask(ledger, 19)
    for later in segments(place.ledger):
        later.unlink()
    path.write_bytes(cut)
    await _ask_for_several_files(place, monkeypatch)
    assert [it.segment > 1500 for it in places(place.content)] == [False, True, True]
    async with place.running():
        pass
    async with place.running() as ledger:
        place.time.ms += HELD_MS
        assert await ledger.retention.retain(FOR_EVER) == 2, "what the records named that were cut off"
    verdict = place.verdict()
    assert (verdict.findings, [found.contents for found in verdict.unnamed], _there(place)) == ([], [2], 12 + 24)


async def test_what_all_segments_hold_is_found_where_the_end_of_the_chain_that_named_it_was_cut_off(
    place: Place,
) -> None:
    (path,) = segments(place.ledger)
    cut = path.read_bytes()
    for number in range(6, 12):
        async with place.running() as ledger:
            await ask(ledger, number)
    path.write_bytes(cut)
    async with place.running():
        pass
    assert [found.contents for found in place.verdict().unnamed] == [12]


async def test_nothing_counts_as_unnamed_where_the_first_records_are_away(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _ask_for_several_files(place, monkeypatch)
    _cut_off_the_last_request(place)
    segments(place.ledger)[0].unlink()
    async with place.running() as ledger:
        assert not (place.content / FILE).exists()
        await ask(ledger, 40)


async def test_what_a_record_names_and_another_calls_unnamed_is_a_finding(place: Place) -> None:
    (request,) = place.requests(request="req_2")
    async with place.running() as ledger:
        assert await ledger.erasures.erase(spans(request.names), Why("unnamed", "the house")) == 2
    assert [(finding.kind, finding.first) for finding in place.verdict().findings] == [
        ("content missing", 7),
        ("content missing", 8),
    ]


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


async def test_a_start_whose_clock_was_years_ahead_holds_nothing_for_years(place: Place) -> None:
    _cut_off_the_last_request(place)
    place.time.wrong_ms = 70 * 365 * 86_400_000
    async with place.running():
        pass
    place.time.wrong_ms = 0
    for _ in range(2):  # the first goes on from the time that the last record tells
        async with place.running() as ledger:
            assert await ledger.retention.retain(FOR_EVER) == 0
    async with place.running() as ledger:
        place.time.ms += HELD_MS - 1
        assert await ledger.retention.retain(FOR_EVER) == 0
        place.time.ms += 1
        assert await ledger.retention.retain(FOR_EVER) == 2


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
