"""What a model is charged of the memory that all share: first what is computed, then what is seen of it. Pure.

Before the start the high end of what it needs has to be free. Once it runs, what its process shows replaces the range,
within its bounds: a buffer that was not touched yet does not show, and is needed all the same. What its caches may
still grow by stays charged, so that models which all fill up do not outgrow the memory together.
"""

from __future__ import annotations

from freehold.core.ports import MemoryNeeds
from freehold.core.quantity import at_least, at_most


def least_bytes(needs: MemoryNeeds) -> int:
    """What is needed for certain: with less there is no use in a start."""
    return max(needs.floor_bytes, int(at_least(needs.start) or 0))


def before_start(needs: MemoryNeeds, most_bytes: int) -> int:
    """What must be free for a start, of the `most_bytes` that there are. Where the range reaches beyond those, the
    model may have all of them, alone."""
    high = at_most(needs.start)
    wanted = (needs.floor_bytes if high is None else int(high)) + needs.growth_bytes
    return max(least_bytes(needs), min(wanted, most_bytes))


def running(needs: MemoryNeeds, seen_bytes: int | None) -> int:
    """What a running model is charged, whose process shows `seen_bytes`; None is unknown."""
    low, high = least_bytes(needs), at_most(needs.start)
    if high is None:
        return max(seen_bytes or 0, needs.floor_bytes + needs.growth_bytes)
    if seen_bytes is None:
        return int(high) + needs.growth_bytes
    taken = seen_bytes - min(needs.given_back_bytes, max(0, seen_bytes - int(high)))
    settled = min(max(taken, low), int(high))
    return max(taken, settled + needs.growth_bytes)
