"""Foreign network errors in plain words: real ones, of real connections, and no object or class name in any."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl

import aiohttp
import pytest

from freehold.core.network_words import network_words


async def said(url: str, **how: object) -> str:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.3)) as session:
        with pytest.raises((aiohttp.ClientError, TimeoutError)) as caught:
            async with session.get(url, **how) as response:  # type: ignore[arg-type]
                await response.read()
    words = network_words(caught.value)
    assert not re.search(r"<|0x|ssl:|\[|Error|object", words), words
    return words


def closed_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.mark.parametrize("tls", [True, ssl.create_default_context()])
async def test_nobody_listening_is_a_refused_connection(tls: bool | ssl.SSLContext) -> None:
    address = f"127.0.0.1:{closed_port()}"
    assert await said(f"http://{address}/", ssl=tls) == "nothing listens there: connection refused"
    assert "proxy cannot be reached" in await said("http://a.invalid/", proxy=f"http://{address}")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "closed before an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "in the middle of the answer"),
        (b"nonsense\r\n\r\n", "not sound HTTP"),
        (None, "no answer in time"),
    ],
)
async def test_what_a_server_does_wrong_is_said(answer: bytes | None, words: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        if answer is None:
            await reader.read()
        writer.write(answer or b"")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        assert words in await said(f"http://127.0.0.1:{port}/")
        if answer is not None and answer:
            assert "no encrypted connection" in await said(f"https://127.0.0.1:{port}/")
    finally:
        server.close()


def test_what_the_system_says_is_said_in_its_words() -> None:
    assert network_words(OSError(113, "x")) == "no route to host"
    assert network_words(socket.gaierror(-2, "x")) == "no machine of that name is known"
    assert network_words(aiohttp.InvalidURL("http://[")) == "that is no address"
    assert network_words(aiohttp.ClientError("<object at 0x7f>")) == "the connection failed"
