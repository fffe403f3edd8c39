"""Who is signed in on the pages: one cookie for each browser, and what it stands for kept here.

The cookie holds 256 random bits and nothing else; of these only the hash is kept, in memory, so a restart signs
everybody out. A session ends after LIFETIME_S, with the token it was opened with, and at once where its key is revoked,
expired or rotated. A page's scripts cannot read the cookie (HttpOnly), other sites cannot make a browser send it
(SameSite=Strict), and under TLS it is never sent in the clear (Secure, and a name that demands it).

What it cannot do: cookies know no ports, so another program on the same host name is sent it too when this browser asks
that one. On a machine with programs that you do not trust, give the house a name of its own.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from freehold.core.errors import KeyRefusedError
from freehold.gateway.access.access import Access
from freehold.gateway.access.key import Key
from freehold.server.call import Call

LIFETIME_S = 12 * 3600
MOST = 10_000
MOST_OF_ONE_KEY = 50
_BYTES = 32
_TLS = b"__Host-"


@dataclass(frozen=True, slots=True)
class Session:
    """`shown` is the SHA-256 of the key's text, None for a person with a token."""

    key: Key
    shown: str | None
    until_s: float


class Sessions:
    """The sessions of one running house, by the hash of their cookie. `wall_s` is in seconds since 1970."""

    def __init__(self, access: Access, *, wall_s: Callable[[], float] = time.time) -> None:
        self._access = access
        self._wall_s = wall_s
        self._open: dict[bytes, Session] = {}

    def open(self, key: Key, shown: bytes | None, until_s: float | None = None) -> tuple[str, Session]:
        """Begin a session; gives the cookie's value. `shown` is the text of an API key."""
        self._make_room(key)
        value = secrets.token_urlsafe(_BYTES)
        latest_s = self._wall_s() + LIFETIME_S
        digest = hashlib.sha256(shown).hexdigest() if shown is not None else None
        session = Session(key, digest, latest_s if until_s is None else min(until_s, latest_s))
        self._open[_place(value.encode())] = session
        return value, session

    def find(self, call: Call) -> Session | None:
        """The session whose cookie `call` carries, with its key as it is now; None where there is none."""
        value = cookie(call)
        session = self._open.get(_place(value)) if value is not None else None
        if session is None or value is None:
            return None
        try:
            if self._wall_s() < session.until_s:
                return Session(self._access.standing(session.key, session.shown), session.shown, session.until_s)
        except KeyRefusedError:
            pass
        del self._open[_place(value)]
        return None

    def close(self, call: Call) -> None:
        value = cookie(call)
        if value is not None:
            self._open.pop(_place(value), None)

    def _make_room(self, key: Key) -> None:
        """End what is over, and the oldest where there are too many: of this key, or of everybody."""
        now_s = self._wall_s()
        self._open = {place: each for place, each in self._open.items() if each.until_s > now_s}
        of_key = [place for place, each in self._open.items() if each.key.id == key.id]
        surplus = of_key[: max(0, len(of_key) - MOST_OF_ONE_KEY + 1)]
        for place in surplus or list(self._open)[: max(0, len(self._open) - MOST + 1)]:
            del self._open[place]


def cookie(call: Call) -> bytes | None:
    """The value of the session's cookie in `call`, None where there is none. Behind a proxy that speaks TLS, a request
    does not always tell that it came through it, so both names are looked for where the house itself speaks none."""
    given = call.headers.get(b"cookie")
    if given is None:
        return None
    plain = _name(call).encode()
    names = [_TLS + plain] if call.scope.get("scheme") == "https" else [_TLS + plain, plain]
    found = dict(part.strip().partition(b"=")[::2] for part in given.split(b";"))
    return next((found[name] for name in names if name in found), None)


def _name(call: Call) -> str:
    """With the port, because cookies know none and two houses on one machine must not sign each other out."""
    server = call.scope.get("server")
    return f"freehold-{server[1]}" if server is not None else "freehold"


def set_cookie(call: Call, value: str, lasts_s: float) -> tuple[bytes, bytes]:
    """The header that gives the browser its cookie; with `lasts_s` 0 it forgets it. Under TLS, the house's own or that
    of a proxy, which Origin tells, its name lets no other host of the domain set it (RFC 6265bis, 4.1.3.2)."""
    encrypted = call.scope.get("scheme") == "https" or call.headers.get(b"origin", b"").startswith(b"https://")
    name = f"{_TLS.decode()}{_name(call)}" if encrypted else _name(call)
    words = [f"{name}={value}", "Path=/", f"Max-Age={int(lasts_s)}", "HttpOnly", "SameSite=Strict"]
    return b"set-cookie", "; ".join([*words, *(["Secure"] if encrypted else [])]).encode()


def _place(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
