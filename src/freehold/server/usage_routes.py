"""What was used, for programs at `/api/usage` and for the Usage page at `/ui/usage`. A key sees its own use, one with
the scope `admin` everybody's, as does whoever needs no key. Reading the ledger is done on a thread."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from anyio import to_thread

from freehold.app import House, UsageAsked, read_by, read_day
from freehold.core.errors import RequestError
from freehold.server.answers import Handler
from freehold.server.call import Call
from freehold.server.pages.usage import fragment

DAYS = 30
_HTML = (b"content-type", b"text/html; charset=utf-8")


class UsageRoutes:
    """Handlers for GET."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> dict[str, Handler]:
        """GET handlers by path."""
        return {"/api/usage": self._usage, "/ui/usage": self._page}

    async def _usage(self, call: Call) -> None:
        """`by`, `since`, `until` and `key` as `freehold usage` takes them. Raises RequestError."""
        asked = _own(call, _asked(call))
        await call.reply(200, {"rows": await to_thread.run_sync(self._house.usage, asked)})

    async def _page(self, call: Call) -> None:
        today = datetime.now(UTC).date()
        asked = _own(call, UsageAsked(since=today - timedelta(days=DAYS - 1), until=today))
        rows = await to_thread.run_sync(self._house.usage, asked)
        text = fragment(rows, [today - timedelta(days=back) for back in reversed(range(DAYS))], call.key)
        await call.reply_bytes(200, text.encode(), (_HTML,))


def _own(call: Call, asked: UsageAsked) -> UsageAsked:
    """`asked` as far as the caller may know."""
    if call.key is None or call.key.scopes.admin:
        return asked
    return dataclasses.replace(asked, key=call.key.id)


def _asked(call: Call) -> UsageAsked:
    given = dict(parse_qsl(call.scope.get("query_string", b"").decode("latin-1")))
    unknown = given.keys() - {"by", "since", "until", "key"}
    if unknown:
        raise RequestError(f"{min(unknown)!r} is nothing that usage is asked for by.", param=min(unknown))
    since, until = given.get("since"), given.get("until")
    return UsageAsked(
        read_by(given.get("by", "")),
        read_day(since) if since else None,
        read_day(until) if until else None,
        given.get("key"),
    )
