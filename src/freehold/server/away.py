"""Who has left a page to sign in at the issuer, and has not come back yet.

Each may come back once, within LIFETIME_S, and in the browser that left: that has a cookie of 256 random bits, and what
comes back names the state that was sent along (RFC 9700, 4.7.1). So nobody can be signed in with what somebody else
began. Both are kept as hashes, in memory. The cookie opens nothing; several pages of one browser share it.

Its room is bounded: the oldest go first, and an address leaves MOST_OF_ONE_ADDRESS times within a minute.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from freehold.core.errors import LimitError, SignInError
from freehold.gateway.access.tokens.code_flow import Begun
from freehold.server.recently import Recently

LIFETIME_S = 600.0
MOST = 10_000
MOST_OF_ONE_ADDRESS = 120
WITHIN_S = 60.0
_BYTES = 32
_BROWSER = re.compile(rb"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Leaving:
    """What is kept until somebody comes back: `goes_to` is the page they left, `replaces` the place of the session
    that they had there."""

    begun: Begun
    goes_to: str
    replaces: bytes | None


class _Left(NamedTuple):
    """`browser` is the hash of its cookie."""

    leaving: Leaving
    browser: bytes
    until_s: float


class Away:
    """Those of one house. `now_s` only goes forward."""

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._left: dict[bytes, _Left] = {}
        self._recently = Recently(MOST_OF_ONE_ADDRESS, WITHIN_S, now_s=now_s)

    def require_room(self, address: str) -> None:
        """Count one more that leaves. Raises LimitError where `address` has to wait."""
        wait_s = self._recently.wait_s(address)
        if wait_s is not None:
            text = f"{MOST_OF_ONE_ADDRESS} sign-ins were begun from this address within a minute."
            raise LimitError(text, retry_after_s=wait_s, hint=f"Try again in {wait_s} s.", limit="sign_ins")
        self._recently.note(address)

    def leave(self, leaving: Leaving, browser: bytes | None) -> str:
        """Somebody leaves in the browser that had this cookie; gives the one that it has from now on."""
        self._make_room()
        known = browser is not None and _BROWSER.fullmatch(browser)
        cookie = browser.decode() if browser is not None and known else secrets.token_urlsafe(_BYTES)
        place = _hash(leaving.begun.state.encode())
        self._left[place] = _Left(leaving, _hash(cookie.encode()), self._now_s() + LIFETIME_S)
        return cookie

    def back(self, state: str | None, browser: bytes | None) -> Leaving:
        """What somebody left with who comes back; nobody comes back with it again. Raises SignInError."""
        place = _hash((state or "").encode())
        found = self._left.get(place)
        if found is None or browser is None or not hmac.compare_digest(found.browser, _hash(browser)):
            raise SignInError(
                "This browser did not begin this sign-in, or it is over.",
                hint="Begin again, and come back in the same browser, with cookies allowed.",
            )
        del self._left[place]
        if found.until_s <= self._now_s():
            raise SignInError(f"This sign-in took over {LIFETIME_S / 60:.0f} minutes.", hint="Begin again.")
        return found.leaving

    def _make_room(self) -> None:
        """Forget those who are over, and the oldest where there are too many. All stay for the same time, so the first
        one is the oldest."""
        while self._left:
            oldest = next(iter(self._left))
            if len(self._left) < MOST and self._left[oldest].until_s > self._now_s():
                return
            del self._left[oldest]


def _hash(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
