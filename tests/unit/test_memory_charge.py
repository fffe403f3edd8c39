"""What a model is charged: by what is computed before its start, by what is seen once it runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.ports import MemoryNeeds
from freehold.core.quantity import Estimated, Exact, Unknown
from freehold.gateway.memory.charge import before_start, least_bytes, running

RANGE = MemoryNeeds(Estimated(900, 1000, "made up"), growth_bytes=200, given_back_bytes=300)
UNKNOWN = MemoryNeeds(Unknown("nobody knows"), growth_bytes=50, floor_bytes=400)


def test_before_the_start_the_high_end_and_all_that_it_may_grow_by_must_be_free() -> None:
    assert before_start(RANGE, 5000) == 1200
    assert before_start(UNKNOWN, 5000) == 450


def test_a_range_that_reaches_beyond_all_there_is_takes_all_of_it() -> None:
    assert before_start(RANGE, 1000) == 1000
    assert least_bytes(RANGE) == 900


@pytest.mark.parametrize(
    ("seen", "charged"),
    [
        (100, 900 + 200),  # its buffers were not touched yet
        (950, 950 + 200),  # what was seen, and what it may still grow by
        (1250, 1000 + 200),  # pages that the kernel takes back explain the rest
        (1400, 1100 + 200 - 100),  # a hundred of its growth has come
        (1700, 1400),  # more than anybody had thought
        (None, 1000 + 200),
    ],
)
def test_what_is_seen_replaces_the_range_within_its_bounds(seen: int | None, charged: int) -> None:
    assert running(RANGE, seen) == charged


def test_where_nothing_was_known_the_larger_of_what_is_seen_and_what_is_sure_counts() -> None:
    assert running(UNKNOWN, 100) == 450
    assert running(UNKNOWN, 800) == 800
    assert running(UNKNOWN, None) == 450


def test_what_takes_no_memory_is_charged_none() -> None:
    nothing = MemoryNeeds(Exact(0))
    assert before_start(nothing, 10) == running(nothing, None) == 0


@given(
    low=st.integers(0, 1000), width=st.integers(0, 500), growth=st.integers(0, 500), back=st.integers(0, 500),
    seen=st.integers(0, 5000),
)  # fmt: skip
def test_a_running_model_is_never_charged_less_than_it_takes_for_good(
    low: int, width: int, growth: int, back: int, seen: int
) -> None:
    needs = MemoryNeeds(Estimated(low, low + width, "made up"), growth, back)
    charged = running(needs, seen)
    assert charged >= min(seen, max(seen - back, low + width))
    assert charged >= low + growth or seen > low + width
    if seen <= low + width + back:
        assert charged <= before_start(needs, 10**9), "what was seen as it was foretold never costs more than before"
