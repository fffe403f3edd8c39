"""What the Admin page asks for: who is at work and who waits, what models take, what failed lately; and its two deeds.

Only for keys with the scope `admin`, or in a house that asks for no key. Each deed is logged with who did it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from freehold.app import House
from freehold.core.errors import RequestError
from freehold.core.sizes import were
from freehold.gateway.access.key import HOUSE_KEY
from freehold.server.answers import Handler
from freehold.server.at_work import AtWork
from freehold.server.body import read_object
from freehold.server.call import Call
from freehold.server.pages.admin import REVOKE, STOP, Now, fragment

MOST_BODY_BYTES = 4096
EVENTS = 20
_HTML = (b"content-type", b"text/html; charset=utf-8")
_log = logging.getLogger("freehold.server")


class AdminPage:
    """Handlers behind the Admin page."""

    def __init__(self, house: House, at_work: AtWork) -> None:
        self._house = house
        self._at_work = at_work

    def routes(self) -> dict[str, tuple[str, Handler]]:
        """Method and handler by path."""
        return {"/ui/admin": ("GET", self._show), STOP: ("POST", self._stop), REVOKE: ("POST", self._revoke)}

    async def _show(self, call: Call) -> None:
        self._house.access.require_admin(call)
        gateway = self._house.gateway
        now = Now(
            at_s=time.time(),
            work=self._at_work.now(),
            endpoints=gateway.endpoints(),
            lines=gateway.lines(),
            workers=gateway.answering(),
            memory=gateway.memory(),
            events=list(reversed(gateway.life.kept))[:EVENTS],
            failures=self._at_work.failures(),
            viewer=call.key.owner if call.key is not None else None,
        )
        await call.reply_bytes(200, fragment(now).encode(), (_HTML,))

    async def _stop(self, call: Call) -> None:
        """End the request with the given `number`. Raises NotFoundError where it has ended."""
        number = (await self._asked(call)).get("number")
        if type(number) is not int:
            raise RequestError("`number` is required.", param="number")
        stopped = self._at_work.stop(number)
        _log.warning("%s stopped the request %s", _who(call), stopped.id.decode())
        await call.reply(200, {"text": "The request was stopped."})

    async def _revoke(self, call: Call) -> None:
        """Let a key, or a person, open nothing from now on. Raises NotFoundError, CallError."""
        key_id = (await self._asked(call)).get("key")
        if not isinstance(key_id, str) or key_id == HOUSE_KEY:
            raise RequestError("`key` is required: the id of a key that can be revoked.", param="key")
        revoked = await asyncio.to_thread(self._house.access.revoke, key_id)
        ended = were(self._house.access.reread(), "request")
        _log.warning("%s revoked the key %s of %s; %s ended", _who(call), revoked.id, revoked.owner, ended)
        await call.reply(200, {"text": f"{revoked.named} opens nothing any more. {ended} ended."})

    async def _asked(self, call: Call) -> dict[str, Any]:
        """What a deed is about; whether it may be done is looked at once that has come, which may take a while. Raises
        ForbiddenError, KeyRefusedError."""
        asked = await read_object(call, MOST_BODY_BYTES)
        self._house.access.require_admin(call)
        return asked


def _who(call: Call) -> str:
    return f"{call.key.owner} ({call.key.id})" if call.key is not None else "somebody without a key"
