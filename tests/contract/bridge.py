"""A fake worker's socket made reachable on loopback TCP behind a key: a remote API for tests, down to the bytes."""

from __future__ import annotations

import asyncio
import contextlib


class Bridge:
    """Passes connections on to `socket_path` where their first request has `key`; answers 401 where it has not."""

    def __init__(self, socket_path: str, key: str) -> None:
        self._socket_path = socket_path
        self._word = f"authorization: bearer {key}\r\n".lower().encode()
        self._server: asyncio.Server | None = None
        self.refused = 0

    async def open(self) -> str:
        """Listen; gives the base URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/v1"

    async def close(self) -> None:
        assert self._server is not None, "open comes before close"
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if self._word not in head.lower():
                self.refused += 1
                body = b'{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}'
                writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            else:
                await self._join(head, reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _join(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(self._socket_path)
        inner_writer.write(head)
        ways = {
            asyncio.create_task(_pass_on(reader, inner_writer)),
            asyncio.create_task(_pass_on(inner_reader, writer)),
        }
        # Whichever side ends first ends the other: that is how a client that left is noticed behind the bridge.
        _, open_ways = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in open_ways:
            way.cancel()
        await asyncio.wait(ways)
        inner_writer.close()
        with contextlib.suppress(ConnectionError):
            await inner_writer.wait_closed()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
