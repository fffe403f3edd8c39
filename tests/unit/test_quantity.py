"""An estimate never passes for a measurement, a sum is as sure as its least sure part, and unknown stays unknown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.quantity import (
    Estimated,
    Exact,
    Measured,
    Quantity,
    Unknown,
    as_json,
    at_least,
    at_most,
    likeliest,
    total,
)

MEASURED = Measured(12.0, 11.0, 14.0, 5, "2026-11-20")
POINTED = Estimated(1.0, 3.0, "by arithmetic", 1.5)
RANGE = Estimated(10.0, 20.0, "by a table")
NOBODY = Unknown("nobody has measured it")

figures = st.floats(0, 1e15, allow_nan=False)
ranges = st.tuples(figures, figures).map(sorted)
known: st.SearchStrategy[Quantity] = st.one_of(
    figures.map(Exact),
    ranges.map(lambda pair: Measured(pair[0], pair[0], pair[1], 5, "2026-11-20")),
    ranges.map(lambda pair: Estimated(pair[0], pair[1], "a basis", pair[1])),
    ranges.map(lambda pair: Estimated(pair[0], pair[1], "another basis")),
)


@pytest.mark.parametrize(
    ("quantity", "bounds"),
    [
        (Exact(7), (7, 7, 7)),
        (MEASURED, (11.0, 12.0, 14.0)),
        (POINTED, (1.0, 1.5, 3.0)),
        (RANGE, (10.0, 15.0, 20.0)),
        (NOBODY, (None, None, None)),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_each_kind_has_its_low_end_its_likeliest_and_its_high_end(
    quantity: Quantity, bounds: tuple[float | None, ...]
) -> None:
    assert (at_least(quantity), likeliest(quantity), at_most(quantity)) == bounds


def test_a_sum_of_exact_parts_is_exact_and_keeps_whole_bytes_whole() -> None:
    assert total([Exact(2**53), Exact(1)]) == Exact(2**53 + 1)
    assert total([]) == Exact(0)


def test_one_unknown_part_makes_the_sum_unknown_with_its_reason() -> None:
    assert total([Exact(1), RANGE, NOBODY, MEASURED]) is NOBODY


def test_a_sum_with_an_estimate_is_an_estimate_that_names_each_basis_once() -> None:
    assert total([Exact(100), POINTED, POINTED]) == Estimated(102.0, 106.0, "by arithmetic", 103.0)
    mixed = total([MEASURED, POINTED, RANGE])
    assert mixed == Estimated(22.0, 37.0, "by arithmetic; by a table", None)


def test_a_sum_of_measurements_is_as_sure_as_the_one_with_the_fewest_runs() -> None:
    later = Measured(1.0, 0.5, 2.0, 3, "2026-11-22")
    assert total([MEASURED, later, Exact(10)]) == Measured(23.0, 21.5, 26.0, 3, "2026-11-22")


@given(st.lists(known, max_size=6))
def test_a_sum_lies_between_the_sums_of_the_ends(parts: list[Quantity]) -> None:
    whole = total(parts)
    low, middle, high = at_least(whole), likeliest(whole), at_most(whole)
    assert low is not None and middle is not None and high is not None
    assert low <= middle * (1 + 1e-12) and middle <= high * (1 + 1e-12)
    assert high == pytest.approx(sum(at_most(part) or 0 for part in parts))
    surest = {"exact": 0, "measured": 1, "estimated": 2}
    assert surest[whole.kind] == max([surest[part.kind] for part in parts], default=0)


@pytest.mark.parametrize(
    ("quantity", "data"),
    [
        (Exact(7), {"kind": "exact", "value": 7}),
        (
            MEASURED,
            {"kind": "measured", "value": 12.0, "low": 11.0, "high": 14.0, "runs": 5, "on": "2026-11-20"},
        ),
        (RANGE, {"kind": "estimated", "value": None, "low": 10.0, "high": 20.0, "basis": "by a table"}),
        (NOBODY, {"kind": "unknown", "value": None, "reason": "nobody has measured it"}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_as_json_every_kind_has_kind_and_value_and_what_it_rests_on(
    quantity: Quantity, data: dict[str, object]
) -> None:
    assert json.loads(json.dumps(as_json(quantity))) == data
