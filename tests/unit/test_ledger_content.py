"""Content beside a chain: what verifies, what is found, how it is erased, and what a crash at any point leaves."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from freehold.core.errors import HouseKeyError, LedgerError, NewerFormatError
from freehold.gateway.keeping import Keeping
from freehold.ledger.content import contents, erasing
from freehold.ledger.content.container import SLOT_BYTES
from freehold.ledger.content.house_key import FILE, HouseKey
from freehold.ledger.content.note import ERASING
from freehold.ledger.content.places import places
from freehold.ledger.content.retaining import UNNAMED_MS
from freehold.ledger.content.shelf import left
from freehold.ledger.content.spans import spans
from freehold.ledger.content.turns import adding, changing, left_alone
from freehold.ledger.ledger import Ledger, opened
from freehold.ledger.record import Asked, Outcome
from freehold.ledger.segments import segments
from tests.kept_requests import CANARY, DAY_MS, HOUR_S, REQUESTS, WHY, Killed, Place, ask
from tests.unit.test_ledger_verify import edited, found, resealed


async def test_what_is_kept_verifies_opens_for_the_house_and_is_nowhere_in_the_clear(place: Place) -> None:
    verdict = place.verdict()
    assert (found(verdict), verdict.contents, verdict.last, verdict.sealed_otherwise) == ([], 12, 15, {})
    requests = place.requests()
    assert [request.request for request in requests] == [f"req_{number}" for number in range(REQUESTS)]
    for number, request in enumerate(requests):
        assert f"{CANARY} {number}" in place.told(request) and f"answer {CANARY}" in place.told(request)
    assert not place.holds_canary()
    assert (place.home / FILE).stat().st_mode & 0o777 == 0o600
    assert {path.stat().st_mode & 0o777 for path in place.content.iterdir()} == {0o600}
    assert place.content.stat().st_mode & 0o777 == 0o700


async def test_old_records_verify_and_records_of_endpoints_that_keep_nothing_are_as_they_were(place: Place) -> None:
    async with place.running() as ledger:
        admission, began = ledger.admit(Asked("req_x", None, "other", "/v1/x", None, "fake", 1))
        ledger.settle(admission, Outcome("done"), began)
    lines = [line for path in segments(place.ledger) for line in path.read_bytes().splitlines()]
    (plain,) = [json.loads(line) for line in lines if b'"req_x"' in line]
    assert "content" not in plain and "content_sha256" not in plain
    assert found(place.verdict()) == []
    assert len(places(place.content)) == 1, "a run that keeps nothing begins no segment"


def _flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def _erase_quietly(place: Place) -> None:
    (it,) = places(place.content)
    data = bytearray(it.keys(0).read_bytes())
    data[SLOT_BYTES - 48 : SLOT_BYTES] = bytes(48)
    it.keys(0).write_bytes(data)


def _swap(place: Place) -> None:
    """The slots of the first two, so that one opens as the other."""
    (it,) = places(place.content)
    data = it.keys(0).read_bytes()
    it.keys(0).write_bytes(data[SLOT_BYTES : 2 * SLOT_BYTES] + data[:SLOT_BYTES] + data[2 * SLOT_BYTES :])


TAMPERINGS: dict[str, tuple[Callable[[Place], object], list[tuple[str, int, int]]]] = {
    "a sealed byte": (lambda it: _flip(places(it.content)[0].sealed, 0), [("content changed", 3, 3)]),
    "a sealed key": (lambda it: _flip(places(it.content)[0].keys(0), SLOT_BYTES - 1), [("content closed", 3, 3)]),
    "how long it stays": (lambda it: _flip(places(it.content)[0].keys(0), 31), [("content closed", 3, 3)]),
    "when it was kept": (lambda it: _flip(places(it.content)[0].keys(0), 7), [("content closed", 3, 3)]),
    "its endpoint": (lambda it: _flip(places(it.content)[0].keys(0), 40), [("content closed", 3, 3)]),
    "a key erased without a record": (_erase_quietly, [("content missing", 3, 3)]),
    "two swapped": (_swap, [("content changed", 3, 3), ("content changed", 4, 4)]),
    "the end cut off": (
        lambda it: os.truncate(places(it.content)[0].keys(0), 11 * SLOT_BYTES),
        [("content missing", 14, 14)],
    ),
    "the sealed end cut off": (
        lambda it: os.truncate(places(it.content)[0].sealed, places(it.content)[0].sealed.stat().st_size - 1),
        [("content changed", 14, 14)],
    ),
    "all the slots": (
        lambda it: places(it.content)[0].keys(0).unlink(),
        [("content missing", number, number) for number in range(3, 15)],
    ),
    "the segment's own key": (
        lambda it: places(it.content)[0].about.write_text("{}"),
        [("content closed", number, number) for number in range(3, 15)],
    ),
    "the segment's sealed key": (
        lambda it: places(it.content)[0].about.write_text(
            places(it.content)[0].about.read_text().replace('"sealed_key":"', '"sealed_key":"00')
        ),
        [("content closed", number, number) for number in range(3, 15)],
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_each_kind_of_tampering_is_found_and_named_by_its_record(place: Place, name: str) -> None:
    how, expected = TAMPERINGS[name]
    how(place)
    assert found(place.verdict()) == expected
    if not name.startswith(("a sealed key", "how long", "when", "its endpoint", "the segment")):
        assert found(place.verdict(with_key=False)) == expected, "the hashes need no key"


async def test_a_record_made_to_name_another_content_is_found(place: Place) -> None:
    (path,) = segments(place.ledger)
    lines = path.read_bytes().splitlines(keepends=True)
    other = json.loads(lines[4])
    lines[2] = edited(lines[2], content=other["content"], content_sha256=other["content_sha256"])
    path.write_bytes(b"".join(lines))
    assert found(place.verdict()) == [("edited", 3, 3)]


async def test_content_of_another_key_is_told_apart_from_a_change(place: Place) -> None:
    (name,) = (key.name for key in place.ring.read())
    place.ring.write([HouseKey(bytes(32))])
    verdict = place.verdict()
    assert (found(verdict), verdict.sealed_otherwise) == ([], {name: 12})
    (place.home / FILE).unlink()
    assert place.verdict().sealed_otherwise == {name: 12}


@pytest.mark.parametrize("text", ["", "nonsense\n", f"{'0' * 16} {'1' * 64}\n"])
async def test_a_damaged_key_is_told_and_one_that_others_read_seals_nothing(place: Place, text: str) -> None:
    (place.home / FILE).write_text(text)
    with pytest.raises(HouseKeyError, match="is damaged"):
        place.ring.read()
    (place.home / FILE).chmod(0o640)
    with pytest.raises(HouseKeyError, match="can be read by other accounts"):
        place.ring.sealing(place.content)
    async with place.running() as ledger:
        with pytest.raises(HouseKeyError):
            await ledger.contents.ready()
        with pytest.raises(LedgerError, match="the house's key cannot be used") as refused:
            await ledger.contents.keep(lambda: b"x", "demo", HOUR_S)
        assert str(place.home) not in str(refused.value), "a client is not told where the key lies"


async def _erase(place: Place, ledger: Ledger, **sought: str) -> int:
    return await ledger.erasures.erase(spans(n for request in place.requests(**sought) for n in request.names), WHY)


async def test_what_is_erased_is_gone_and_the_chain_says_what_when_by_whom_and_why(place: Place) -> None:
    async with place.running() as ledger:
        assert await _erase(place, ledger, request="req_2") == 2
    verdict = place.verdict()
    (erasure,) = verdict.erasures
    assert (found(verdict), erasure.requests, erasure.first) == ([], 1, 7)
    assert erasure.words == "on 2027-01-15T08:00:00Z by ada: asked by the customer (record 17)"
    (gone,) = place.requests(request="req_2")
    assert gone.erased is not None and gone.erased.seq == 17
    assert [request.erased is None for request in place.requests()].count(True) == REQUESTS - 1
    (it,) = places(place.content)
    assert len(list(left(it))) == 10
    sealed = it.sealed.read_bytes()
    assert bytes(50) in sealed, "the sealed bytes are overwritten too"
    for request in place.requests():
        if request.erased is None:
            assert CANARY in place.told(request)


async def test_a_segment_in_which_nothing_is_left_goes_as_a_whole(place: Place) -> None:
    async with place.running() as ledger:
        assert await _erase(place, ledger, endpoint="demo") == 12
        assert places(place.content) == []
    assert found(place.verdict()) == []
    async with place.running() as ledger:
        await ask(ledger, 99)
    verdict = place.verdict()
    assert (found(verdict), verdict.contents) == ([], 14), "what comes later has no name that was used before"


async def test_an_erasure_record_that_was_forged_or_taken_away_is_found(place: Place) -> None:
    async with place.running() as ledger:
        await _erase(place, ledger, request="req_2")
    (path,) = segments(place.ledger)
    lines = path.read_bytes().splitlines(keepends=True)
    gone = next(number for number, line in enumerate(lines) if b'"erasure"' in line)
    path.write_bytes(b"".join(resealed(lines[:gone] + lines[gone + 1 :])))
    assert found(place.verdict()) == [("content missing", 7, 7), ("content missing", 8, 8)]
    names = json.loads(lines[gone])["contents"]
    segment = names[0][0]
    forged = edited(lines[gone], contents=[[segment, 0, 11]])
    path.write_bytes(b"".join(resealed([*lines[:gone], forged, *lines[gone + 1 :]])))
    verdict = place.verdict()
    assert [kind for kind, _, _ in found(verdict)] == ["content left"] * 10
    assert "calls erased, and which is still there" in verdict.findings[0].text


async def test_what_was_lost_can_be_explained_by_an_erasure(place: Place) -> None:
    for path in place.content.iterdir():
        path.unlink()
    place.content.rmdir()
    assert len(place.verdict().findings) == 12
    async with place.running() as ledger:
        assert await _erase(place, ledger, endpoint="demo") == 0, "none of it was there"
    verdict = place.verdict()
    assert (found(verdict), verdict.erasures[0].requests) == ([], REQUESTS)


CUTS = {
    "before its record": "on_disk",
    "before it was destroyed": "destroy",
}


@pytest.mark.parametrize("cut", CUTS)
async def test_an_erasure_that_was_cut_off_is_carried_out_at_the_next_start(
    place: Place, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> int:
        raise Killed

    with monkeypatch.context() as patched:
        ledger = await opened(place.ledger, "strict", version="1", ring=place.ring)
        if CUTS[cut] == "destroy":
            patched.setattr(erasing, "destroy", killed)
        else:
            patched.setattr(ledger.erasures, "_enter", killed)
        with pytest.raises(Killed):
            await _erase(place, ledger, request="req_2")
        assert (place.content / ERASING).exists()
        verdict = place.verdict()
        assert found(verdict) == [], "what is being erased is no finding"
        await ledger.close()
    async with place.running():
        pass
    verdict = place.verdict()
    assert (found(verdict), len(list(left(places(place.content)[0])))) == ([], 10)
    assert {erasure.by for erasure in verdict.erasures} == {"ada"}
    assert not (place.content / ERASING).exists()
    (gone,) = place.requests(request="req_2")
    assert gone.erased is not None


async def test_a_note_of_an_erasure_that_is_damaged_is_told_and_the_house_starts(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    (place.content / ERASING).write_text("nonsense")
    async with place.running() as ledger:
        with pytest.raises(LedgerError, match="is damaged"):
            await _erase(place, ledger, request="req_2")
    assert any("is damaged" in message for message in caplog.messages)
    assert found(place.verdict()) == []


async def test_nothing_is_erased_while_a_copy_is_made(place: Place) -> None:
    async with place.running() as ledger:
        with left_alone(place.content):
            with pytest.raises(LedgerError, match="being copied, or erased from"):
                await _erase(place, ledger, request="req_2")
            await ask(ledger, 7)
        assert await _erase(place, ledger, request="req_2") == 2
    with left_alone(place.content):
        async with place.running():
            pass
    with changing(place.content), pytest.raises(LedgerError), left_alone(place.content):
        pass


async def test_each_endpoints_content_goes_when_its_time_is_over(place: Place) -> None:
    async with place.running() as ledger:
        await ask(ledger, 10, "days", 86_400)
        await ask(ledger, 11, "ever", float("inf"))
        assert await ledger.retention.retain({"demo": HOUR_S}) == 0
        place.time.ms += int(HOUR_S * 1000) - 1
        assert await ledger.retention.retain({"demo": HOUR_S}) == 0
        place.time.ms += 1
        assert await ledger.retention.retain({"demo": HOUR_S}) == 12
        assert await ledger.retention.retain({"demo": HOUR_S}) == 0
        place.time.ms += DAY_MS
        assert await ledger.retention.retain({}) == 2, "an endpoint that is gone: as it said when it came"
        place.time.ms += 10_000 * DAY_MS
        assert await ledger.retention.retain({}) == 0
        assert await ledger.retention.retain({"ever": 60.0}) == 2, "a shorter time holds for what is there"
    verdict = place.verdict()
    assert found(verdict) == []
    assert [erasure.requests for erasure in verdict.erasures] == [REQUESTS, 1, 1]
    assert {(erasure.cause, erasure.by) for erasure in verdict.erasures} == {("retention", "the house")}


async def test_a_longer_time_holds_for_what_is_there_and_a_house_retains_at_its_start(place: Place) -> None:
    place.time.ms += int(HOUR_S * 1000)
    async with place.running() as ledger:
        assert await ledger.retention.retain({"demo": 2 * HOUR_S}) == 0
        ledger.retention.begin(lambda: {"demo": HOUR_S})
        while any(True for it in places(place.content) for _ in left(it)):  # noqa: ASYNC110 - a thread erases it
            await asyncio.sleep(0.001)
    assert found(place.verdict()) == []


async def test_many_spans_are_said_in_several_records(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "SPANS_AT_ONCE", 2)
    async with place.running() as ledger:
        for request in place.requests()[::2]:
            assert request.erased is None
        every_other = [name for request in place.requests()[::2] for name in request.names]
        assert await ledger.erasures.erase(spans(every_other), WHY) == 6
    verdict = place.verdict()
    assert (found(verdict), sum(erasure.requests for erasure in verdict.erasures)) == ([], 3)
    assert len(verdict.erasures) > 1


@pytest.mark.parametrize("how", ["damaged", "edited"])
async def test_nothing_is_removed_where_the_records_were_changed(place: Place, how: str) -> None:
    _spoil(place, how)
    async with place.running():
        pass
    (it,) = places(place.content)
    assert len(list(left(it))) == 12
    assert [kind for kind, _, _ in found(place.verdict())] == [how]


def _spoil(place: Place, how: str) -> None:
    (path,) = segments(place.ledger)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[6] = b"\0" * 300 + b"\n" if how == "damaged" else edited(lines[6], content=None)
    path.write_bytes(b"".join(lines))


async def test_content_whose_request_was_never_admitted_goes_in_a_house_that_runs_too(place: Place) -> None:
    async with place.running() as ledger:
        await ledger.contents.keep(lambda: b"nobody names me", "ever", float("inf"))
        assert await ledger.retention.retain({"demo": float("inf")}) == 0
        assert len(ledger.contents.unnamed) == 1
        place.time.ms += UNNAMED_MS
        assert await ledger.retention.retain({"demo": float("inf")}) == 0
        assert ledger.contents.unnamed == {} and len(list(left(places(place.content)[1]))) == 0
    assert (found(place.verdict()), place.verdict().erasures) == ([], [])


async def test_new_segments_are_begun_past_their_size_and_in_every_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "SEGMENT_BYTES", 300)
    async with place.running() as ledger:
        for number in range(30, 40):
            await ask(ledger, number)
    assert len(places(place.content)) > 4
    assert (found(place.verdict()), place.verdict().contents) == ([], 32)
    assert [CANARY in place.told(request) for request in place.requests()] == [True] * 16


async def test_those_who_come_together_are_kept_together_each_by_itself(place: Place) -> None:
    async with place.running() as ledger:
        await asyncio.gather(*(ask(ledger, number) for number in range(100, 300)))
    assert (found(place.verdict()), place.verdict().contents) == ([], 12 + 400)
    for request in place.requests():
        assert f"{CANARY} {request.request.removeprefix('req_')}'" in place.told(request)


async def test_the_key_is_exchanged_while_the_house_runs_and_the_old_one_opens_nothing(place: Place) -> None:
    (old,) = place.ring.read()
    copy = {path: path.read_bytes() for it in places(place.content) for path in (it.about, it.keys(0))}
    inode = (place.home / FILE).open("rb")
    async with place.running() as ledger:
        await ask(ledger, 50)
        made = place.rekey()
        assert (made.segments, made.unopened) == (2, 0)
        await ask(ledger, 51)
    (new,) = place.ring.read()
    assert new.name == made.key != old.name
    with inode:
        assert old.value.hex().encode() not in inode.read(), "the old one is overwritten where it lay"
    assert found(place.verdict()) == [] and place.verdict().sealed_otherwise == {}
    assert [CANARY in place.told(request) for request in place.requests()] == [True] * 8
    for path, data in copy.items():  # what a backup of before holds
        path.write_bytes(data)
    assert place.verdict().sealed_otherwise == {old.name: 12}


async def test_an_exchange_that_was_cut_off_opens_everything_and_ends_when_it_is_called_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place.running() as ledger:
        await ask(ledger, 50)

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("freehold.ledger.content.rekeying.replace_whole", killed)
        with pytest.raises(Killed):
            place.rekey()
    assert len(place.ring.read()) == 2 and place.verdict().sealed_otherwise == {}
    place.rekey()
    assert len(place.ring.read()) == 1 and place.verdict().sealed_otherwise == {}
    assert [CANARY in place.told(request) for request in place.requests()] == [True] * 7


async def test_a_segment_waits_for_an_exchange_of_the_key(place: Place) -> None:
    async with place.running() as ledger:
        with adding(place.content, alone=True):
            asking = asyncio.create_task(ask(ledger, 60))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not asking.done() and len(places(place.content)) == 1
        await asking
    assert found(place.verdict()) == []


async def test_a_segment_of_a_newer_freehold_is_refused_by_name(place: Place) -> None:
    (it,) = places(place.content)
    told: Mapping[str, object] = json.loads(it.about.read_text())
    it.about.write_text(json.dumps({**told, "format": 3}))
    with pytest.raises(NewerFormatError, match="a segment of kept content of version 3"):
        place.verdict()


async def test_who_opened_what_is_in_the_chain(place: Place) -> None:
    async with place.running() as ledger:
        await ledger.accessed(7, by="ada (uid 1000)", reason="complaint 4711")
    (access,) = place.verdict().accesses
    assert (access.admission, access.by, access.reason) == (7, "ada (uid 1000)", "complaint 4711")


@pytest.mark.parametrize("which", ["about", "keys", "sealed"])
async def test_no_changed_byte_of_what_lies_there_goes_unseen(place: Place, which: str) -> None:
    it = places(place.content)[0]
    _flip_each(place, {"about": it.about, "keys": it.keys(0), "sealed": it.sealed}[which])
    assert found(place.verdict()) == []


def _flip_each(place: Place, path: Path) -> None:
    """Every fifth byte changed by a bit, one after the other: each is told."""
    whole = path.read_bytes()
    for offset in range(0, len(whole), 5):
        _flip(path, offset)
        try:
            verdict = place.verdict()
            assert verdict.findings or verdict.sealed_otherwise, offset
        except NewerFormatError:
            assert path.suffix == ".json"
        path.write_bytes(whole)


async def test_an_ending_is_recorded_though_whoever_waits_for_it_is_cancelled(place: Place) -> None:
    async with place.running() as ledger:
        keeping = Keeping(ledger.contents, "demo", HOUR_S)
        keeping.sent("/completions", {"prompt": CANARY})
        asked = Asked("req_cut", None, "demo", "/v1/completions", None, "fake", 1)
        admission, began = ledger.admit(asked, await keeping.kept())
        keeping.event(b'{"choices":[{"index":0,"text":"the part that was made"}]}')

        async def end() -> None:
            ledger.settle(admission, Outcome("stopped", "client_gone"), began, await keeping.kept())

        waiting = asyncio.create_task(ledger.to_its_end(end()))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    (request,) = place.requests(request="req_cut")
    assert (request.outcome, request.error, len(request.names)) == ("stopped", "client_gone", 2)
    assert "the part that was made" in place.told(request)
    assert (found(place.verdict()), place.verdict().open) == ([], 0)
