"""How content is sealed: nothing but what was sealed, at its place, with its key, ever opens."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.ledger.content.container import (
    FOR_EVER,
    KEY_BYTES,
    SLOT_BYTES,
    BrokenSealError,
    Name,
    Seals,
    Slot,
    endpoint_mark,
    keep_ms,
    sealed_segment_key,
    segment_key,
    slot_of,
)
from freehold.ledger.content.spans import Places, count, name_of, read_spans, spans
from freehold.ledger.content.transcript import GATHER_BYTES, Transcript, read

CHAIN = "c" * 32
SEALS = Seals(CHAIN, 7, bytes(range(KEY_BYTES)))
ABOUT = Slot(1_700_000_000_000, 0, 0, FOR_EVER, endpoint_mark("demo"), b"")
places = st.integers(0, 40)
names = st.builds(Name, st.integers(0, 3), places)


@given(st.binary(max_size=300), st.integers(0, 2**40))
def test_what_is_sealed_opens_and_shows_nothing_of_itself(plain: bytes, place: int) -> None:
    sealed, slot = SEALS.sealed(place, plain, ABOUT)
    assert slot_of(slot.raw) == slot and len(slot.raw) == SLOT_BYTES == 96
    assert SEALS.opened(place, slot, sealed) == plain
    assert len(sealed) == slot.size_bytes == len(plain) + 16
    assert len(plain) < 4 or (plain not in sealed and plain not in slot.raw)
    again, other = SEALS.sealed(place, plain, ABOUT)
    assert again != sealed and other.key != slot.key, "each has a key of its own"


@given(st.binary(min_size=1, max_size=100), st.data())
def test_a_changed_bit_anywhere_opens_nothing(plain: bytes, data: st.DataObject) -> None:
    sealed, slot = SEALS.sealed(3, plain, ABOUT)
    raw = slot.raw + sealed
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    found = slot_of(bytes(changed[:SLOT_BYTES]))
    assert found is not None
    with pytest.raises(BrokenSealError):
        SEALS.opened(3, found, bytes(changed[SLOT_BYTES:]))


def test_what_was_sealed_opens_at_its_own_place_of_its_own_segment_of_its_own_chain_alone() -> None:
    sealed, slot = SEALS.sealed(3, b"secret", ABOUT)
    for other, place in (
        (SEALS, 4),
        (Seals(CHAIN, 8, SEALS.key), 3),
        (Seals("d" * 32, 7, SEALS.key), 3),
        (Seals(CHAIN, 7, bytes(KEY_BYTES)), 3),
    ):
        with pytest.raises(BrokenSealError):
            other.opened(place, slot, sealed)
    for wrong in (b"", sealed[:15], sealed[:-1], sealed + b"\0"):
        with pytest.raises(BrokenSealError):
            SEALS.opened(3, slot, wrong)


def test_a_segments_key_opens_with_the_houses_key_of_its_own_chain_and_segment_alone() -> None:
    house, other = bytes(32), bytes([1]) * 32
    sealed = sealed_segment_key(house, CHAIN, 7, SEALS.key)
    assert segment_key(house, CHAIN, 7, sealed) == SEALS.key and SEALS.key not in sealed
    for key, chain, segment, data in (
        (other, CHAIN, 7, sealed),
        (house, "d" * 32, 7, sealed),
        (house, CHAIN, 8, sealed),
        (house, CHAIN, 7, sealed[:-1]),
        (house, CHAIN, 7, b""),
    ):
        with pytest.raises(BrokenSealError):
            segment_key(key, chain, segment, data)


def test_a_slot_whose_key_is_zeros_is_erased() -> None:
    _, slot = SEALS.sealed(0, b"x", ABOUT)
    assert not slot.is_erased
    gone = slot_of(slot.raw[:-48] + bytes(48))
    assert gone is not None and gone.is_erased
    assert slot_of(slot.raw[:-1]) is None
    assert (keep_ms(0.0001), keep_ms(30), keep_ms(float("inf"))) == (1, 30_000, FOR_EVER)


@given(st.lists(names, max_size=60))
def test_spans_cover_what_they_were_made_of_and_nothing_else(some: list[Name]) -> None:
    made = spans(some)
    assert count(made) == len(set(some))
    assert read_spans(json.loads(json.dumps([list(span) for span in made]))) == made
    for segment in range(4):
        covered = Places(span for span in made if span.segment == segment)
        assert [place for place in range(42) if place in covered] == sorted(
            {name.place for name in some if name.segment == segment}
        )


@given(st.lists(st.tuples(places, places), max_size=20))
def test_places_are_covered_by_spans_that_overlap_too(pairs: list[tuple[int, int]]) -> None:
    rows = [[1, min(pair), max(pair)] for pair in pairs]
    found = read_spans(rows)
    assert found is not None
    covered = Places(found)
    for place in range(42):
        assert (place in covered) == any(first <= place <= last for _, first, last in rows)


def test_what_are_no_spans_and_no_names_is_told_apart() -> None:
    for wrong in (None, 3, "x", [[1, 2]], [[1, 2, "3"]], [[1, 3, 2]], [[-1, 0, 0]], [[True, 0, 0]], [[1, 0, 2**60]]):
        assert read_spans(wrong) is None
    for record in ({}, {"content": None}, {"content": [1]}, {"content": [1, -1]}, {"content": [1, 2.0]}):
        assert name_of(record) is None
    assert name_of({"content": [1, 2]}) == (1, 2)


def test_a_transcript_reads_back_as_what_passed() -> None:
    noted = Transcript()
    noted.sent("/chat/completions", {"messages": [{"role": "user", "content": "line\nand \u2028 \r more"}]})
    first = noted.taken()()
    noted.sent("/chat/completions", {"messages": [{"role": "user", "content": "line\nand \u2028 \r more"}]})
    assert noted.is_empty, "the same again, to a worker that was started anew, is said once"
    events = [{"choices": [{"index": 0, "delta": {"content": f"w\r{number} " * 20}}]} for number in range(2000)]
    for event in events:
        noted.event(json.dumps(event).encode())
    noted.event(b'{"a":\n1}')
    noted.event(b"not \xff json")
    rest = noted.taken()
    assert noted.is_empty
    size_bytes = len(rest())
    assert size_bytes < 2 * GATHER_BYTES
    (call,) = read([first, rest()])
    assert (call.path, call.sent["messages"][0]["content"]) == ("/chat/completions", "line\nand \u2028 \r more")
    assert call.events == [*events, {"a": 1}, "not \ufffd json"]
    noted.sent("/tokenize", {"content": "x"})
    noted.answered({"tokens": [1]})
    noted.sent("/embeddings", {"input": "x"})
    one, two = read([noted.taken()()])
    assert (one.path, one.answer, two.path, two.answer) == ("/tokenize", {"tokens": [1]}, "/embeddings", None)


def test_what_is_sent_again_after_the_engine_was_lost_is_another_call() -> None:
    noted = Transcript()
    noted.sent("/completions", {"prompt": "x"})
    noted.event(b'{"choices":[{"index":0,"text":"cut"}]}')
    noted.begin_anew()
    noted.sent("/completions", {"prompt": "x"})
    noted.event(b'{"choices":[{"index":0,"text":"whole"}]}')
    first, second = read([noted.taken()()])
    assert [call.events[0]["choices"][0]["text"] for call in (first, second)] == ["cut", "whole"]


def test_what_is_no_transcript_is_told() -> None:
    for wrong in (b"nonsense", zlib.compress(b'{"answer":1}\n'), zlib.compress(b"x\n"), zlib.compress(b"{}\n")[:-3]):
        with pytest.raises(ValueError):
            read([wrong])
