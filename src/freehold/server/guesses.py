"""Slows down who tries keys: an address that showed MOST wrong ones within a minute is not listened to for a while.

The house's own keys have 256 random bits, which nobody guesses; FREEHOLD_API_KEY is what somebody chose. Behind a proxy
everybody has one address: who is signed in, and who shows a key of the house or a token, is not held up by others.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from freehold.core.errors import LimitError
from freehold.server.recently import Recently

MOST = 20
WITHIN_S = 60.0


class Guesses:
    """Wrong keys by address. `now_s` only goes forward."""

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._wrong = Recently(MOST, WITHIN_S, now_s=now_s)

    def require(self, address: str) -> None:
        """Raises LimitError where `address` has to wait."""
        wait_s = self._wrong.wait_s(address)
        if wait_s is not None:
            text = f"{MOST} wrong keys came from this address within a minute."
            raise LimitError(text, retry_after_s=wait_s, hint=f"Try again in {wait_s} s.", limit="wrong_keys")

    def wrong(self, address: str) -> None:
        self._wrong.note(address)
