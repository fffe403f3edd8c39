"""Signing in on the pages at the firm's own sign-on: a page asks where to go, and the browser comes back from there.

To leave is POST with a JSON body, as signing in with a key is, so that no other site can begin it. To come back is the
one request that another site may lead here beside the pages; what it is worth is for `away` and the issuer to say.
Whoever comes back goes to a page of this house, whatever was asked for, and sees there or here how it went. Neither the
code nor a token is in any log, or in an address that this house sends somebody to.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.responses import HTMLResponse

from freehold.core.errors import FreeholdError, RequestError, SignInError, SignOnError
from freehold.core.sign_on import CALLBACK
from freehold.gateway.access.access import Access
from freehold.gateway.access.tokens.code_flow import CodeFlow, begin
from freehold.server.answers import Handler
from freehold.server.away import LIFETIME_S, Away, Leaving
from freehold.server.body import read_object
from freehold.server.call import Call
from freehold.server.cookies import Cookie
from freehold.server.errors import error_headers
from freehold.server.pages.routes import HEADERS
from freehold.server.pages.shell import refusal
from freehold.server.security import PAGES, SIGN_ON
from freehold.server.sessions import Sessions

MOST_BODY_BYTES = 4096
MOST_FIELDS = 20
MOST_PAGE_CHARS = 512
"""Of the page that is left: it travels to the issuer and back, in addresses."""
HOME = "/"
_log = logging.getLogger("freehold.server")


class SignOnRoutes:
    """Handlers that are open to everybody who reaches the house."""

    def __init__(self, access: Access, flow: CodeFlow, sessions: Sessions) -> None:
        self._access = access
        self._flow = flow
        self._sessions = sessions
        self._away = Away()
        self._cookie = Cookie("-away", "Lax", flow.client.tls_only)

    def routes(self) -> dict[str, tuple[str, Handler]]:
        """Method and handler by path."""
        return {SIGN_ON: ("POST", self._leave), CALLBACK: ("GET", self._back)}

    async def _leave(self, call: Call) -> None:
        """Give `goes_to`, where the browser is to go to sign in; `next` is the page to come back to. Raises
        RequestError, SignOnError."""
        body = await read_object(call, MOST_BODY_BYTES)
        page = _own_page(body.get("next", HOME))
        self._require_address(call)
        leaving = Leaving(begin(), page, self._sessions.place(call))
        left = self._away.leave(leaving, self._cookie.read(call))
        goes_to = await self._flow.leads_to(leaving.begun, left.state)
        header = self._cookie.header(call, left.browser, LIFETIME_S)
        await call.reply(200, {"goes_to": goes_to}, (header,))

    async def _back(self, call: Call) -> None:
        """Take what the browser came back with for a session, and lead to the page that was left."""
        page = HOME
        try:
            returned = _returned(call)
            left = self._away.back(returned.get("state"), self._cookie.read(call))
            page = left.goes_to
            found = await self._access.signed_in(left.begun, returned)
        except FreeholdError as error:
            await self._refuse(call, error, page)
            return
        self._sessions.close(left.replaces)
        value, session = self._sessions.open(found.person, None, found.until_s, came_back=True)
        header = self._sessions.cookie.header(call, value, session.until_s - time.time())
        await call.reply_bytes(303, b"", ((b"location", page.encode()), header))

    async def _refuse(self, call: Call, error: FreeholdError, page: str) -> None:
        """Say in the browser why nobody is signed in."""
        call.refused = error.code
        if isinstance(error, SignOnError):
            _log.warning("sign-on: %s", error)
        html = refusal(error.message, error.hint, page)
        own = {name.decode(): value.decode() for name, value in error_headers(error)}
        shown = HTMLResponse(html, error.http_status, {**HEADERS, **own, "Cache-Control": "no-store"})
        await shown(call.scope, call.receive, call.send)

    def _require_address(self, call: Call) -> None:
        """Raise RequestError where the page has another address than the one that people come back to: the cookie
        would not be there."""
        origin, own = call.headers.get(b"origin"), self._flow.client.address
        if origin is not None and origin.lower() != own.encode():
            raise RequestError(
                f"With {self._flow.name} people sign in at {own}, and this page is at {origin.decode('latin-1')}.",
                hint=f"Open {own}.",
            )


def _returned(call: Call) -> Mapping[str, str]:
    """The fields of the address that somebody came back to. Raises SignInError where one is there twice (RFC 6749,
    3.1)."""
    try:
        fields = parse_qsl(call.scope.get("query_string", b"").decode("latin-1"), max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise SignInError("This is no answer of a sign-on.", hint="Begin again.") from error
    if any(count > 1 for count in Counter(name for name, _ in fields).values()):
        raise SignInError("This answer says one thing twice.", hint="Begin again.")
    return dict(fields)


def _own_page(given: Any) -> str:
    """A page of this house, with what is asked of it unless that is too long. Raises RequestError for anything else."""
    if isinstance(given, str) and given.isascii() and given.isprintable() and " " not in given:
        with suppress(ValueError):  # an address that cannot be read: `//[`
            place = urlsplit(given)
            if not place.scheme and not place.netloc and place.path in PAGES and given.startswith(place.path):
                return given if len(given) <= MOST_PAGE_CHARS else place.path
    raise RequestError("`next` must be one of the pages of this house.", param="next", hint=", ".join(PAGES))
