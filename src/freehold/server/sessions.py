"""Who is signed in on the pages: one cookie for each browser, and what it stands for kept here.

The cookie holds 256 random bits and nothing else; of these only the hash is kept, in memory, so a restart signs
everybody out. A session ends after LIFETIME_S, with the token it was opened with, and at once where its key is revoked,
expired or rotated. Neither a page's scripts nor other sites can use the cookie (`cookies`).

What it cannot do: cookies know no ports, so another program on the same host name is sent it too when this browser asks
that one. On a machine with programs that you do not trust, give the house a name of its own.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from freehold.core.errors import KeyRefusedError
from freehold.gateway.access.access import Access
from freehold.gateway.access.key import Key
from freehold.server.call import Call
from freehold.server.cookies import Cookie

LIFETIME_S = 12 * 3600
MOST = 10_000
MOST_OF_ONE_KEY = 50
_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """`shown` is the SHA-256 of the key's text, None for a person with a token. `came_back` says that the person was
    led to the issuer's own sign-in, where they may be signed in still."""

    key: Key
    shown: str | None
    until_s: float
    came_back: bool = False


class Sessions:
    """The sessions of one running house, by the hash of their `cookie`. `wall_s` is in seconds since 1970."""

    def __init__(self, access: Access, *, wall_s: Callable[[], float] = time.time) -> None:
        flow = access.code_flow
        self.cookie = Cookie("", "Strict", tls_only=flow is not None and flow.client.tls_only)
        self._access = access
        self._wall_s = wall_s
        self._open: dict[bytes, Session] = {}

    def open(
        self, key: Key, shown: bytes | None, until_s: float | None = None, *, came_back: bool = False
    ) -> tuple[str, Session]:
        """Begin a session; gives the cookie's value. `shown` is the text of an API key."""
        self._make_room(key)
        value = secrets.token_urlsafe(_BYTES)
        latest_s = self._wall_s() + LIFETIME_S
        digest = hashlib.sha256(shown).hexdigest() if shown is not None else None
        session = Session(key, digest, latest_s if until_s is None else min(until_s, latest_s), came_back)
        self._open[_place(value.encode())] = session
        return value, session

    def find(self, call: Call) -> Session | None:
        """The session whose cookie `call` carries, with its key as it is now; None where there is none."""
        place = self.place(call)
        session = self._open.get(place) if place is not None else None
        if session is None or place is None:
            return None
        try:
            if self._wall_s() < session.until_s:
                return replace(session, key=self._access.standing(session.key, session.shown))
        except KeyRefusedError:
            pass
        del self._open[place]
        return None

    def place(self, call: Call) -> bytes | None:
        """Where the session of `call` is kept, if it has one: for `close`, when its cookie does not come along."""
        value = self.cookie.read(call)
        return None if value is None else _place(value)

    def close(self, place: bytes | None) -> None:
        if place is not None:
            self._open.pop(place, None)

    def _make_room(self, key: Key) -> None:
        """End what is over, and the oldest where there are too many: of this key, or of everybody."""
        now_s = self._wall_s()
        self._open = {place: each for place, each in self._open.items() if each.until_s > now_s}
        of_key = [place for place, each in self._open.items() if each.key.id == key.id]
        surplus = of_key[: max(0, len(of_key) - MOST_OF_ONE_KEY + 1)]
        for place in surplus or list(self._open)[: max(0, len(self._open) - MOST + 1)]:
            del self._open[place]


def _place(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
