from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import EngineError
from freehold.gateway import sse
from freehold.gateway.sse import EventReader

STREAM = 'data: {"a":"ü"}\n\n: ping\n\nevent: x\r\ndata: one\r\ndata:two\r\n\r\ndata: [DONE]\n\n'.encode()
EVENTS = ['{"a":"ü"}'.encode(), b"one\ntwo", b"[DONE]"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_the_same_events_come_out_wherever_the_bytes_were_cut(cuts: list[int]) -> None:
    reader = EventReader()
    places = [0, *sorted(cuts), len(STREAM)]
    found = [event for a, b in itertools.pairwise(places) for event in reader.feed(STREAM[a:b])]
    assert found == EVENTS


def test_an_event_without_end_is_refused_instead_of_filling_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "EVENT_LIMIT_BYTES", 1000)
    reader = EventReader()
    with pytest.raises(EngineError, match="1,000 bytes"):
        for _ in range(11):
            reader.feed(b"data: " + b"x" * 100)
