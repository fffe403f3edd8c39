"""Erasing what is kept where something is not as it should be: words, notes, the names of what is erased, the disk."""

from __future__ import annotations

import asyncio
import json

import pytest

from freehold.core.errors import HouseKeyError, LedgerError
from freehold.ledger.content.erasing import Why
from freehold.ledger.content.house_key import FILE
from freehold.ledger.content.note import ERASING
from freehold.ledger.content.places import places
from freehold.ledger.content.room import FILE as ROOM
from freehold.ledger.content.shelf import left
from freehold.ledger.content.spans import Span, spans
from freehold.ledger.content.turns import left_alone
from freehold.ledger.segments import segments
from tests.kept_requests import REQUESTS, WHY, Place, ask
from tests.unit.test_deeds_cli import Terminal
from tests.unit.test_ledger_verify import found

UNREADABLE = "no \udcff text"
"""What Python makes of a byte on the command line that is no UTF-8."""


def _there(place: Place) -> int:
    return sum(1 for it in places(place.content) for _ in left(it))


async def test_a_reason_that_is_no_text_erases_and_stops_no_house(place: Place) -> None:
    (request,) = place.requests(request="req_2")
    async with place.running() as ledger:
        assert await ledger.erasures.erase(spans(request.names), Why("asked", UNREADABLE, UNREADABLE)) == 2
        await ledger.accessed(request.admission, by=UNREADABLE, reason=UNREADABLE)
    verdict = place.verdict()
    assert verdict.findings == []
    (erasure,), (access,) = verdict.erasures, verdict.accesses
    assert {erasure.by, erasure.reason, access.by, access.reason} == {"no ? text"}


@pytest.mark.parametrize(
    ("said", "is_carried_out"),
    [
        ({"by": "ada", "reason": UNREADABLE}, True),
        ({"by": {"name": UNREADABLE}, "reason": None}, False),
        ({"by": "ada", "reason": ["asked"]}, False),
        ({"reason": None}, False),
    ],
)
async def test_a_note_that_no_record_can_be_made_of_stops_no_house(
    place: Place, said: dict[str, object], is_carried_out: bool, caplog: pytest.LogCaptureFixture
) -> None:
    contents = [list(span) for span in spans(place.requests()[0].names)]
    (place.content / ERASING).write_text(json.dumps({"cause": "asked", "contents": contents, **said}))
    async with place.running():
        assert _there(place) == 2 * REQUESTS - 2 * is_carried_out
    assert any("is damaged" in message for message in caplog.messages) is not is_carried_out
    assert place.verdict().findings == []


async def test_a_record_that_stands_before_what_it_names_excuses_no_loss(place: Place) -> None:
    async with place.running() as ledger:
        await ledger.erasures.erase([Span(2, 0, 2**53 - 1), Span(17, 0, 2**53 - 1)], WHY)
        assert ledger.contents.live is None
        await ask(ledger, 7)
        assert ledger.contents.live == 17
    assert place.verdict().findings == [] and place.requests(request="req_7")[0].erased is None
    for path in place.content.glob("content-*"):
        path.unlink()
    assert [kind for kind, _, _ in found(place.verdict())] == ["content missing"] * 2


async def test_a_request_of_which_a_part_was_erased_is_erased_with_the_rest(place: Place) -> None:
    (request,) = place.requests(request="req_2")
    asked, answered = request.names
    async with place.running() as ledger:
        await ledger.erasures.erase(spans([asked]), WHY)
        (half,) = place.requests(request="req_2")
        assert (half.erased, half.names) == (None, [answered])
        assert await ledger.erasures.erase(spans(half.names), WHY) == 1
    (gone,) = place.requests(request="req_2")
    assert gone.erased is not None and gone.erased.seq == place.verdict().erasures[-1].seq
    assert place.verdict().findings == []


async def test_what_another_chain_named_is_left_where_the_records_were_moved_away(place: Place) -> None:
    for path in segments(place.ledger):
        path.rename(path.with_suffix(".away"))
    async with place.running():
        pass
    assert _there(place) == 2 * REQUESTS


async def test_the_room_for_erasing_stays_where_another_process_is_in_the_way(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    def erase() -> tuple[int, str, str]:
        return Terminal(capsys)("ledger", "erase", "req_1", "--reason", "asked", "--yes")

    room = place.content / ROOM
    with left_alone(place.content):
        code, _, err = await asyncio.to_thread(erase)
        assert code == 3 and "is being copied" in err and room.exists()
    async with place.running():
        code, _, err = await asyncio.to_thread(erase)
        assert code == 3 and "writes the ledger" in err and room.exists()
    assert (await asyncio.to_thread(erase))[0] == 0


async def test_a_key_that_is_missing_is_waited_for_and_not_replaced(place: Place) -> None:
    key = place.home / FILE
    copy = key.rename(key.with_suffix(".copy"))
    async with place.running() as ledger:
        with pytest.raises(HouseKeyError, match="is missing, and what is kept") as missing:
            await ledger.contents.ready()
        assert "new-key" in str(missing.value.hint)
        with pytest.raises(LedgerError, match="cannot be used"):
            await ask(ledger, 7)
        assert not key.exists()
        copy.rename(key)
        await ask(ledger, 7)
    assert (place.verdict().findings, place.verdict().sealed_otherwise) == ([], {})


async def test_another_key_seals_once_a_person_says_so_and_the_lines_of_the_old_one_can_be_added(place: Place) -> None:
    key = place.home / FILE
    copy = key.read_text()
    key.unlink()
    assert place.rekey().unopened == 1
    async with place.running() as ledger:
        await ask(ledger, 7)
    key.write_text(key.read_text() + copy)
    assert (place.verdict().findings, place.verdict().sealed_otherwise) == ([], {})
