"""The arithmetic of fidelity, against the definitions written out with the standard library alone."""

from __future__ import annotations

import math
import random
import statistics
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.errors import CallError
from freehold.trials.bar import Bar
from freehold.trials.fidelity import BLOCK, Distances, distances, log_probabilities, mean_and_error, said

LOGITS = st.lists(st.floats(-30, 30, width=32), min_size=5, max_size=5)


def packed(rows: list[list[float]]) -> bytes:
    return b"".join(struct.pack(f"<{len(row)}f", *row) for row in rows)


def probabilities(row: list[float]) -> list[float]:
    """A softmax as a textbook has it."""
    top = max(row)
    weights = [math.exp(each - top) for each in row]
    return [each / math.fsum(weights) for each in weights]


def divergence(p: list[float], q: list[float]) -> float:
    return math.fsum(mine * math.log(mine / its) for mine, its in zip(p, q, strict=True) if mine > 0)


@settings(deadline=None)  # the first example imports numpy
@given(st.lists(st.tuples(LOGITS, LOGITS), min_size=1, max_size=4))
def test_divergence_and_agreement_are_those_of_the_definition(drawn: list[tuple[list[float], list[float]]]) -> None:
    reference = [first for first, _ in drawn]
    compared = [second for _, second in drawn]
    found = distances(log_probabilities(packed(reference), 5), log_probabilities(packed(compared), 5))
    for nats, agrees, mine, its in zip(found.nats, found.agrees, reference, compared, strict=True):
        assert nats == pytest.approx(divergence(probabilities(mine), probabilities(its)), rel=1e-4, abs=1e-4)
        if sorted(mine)[-1] - sorted(mine)[-2] > 0.01 and sorted(its)[-1] - sorted(its)[-2] > 0.01:
            assert agrees == (mine.index(max(mine)) == its.index(max(its)))


def test_logits_that_differ_by_a_constant_are_the_same_distribution() -> None:
    rows = [[0.5, 2.0, -1.0, 0.0, 3.0]]
    raised = [[each + 40 for each in rows[0]]]
    found = distances(log_probabilities(packed(rows), 5), log_probabilities(packed(raised), 5))
    assert found.nats[0] == pytest.approx(0, abs=1e-6)
    assert found.agrees == (True,)


def test_the_error_of_the_mean_is_that_of_blocks_and_unknown_where_there_is_one() -> None:
    drawn = random.Random(4)
    values = [drawn.random() for _ in range(4 * BLOCK + 3)]
    means = [statistics.fmean(values[place : place + BLOCK]) for place in range(0, 4 * BLOCK, BLOCK)]
    mean, error = mean_and_error(values)
    assert mean == pytest.approx(statistics.fmean(values))
    assert error == pytest.approx(statistics.stdev(means) / 2)
    assert mean_and_error(values[:BLOCK])[1] == math.inf


def far(nats: float, *, spread: float = 0.0) -> Distances:
    drawn = random.Random(7)
    return Distances(tuple(nats + spread * (drawn.random() - 0.5) for _ in range(8 * BLOCK)), (True,) * (8 * BLOCK))


def test_what_is_said_of_distances() -> None:
    found = said(Distances((0.1, 0.3), (True, False)), served=0.02)
    assert (found.nats, found.agreement, found.positions, found.served) == (0.2, 0.5, 2, 0.02)


@pytest.mark.parametrize(
    ("bar", "found", "passes"),
    [
        ("own", far(0.004), True),
        ("own", far(0.0045), False),
        ("own", far(0.0039), True),
        ("own", far(0.0041, spread=0.02), True),  # chance may have made it so
        ("strict", far(0.004), True),  # the very same
        ("strict", far(0.0041, spread=0.02), False),
        ("strict", far(0.0039), True),
        ("0.01", far(0.0099), True),
        ("0.01", far(0.0101), False),
        ("0.01", far(0.0099, spread=0.05), False),  # the error counts against it
    ],
)
def test_how_faithful_is_faithful_enough(bar: str, found: Distances, passes: bool) -> None:
    why = Bar.read(bar).fails(found, far(0.004))
    assert (why is None) == passes, why


@pytest.mark.parametrize("text", ["", "good", "0", "-1", "nan", "inf", "1e9"])
def test_a_bar_that_cannot_be_read_says_what_can(text: str) -> None:
    with pytest.raises(CallError, match="does not say how faithful") as caught:
        Bar.read(text)
    assert "0.01" in caught.value.hint
