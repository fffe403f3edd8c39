"""How often each address did something lately: what slowing somebody down rests on. Bounded; pure but for its clock.

Behind a proxy everybody has one address.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

MOST_ADDRESSES = 10_000


class Recently:
    """At most `most` times within `within_s` for each address. `now_s` only goes forward."""

    def __init__(self, most: int, within_s: float, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._within_s = within_s
        self._now_s = now_s
        self._times: dict[str, deque[float]] = {}

    def wait_s(self, address: str) -> int | None:
        """For how long `address` has to wait; None where it need not."""
        times = self._recent(address)
        if times is None or len(times) < self._most:
            return None
        return max(1, math.ceil(times[0] + self._within_s - self._now_s()))

    def note(self, address: str) -> None:
        times = self._recent(address)
        if times is None:
            if len(self._times) >= MOST_ADDRESSES:
                del self._times[next(iter(self._times))]
            times = self._times[address] = deque(maxlen=self._most)
        times.append(self._now_s())

    def _recent(self, address: str) -> deque[float] | None:
        times = self._times.get(address)
        if times is None:
            return None
        while times and times[0] <= self._now_s() - self._within_s:
            times.popleft()
        if not times:
            del self._times[address]
            return None
        return times
