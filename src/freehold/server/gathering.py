"""A transport that sends an answer's head together with the first piece of its body.

uvicorn writes them apart, which costs a system call more and wakes the client twice. A head is held back for the rest
of the event loop's turn at most; everything else is written at once, each event of a stream too.
"""

from __future__ import annotations

import asyncio
from typing import Any

_HEAD = b"HTTP/1.1 "


class GatheringTransport:
    """Stands before an asyncio transport; everything but writing and closing is the transport's own."""

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, piece: bytes) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head + piece)
        elif piece.startswith(_HEAD):
            self._head = piece
            self._loop.call_soon(self._send_head)
        else:
            self._transport.write(piece)

    def close(self) -> None:
        self._send_head()
        self._transport.close()

    def abort(self) -> None:
        self._head = b""
        self._transport.abort()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send_head(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)
