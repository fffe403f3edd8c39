"""Slows down who tries keys: an address that showed MOST wrong ones within a minute is not listened to for a while.

The house's own keys have 256 random bits, which nobody guesses; FREEHOLD_API_KEY is what somebody chose. Behind a proxy
everybody has one address: who is signed in, and who shows a key of the house or a token, is not held up by others.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

from freehold.core.errors import LimitError

MOST = 20
WITHIN_S = 60.0
MOST_ADDRESSES = 10_000


class Guesses:
    """Wrong keys by address. `now_s` only goes forward."""

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._wrong: dict[str, deque[float]] = {}

    def require(self, address: str) -> None:
        """Raises LimitError where `address` has to wait."""
        times = self._recent(address)
        if times is not None and len(times) >= MOST:
            wait_s = max(1, math.ceil(times[0] + WITHIN_S - self._now_s()))
            text = f"{MOST} wrong keys came from this address within a minute."
            raise LimitError(text, retry_after_s=wait_s, hint=f"Try again in {wait_s} s.", limit="wrong_keys")

    def wrong(self, address: str) -> None:
        times = self._recent(address)
        if times is None:
            if len(self._wrong) >= MOST_ADDRESSES:
                del self._wrong[next(iter(self._wrong))]
            times = self._wrong[address] = deque(maxlen=MOST)
        times.append(self._now_s())

    def _recent(self, address: str) -> deque[float] | None:
        times = self._wrong.get(address)
        if times is None:
            return None
        while times and times[0] <= self._now_s() - WITHIN_S:
            times.popleft()
        if not times:
            del self._wrong[address]
            return None
        return times
