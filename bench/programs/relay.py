"""A bare relay: PORT SOCKET. Passes every request on to a Unix socket and its answer back, and does nothing else."""

from __future__ import annotations

import sys
from typing import Any

import aiohttp
import uvicorn

PORT, SOCKET = int(sys.argv[1]), sys.argv[2]


class Relay:
    """An ASGI application."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.UnixConnector(SOCKET, limit=0))
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        url = f"http://worker{scope['path']}"
        async with self._session.request(scope["method"], url, data=body) as answer:
            headers = [(b"content-type", answer.content_type.encode())]
            if answer.content_length is not None:
                headers.append((b"content-length", str(answer.content_length).encode()))
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            async for piece in answer.content.iter_any():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(
        Relay(),
        host="127.0.0.1",
        port=PORT,
        log_level="error",
        access_log=False,
        loop="uvloop",
        http="httptools",
        lifespan="off",
    )
