"""How long answers rest, as the loop is late or not."""

from __future__ import annotations

import pytest

from freehold.gateway.pace import LATE_S, REST_S, controlled

SHORTEST_S, LONGEST_S = REST_S


def _after(rest_s: float, lates_s: list[float]) -> float:
    for late_s in lates_s:
        rest_s = controlled(rest_s, late_s)
    return rest_s


def test_nobody_rests_in_a_house_that_keeps_up() -> None:
    assert _after(0.0, [LATE_S] * 100) == 0.0


def test_one_late_turn_costs_one_short_rest() -> None:
    assert _after(0.0, [2 * LATE_S]) == SHORTEST_S
    assert _after(0.0, [2 * LATE_S, 0.0]) == 0.0


def test_a_loop_that_stays_late_has_longer_rests_up_to_what_nobody_sees() -> None:
    assert SHORTEST_S < _after(0.0, [1.0] * 3) < LONGEST_S
    assert _after(0.0, [1.0] * 100) == LONGEST_S


def test_the_longest_rest_is_given_up_within_two_seconds() -> None:
    assert _after(LONGEST_S, [0.0] * 50) == 0.0


@pytest.mark.parametrize("share_late", [0.05, 0.2])
def test_rests_settle_where_one_look_of_nine_is_late(share_late: float) -> None:
    each = round(1 / share_late)
    found = _after(0.05, [2 * LATE_S if number % each == 0 else 0.0 for number in range(200)])
    assert found < 0.03 if share_late < 1 / 9 else found > 0.05
