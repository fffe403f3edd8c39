"""How much memory all models may take: what is set, what is free, and what they hold of it already."""

from __future__ import annotations

import os

import psutil
import pytest

from freehold.core.ports import Room
from freehold.gateway.memory.budget import Budget


@pytest.mark.parametrize(
    ("limit", "capacity"),
    [(None, 900), (500, 500), (5000, 1000)],
    ids=["a tenth is left to others", "a limit is taken as it is", "never more than is there"],
)
def test_the_capacity_is_what_is_set_and_never_more_than_is_free(limit: int | None, capacity: int) -> None:
    assert Budget(limit, lambda: 1000).capacity_bytes() == capacity


def test_what_the_workers_hold_is_not_gone_for_them_but_for_pages_of_files() -> None:
    found = psutil.Process().memory_info()
    own = Budget(2**60, lambda: 0).capacity_bytes([os.getpid()])
    assert 0 < own == pytest.approx(found.rss - found.shared, rel=0.1)


def test_a_process_that_has_ended_holds_nothing() -> None:
    assert Budget(2**60, lambda: 7).capacity_bytes([2**22 + 1]) == 7


def test_each_model_has_a_share_and_a_quarter_at_least() -> None:
    budget = Budget(None, lambda: 0)
    assert budget.room(3, 900) == Room(300, 900)
    assert budget.room(40, 800) == Room(200, 800)
    assert budget.room(0, 800) == Room(800, 800)
