"""The event loop of a restricted house: whatever connects through it, connects through the house's door."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import uvloop

from freehold.core.ports import Outgoing


class DoorLoop(uvloop.Loop):
    """uvloop, where `create_connection` and `create_unix_connection` take a socket from `outgoing` instead of making
    one. So every client of a worker's socket, of whatever library, goes the one way there is."""

    def __init__(self, outgoing: Outgoing) -> None:
        super().__init__()
        self._outgoing = outgoing

    async def create_connection(
        self, protocol_factory: Callable[[], Any], host: str | None = None, port: int | None = None, **rest: Any
    ) -> Any:
        if host is not None and port is not None and rest.get("sock") is None:
            rest["sock"] = await self._outgoing.connect(host, port)
            if rest.get("ssl") and rest.get("server_hostname") is None:
                rest["server_hostname"] = host
            host = port = None
        return await super().create_connection(protocol_factory, host, port, **rest)  # type: ignore[arg-type]  # None beside sock

    async def create_unix_connection(
        self,
        protocol_factory: Callable[[], Any],
        path: str | None = None,
        *,
        sock: socket.socket | None = None,
        **rest: Any,
    ) -> Any:
        if path is not None:
            sock, path = await self._outgoing.connect_worker(path), None
        return await super().create_unix_connection(protocol_factory, path, sock=sock, **rest)
