"""How long a context a build can have on a machine before less of it lies on accelerators.

Found by bisection, because windows and padding make it no straight line. What is sure holds at the high end of what is
needed, what is possible at the low end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from freehold.fit.blueprint import Blueprint, RunShape
from freehold.fit.cache import CELLS
from freehold.fit.loads import loads
from freehold.fit.memory import need
from freehold.fit.placement import layout
from freehold.hardware.rig import Rig

UNSTATED_CONTEXT_TOKENS = 131_072
"""As far as is looked where a model does not state what it was trained with."""


def largest_context(
    blueprint: Blueprint, run: RunShape, rig: Rig, *, offloaded: int = 0, sure: bool = True
) -> int | None:
    """The longest context of each slot, up to what it was trained with, with at least `offloaded` layers on
    accelerators; 0 where none fits, None where nobody can tell."""
    if not blueprint.layers:
        return None
    longest = (blueprint.trained_tokens or UNSTATED_CONTEXT_TOKENS) // CELLS

    def holds(cells: int) -> bool:
        return _holds(blueprint, replace(run, context_tokens=cells * CELLS), rig, offloaded, sure=sure)

    return CELLS * _most(longest, holds)


def _holds(blueprint: Blueprint, run: RunShape, rig: Rig, offloaded: int, *, sure: bool) -> bool:
    parts = loads(blueprint, run, need(blueprint, run), high=sure)
    found = layout(parts, rig) if parts is not None else None
    return found is not None and found.offloaded >= offloaded


def _most(limit: int, holds: Callable[[int], bool]) -> int:
    """The largest number up to `limit` that holds, where all smaller ones do; 0 where none does."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low
