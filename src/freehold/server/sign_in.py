"""Signing in on the pages, and out: a key or a token is shown once, for a cookie.

Both are POST with a JSON body, which no form of another site can send, and the guard has looked at Origin before.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from freehold.core.errors import RequestError
from freehold.gateway.access.access import Access
from freehold.gateway.access.key import Key
from freehold.server.answers import Handler
from freehold.server.body import read_object
from freehold.server.call import Call
from freehold.server.security import SESSION, SIGN_IN, SIGN_OUT, Guard
from freehold.server.sessions import Sessions

MOST_BODY_BYTES = 32 * 1024


class SignIn:
    """Handlers that are open to everybody who reaches the house."""

    def __init__(self, access: Access, guard: Guard, sessions: Sessions) -> None:
        self._access = access
        self._guard = guard
        self._sessions = sessions

    def routes(self) -> dict[str, tuple[str, Handler]]:
        """Method and handler by path."""
        return {SIGN_IN: ("POST", self._in), SIGN_OUT: ("POST", self._out), SESSION: ("GET", self._who)}

    async def _in(self, call: Call) -> None:
        """Take `key` for a cookie. Raises KeyRefusedError, LimitError, ForbiddenError, SignOnError, RequestError."""
        given = await _given(call)
        if not self._access.needed:
            await call.reply(200, self._told(None, None))
            return
        key = await self._guard.identify(call, given, is_guess=True)
        until_s = (await self._access.signed_on(given)).until_s if key.is_person else None
        self._sessions.close(self._sessions.place(call))
        value, session = self._sessions.open(key, None if key.is_person else given, until_s)
        header = self._sessions.cookie.header(call, value, session.until_s - time.time())
        await call.reply(200, self._told(key, session.until_s), (header,))

    async def _out(self, call: Call) -> None:
        """End the session here; `goes_to` is where the browser ends the one that the person has with the issuer."""
        await read_object(call, MOST_BODY_BYTES)
        session, flow = self._sessions.find(call), self._access.code_flow
        self._sessions.close(self._sessions.place(call))
        goes_to = flow.end_address() if flow is not None and session is not None and session.came_back else None
        header = self._sessions.cookie.header(call, "", 0)
        await call.reply(200, {**self._told(None, None), "goes_to": goes_to}, (header,))

    async def _who(self, call: Call) -> None:
        session = self._sessions.find(call)
        found = (session.key, session.until_s) if session is not None else (call.key, None)
        await call.reply(200, self._told(*found))

    def _told(self, key: Key | None, until_s: float | None) -> dict[str, Any]:
        """What a page may know before anybody has signed in: whether that is needed, and with what. `sign_on` names the
        issuer that the page can lead to."""
        needed, flow = self._access.needed, self._access.code_flow
        until = datetime.fromtimestamp(round(until_s), UTC).isoformat() if until_s is not None else None
        return {
            "needed": needed,
            "takes_tokens": self._access.takes_tokens,
            "sign_on": flow.name if flow is not None else None,
            "signed_in": key is not None,
            "owner": key.owner if key is not None else None,
            "admin": key.scopes.admin if key is not None else not needed,
            "until": until,
        }


async def _given(call: Call) -> bytes:
    given = (await read_object(call, MOST_BODY_BYTES)).get("key")
    if not isinstance(given, str) or not given.strip():
        raise RequestError("`key` is required.", param="key")
    return given.strip().encode()
