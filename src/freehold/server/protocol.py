"""Bounds what one connection may cost: the size of a request's head, the time it may take, and how long a client may
take nothing of its answer. uvicorn's own protocol bounds none of these. Nor does it serve a request that asks for an
upgrade (`Upgrade: h2c`, which Java's client always sends): here the wish is passed over (RFC 9110, 7.8).

What it does not bound: the body, which `body` does, and how slowly a client reads, as long as it reads at all.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from freehold.server.body import LINGER_BYTES
from freehold.server.gathering import GatheringTransport

HEAD_LIMIT_BYTES = 64 * 1024
SEPARATOR_BYTES = 4  # of a header's line: the colon, a space and the line's end
HEAD_TIMEOUT_S = 20.0
STALL_TIMEOUT_S = 120.0
UNREAD_BODY_TIMEOUT_S = 5.0
CONNECTION_LIMIT = 4096
_log = logging.getLogger(__name__)


class HeadTooLargeError(Exception):
    """Raised inside the parser's callbacks, which ends the parsing."""


class ConnectError(Exception):
    """Raised there too: the house is no proxy, and nothing after a CONNECT is a request."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with bounds. An answer that did not wait for the whole body closes the connection
    `unread_body_timeout_s` later, or after LINGER_BYTES more, unless the rest of the body has come by then."""

    unread_body_timeout_s = UNREAD_BODY_TIMEOUT_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._unread_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(GatheringTransport(transport, self.loop))  # type: ignore[arg-type]  # stands in for one
        if len(self.connections) > CONNECTION_LIMIT:
            self._refuse(503, "too_many_connections", f"The house holds {CONNECTION_LIMIT} connections already.")
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        _cancel(self._head_timer)
        _cancel(self._stall_timer)
        _cancel(self._unread_timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as asked:
                data = self._without_upgrade() + data[asked.args[0] :]
            except httptools.HttpParserError:
                _log.info("A connection sent what is not HTTP.")
                self.send_400_response("Invalid HTTP request received.")
                return
            else:
                return

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = self._unread_bytes = 0
        if self._head_timer is None:
            self._await_head()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + SEPARATOR_BYTES)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        _cancel(self._head_timer)
        self._head_timer = None
        if not self._is_upgrade():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            self._unread_bytes += len(body)
            if self._unread_bytes > LINGER_BYTES:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._is_upgrade():
            _cancel(self._unread_timer)
            super().on_message_complete()

    def on_response_complete(self) -> None:
        if self.cycle.response_complete and self.cycle.more_body:
            self._unread_timer = self.loop.call_later(self.unread_body_timeout_s, self.transport.close)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Called for everything that is not HTTP, and for a head that grew too large."""
        if self._head_bytes > HEAD_LIMIT_BYTES:
            self._refuse(431, "head_too_large", f"The request's head is over {HEAD_LIMIT_BYTES:,} bytes.")
        else:
            self._refuse(400, "invalid_request", msg)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_timer = self.loop.call_later(STALL_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        _cancel(self._stall_timer)
        self._stall_timer = None
        super().resume_writing()

    def _is_upgrade(self) -> bool:
        """True while the parser takes what follows the head for another protocol, the body with it."""
        if self.parser.should_upgrade() and self.parser.get_method() == b"CONNECT":
            raise ConnectError
        return bool(self.parser.should_upgrade())

    def _without_upgrade(self) -> bytes:
        """The head that was just read, less its wish, for a new parser: the old one has ended with it."""
        version = self.parser.get_http_version().encode("ascii")
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/" + version]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        return b"\r\n".join([*lines, b"", b""])

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def _head_is_late(self) -> None:
        self._refuse(408, "head_timeout", f"The request's head took over {HEAD_TIMEOUT_S:.0f} s.")

    def _count(self, size_bytes: int) -> None:
        self._head_bytes += size_bytes
        if self._head_bytes > HEAD_LIMIT_BYTES:
            raise HeadTooLargeError

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer without the application, which has not been asked yet, and close. `message` needs no escaping."""
        body = f'{{"error":{{"message":"{message}","type":"invalid_request_error","param":null,"code":"{code}"}}}}'
        head = f"HTTP/1.1 {status} Refused\r\ncontent-type: application/json\r\nconnection: close\r\n"
        self.transport.write(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode("ascii"))
        self.transport.close()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
