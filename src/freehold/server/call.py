"""One HTTP request on its way through the server: what it said, and how it is answered.

Kept as one small object with slots because every request makes one. It writes each answer's headers, so that no
route can forget the request's id or the security headers. It decides nothing.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Iterable
from typing import Any

from pydantic_core import to_json
from starlette.types import Receive, Scope, Send

from freehold.core.errors import FreeholdError
from freehold.gateway.access.key import Key
from freehold.gateway.access.meter import Meter
from freehold.gateway.admission.ticket import Wish
from freehold.gateway.asking import Asking
from freehold.server.limits import Header as Header
from freehold.server.limits import limit_headers

SECURITY_HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_JSON: Header = (b"content-type", b"application/json")
_USUAL = Wish()


class Call:
    """`route` is the template that matched, for metrics; `endpoint` and `digest` are known once the gateway has
    answered; `status` 0 means that no answer has begun, `complete` that its last byte was handed over, `gone` that the
    client left before; `key` is the one it showed, `meter` counts what that one uses, `ended` says why its work was
    ended, `wish` is how it wants to be served, `asking` its way to an engine, `work` the task that can be ended while
    one is at work for it; `refused` is the code of the error it was answered with, `broken` of the one that ended a
    stream. `extra` headers go on whatever answer comes."""

    __slots__ = (
        "_send",
        "asked_model",
        "asking",
        "broken",
        "complete",
        "digest",
        "ended",
        "endpoint",
        "extra",
        "first_token_at",
        "gone",
        "headers",
        "id",
        "key",
        "meter",
        "method",
        "path",
        "receive",
        "refused",
        "route",
        "scope",
        "started_at",
        "status",
        "usage",
        "wish",
        "work",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self._send = send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.id = request_id(self.headers.get(b"x-request-id"))
        self.route = "unmatched"
        self.endpoint: str | None = None
        self.digest: str | None = None
        self.asked_model: object = None
        self.status = 0
        self.complete = False
        self.gone = False
        self.key: Key | None = None
        self.meter: Meter | None = None
        self.ended: FreeholdError | None = None
        self.wish = _USUAL
        self.asking: Asking | None = None
        self.work: asyncio.Task[Any] | None = None
        self.refused: str | None = None
        self.broken: str | None = None
        self.extra: list[Header] = []
        self.started_at = time.perf_counter()
        self.first_token_at: float | None = None
        self.usage: dict[str, Any] | None = None

    @property
    def over_control_socket(self) -> bool:
        """True where the request came over the Unix socket, which only this user can open."""
        server = self.scope.get("server")
        return server is not None and server[1] is None

    @property
    def is_guest(self) -> bool:
        """True where the request came without a key by a way where one may be needed."""
        return self.key is None and not self.over_control_socket

    async def send(self, message: Any) -> None:
        """The application's `send`, which sees to the headers of every answer that did not come from `reply`."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name.lower() for name, _ in message["headers"]}
            added = (header for header in (*SECURITY_HEADERS, *self._own_headers()) if header[0] not in present)
            message = {**message, "headers": [*message["headers"], *added]}
        await self._send(message)

    async def reply(self, status: int, body: Any, headers: Iterable[Header] = ()) -> None:
        """Answer with `body` as JSON."""
        raw = to_json(body, inf_nan_mode="null")  # JSON has no infinity
        await self.reply_bytes(status, raw, (_JSON, *headers))

    async def reply_bytes(self, status: int, raw: bytes, headers: Iterable[Header]) -> None:
        """Answer with `raw`; `headers` say what it is."""
        await self.begin(status, (*headers, (b"content-length", b"%d" % len(raw))))
        await self.write(raw, more=False)

    async def begin(self, status: int, headers: Iterable[Header]) -> None:
        """Send the head; the body follows with `write`."""
        self.status = status
        full = [*headers, *SECURITY_HEADERS, *self._own_headers()]
        await self._send({"type": "http.response.start", "status": status, "headers": full})

    async def write(self, piece: bytes, *, more: bool = True) -> None:
        """Send a piece of the body; waits while the client takes nothing."""
        self.complete = not more
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})

    def _own_headers(self) -> list[Header]:
        own = [(b"x-request-id", self.id), *self.extra]
        if self.meter is not None:
            own += limit_headers(self.meter)
        if self.endpoint is not None:
            own.append((b"x-freehold-endpoint", self.endpoint.encode("ascii", "backslashreplace")))
        if self.digest is not None:
            own.append((b"x-freehold-build", self.digest.encode()))
        return own


def request_id(given: bytes | None) -> bytes:
    """The client's own id where it is harmless in a header and a log, else a new one."""
    if given is not None and _SANE_ID.fullmatch(given):
        return given
    return b"req_" + secrets.token_hex(16).encode()
