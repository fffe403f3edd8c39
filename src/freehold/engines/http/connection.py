"""HTTP/1.1 on one connection to a worker that is written here: just enough of it, and cheap, because the gateway is
measured on it.

One request at a time, kept alive; a client that sends the next before it has its answer is cut off. Bodies are bounded.
A client that leaves (end of file, or reset) stops its answer at once.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Protocol, cast

import httptools

BODY_LIMIT_BYTES = 64 * 1024 * 1024
WRITE_HIGH_WATER_BYTES = 64 * 1024
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: freehold\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class Delivery(Protocol):
    """An answer that takes time: it writes to the connection until it has ended it, or is stopped."""

    def start(self) -> None: ...

    def pause(self) -> None:
        """The client does not read: write nothing until `resume`."""

    def resume(self) -> None: ...

    def stop(self) -> None:
        """The client has gone. Also called once an answer is out; a second call does nothing."""


class Server(Protocol):
    """Who answers: one call of `handle` for every request that has arrived whole."""

    def handle(self, method: str, path: str, raw: bytes, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """One client. `server` knows the paths; this knows the bytes.

    What a delivery writes leaves with `flush`; `end_stream` and `answer` end it.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._target = b""
        self._body: list[bytes] = []
        self._size_bytes = 0
        self._busy = False
        self._keep_alive = True
        self._delivery: Delivery | None = None
        self._unsent: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have asyncio's methods but not its base class.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_WATER_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # a reset is a client that left, too
        self._transport = None
        self.leave()

    def eof_received(self) -> bool:
        return False

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._close()

    def pause_writing(self) -> None:
        if self._delivery is not None:
            self._delivery.pause()

    def resume_writing(self) -> None:
        if self._delivery is not None:
            self._delivery.resume()

    # What httptools calls while it parses.

    def on_message_begin(self) -> None:
        if self._busy:
            self._close()
        self._target, self._body, self._size_bytes = b"", [], 0

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_body(self, body: bytes) -> None:
        self._size_bytes += len(body)
        if self._size_bytes > BODY_LIMIT_BYTES:
            self._close()
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._transport is None:
            return
        self._busy = True
        self._keep_alive = self._parser.should_keep_alive()
        path = self._target.partition(b"?")[0].decode("latin-1")
        method = self._parser.get_method().decode("latin-1")
        self._server.handle(method, path, b"".join(self._body), self)

    # What the server and a delivery do with the connection.

    def deliver(self, delivery: Delivery) -> None:
        self._delivery = delivery
        delivery.start()

    def leave(self) -> None:
        delivery, self._delivery = self._delivery, None
        if delivery is not None:
            delivery.stop()

    def begin_stream(self) -> None:
        self._unsent = [_STREAM_HEAD]

    def write(self, events: bytes) -> None:
        self._unsent.append(b"%x\r\n%b\r\n" % (len(events), events))

    def flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        self._send(b"".join(unsent))

    def end_stream(self) -> None:
        self._unsent.append(b"0\r\n\r\n")
        self.flush()
        self._answered()

    def answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nServer: freehold\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._send(head.encode() + body)
        self._answered()

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _answered(self) -> None:
        self._busy = False
        self._delivery = None
        if not self._keep_alive:
            self._close()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        self.leave()
