"""Reading on after a rest, over a plain connection and over TLS: nothing of what the other side sent is lost."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest
import uvloop

from freehold.core.ports import Capabilities, Upstream
from freehold.gateway.upstream import next_piece
from tests.certificates import write_pair

EVENTS = 40
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


async def breaking_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends its events one by one, and drops the connection without a farewell, as some load balancers do."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(HEAD)
    for number in range(EVENTS):
        writer.write(b"data: %d\n\n" % number)
        await writer.drain()
        await asyncio.sleep(0.003)
    writer.transport.abort()


async def events_read(folder: Path, *, secure: bool) -> int:
    inside = outside = None
    if secure:
        write_pair(folder)
        inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        inside.load_cert_chain(folder / "house.pem", folder / "house.key")
        outside = ssl.create_default_context(cafile=str(folder / "house.pem"))
    server = await asyncio.start_server(breaking_off, "127.0.0.1", 0, ssl=inside)
    port = server.sockets[0].getsockname()[1]
    upstream = Upstream("remote", f"https://127.0.0.1:{port}/v1", "m", Capabilities())
    connector = aiohttp.TCPConnector(ssl=outside or True)
    read = b""
    async with server, aiohttp.ClientSession(connector=connector) as session:
        response = await session.get(f"{'https' if secure else 'http'}://127.0.0.1:{port}/")
        while piece := await next_piece(response, upstream, rest_s=0.1):
            read += piece
    return read.count(b"data: ")


@pytest.mark.parametrize("secure", [False, True])
def test_an_answer_that_rests_is_read_to_its_end_where_the_other_side_breaks_off(tmp_path: Path, secure: bool) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(events_read(tmp_path, secure=secure)) == EVENTS
