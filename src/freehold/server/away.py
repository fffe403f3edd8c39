"""Who has left a page to sign in at the issuer, and has not come back yet.

Each may come back once, within LIFETIME_S, and in the browser that left: that has a cookie of 256 random bits, which
opens nothing and which all its pages share. So nobody can be signed in with what somebody else began (RFC 9700, 4.7.1).

Nothing is kept of those who left, so that nobody can take up the room, or the turn, of others: what each needs on the
way back travels as the `state`, sealed with a key of this process (AES-256-GCM, NIST SP 800-38D) and bound to the
cookie. The issuer and whoever reads along see its length. What is kept is which states were spent, the last MOST of
them. One that is forgotten before it ends is worth no more than a new one: it takes a code that the issuer gives once.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from freehold.core.errors import SignInError
from freehold.gateway.access.tokens.code_flow import Begun

LIFETIME_S = 600.0
MOST = 10_000
_BYTES = 32
_NONCE_BYTES = 12
_BROWSER = re.compile(rb"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Leaving:
    """What somebody needs who comes back: `goes_to` is the page they left, `replaces` the place of the session that
    they had there."""

    begun: Begun
    goes_to: str
    replaces: bytes | None


class Left(NamedTuple):
    """`state` goes to the issuer and comes back, `browser` is the cookie."""

    state: str
    browser: str


class Away:
    """Those of one house. `now_s` only goes forward."""

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._seal = AESGCM(AESGCM.generate_key(256))
        self._spent: dict[bytes, float] = {}

    def leave(self, leaving: Leaving, browser: bytes | None) -> Left:
        """Somebody leaves in the browser that had this cookie; gives the one that it has from now on."""
        known = browser is not None and _BROWSER.fullmatch(browser)
        cookie = browser if browser is not None and known else secrets.token_urlsafe(_BYTES).encode()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._seal.encrypt(nonce, _written(leaving, self._now_s() + LIFETIME_S), cookie)
        return Left(urlsafe_b64encode(sealed).rstrip(b"=").decode(), cookie.decode())

    def back(self, state: str | None, browser: bytes | None) -> Leaving:
        """What somebody left with who comes back; nobody comes back with it again. Raises SignInError."""
        try:
            sealed = urlsafe_b64decode((state or "") + "==")
            nonce = sealed[:_NONCE_BYTES]
            leaving, until_s = _read(self._seal.decrypt(nonce, sealed[_NONCE_BYTES:], browser))
        except (ValueError, InvalidTag) as error:
            raise _nobodys() from error
        if until_s <= self._now_s():
            raise SignInError(f"This sign-in took over {LIFETIME_S / 60:.0f} minutes.", hint="Begin again.")
        if nonce in self._spent:
            raise _nobodys()
        self._spend(nonce)
        return leaving

    def _spend(self, nonce: bytes) -> None:
        """Note it for as long as it could last, and forget those that are over, and the oldest where there are too
        many."""
        now_s = self._now_s()
        while self._spent:
            oldest = next(iter(self._spent))
            if len(self._spent) < MOST and self._spent[oldest] > now_s:
                break
            del self._spent[oldest]
        self._spent[nonce] = now_s + LIFETIME_S


def _written(leaving: Leaving, until_s: float) -> bytes:
    begun, replaces = leaving.begun, leaving.replaces
    told = (begun.nonce, begun.verifier, leaving.goes_to, replaces.hex() if replaces is not None else None, until_s)
    return json.dumps(told).encode()


def _read(told: bytes) -> tuple[Leaving, float]:
    nonce, verifier, goes_to, replaces, until_s = json.loads(told)
    return Leaving(Begun(nonce, verifier), goes_to, bytes.fromhex(replaces) if replaces is not None else None), until_s


def _nobodys() -> SignInError:
    return SignInError(
        "This browser did not begin this sign-in, or it is over.",
        hint="Begin again, and come back in the same browser, with cookies allowed.",
    )
