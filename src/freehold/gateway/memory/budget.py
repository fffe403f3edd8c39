"""How much memory all models of the house may take together, looked at when it is asked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil

from freehold.core.ports import Room
from freehold.hardware import probe

OTHERS_SHARE = 0.1
"""Of what is free: left to other programs, which grow while models run. A limit that is set leaves nothing beside."""

SHARES = 4
"""A house with more models than that is not expected to have all of them in memory at once."""


@dataclass(frozen=True, slots=True)
class Budget:
    """`limit_bytes` is what was set, None where nothing was; `available` what the machine and its control group have
    left, in bytes."""

    limit_bytes: int | None = None
    available: Callable[[], int] = probe.memory_available_bytes

    def capacity_bytes(self, pids: Iterable[int] = ()) -> int:
        """What models may take in all. The processes `pids` are theirs: what those took is not gone for them."""
        there = self.available() + sum(map(_own_bytes, pids))
        free = int(there * (1 - OTHERS_SHARE))
        return free if self.limit_bytes is None else min(self.limit_bytes, there)

    def room(self, models: int, capacity_bytes: int) -> Room:
        """What each of `models` may be planned into."""
        shares = min(SHARES, max(1, models))
        return Room(share_bytes=capacity_bytes // shares, most_bytes=capacity_bytes)


def _own_bytes(pid: int) -> int:
    """What the process took of the machine's memory and would not be available without its end. Pages of files that it
    maps, its weights, are: the kernel counts them as available (Linux, `filesystems/proc`, MemAvailable)."""
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(pid).memory_info()
        return int(found.rss) - int(getattr(found, "shared", 0))
    return 0
