"""HTTP through a door: the client speaks as ever, the socket is somebody else's, and what is refused says so."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from freehold.core.errors import EgressError
from freehold.gateway.connector import connector
from tests.certificates import write_pair


class Door:
    """Leads to `port` of this machine, whatever name is asked for; `asked` is what was."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.asked: list[tuple[str, int]] = []

    async def connect(self, host: str, port: int) -> socket.socket:
        self.asked.append((host, port))
        if host == "evil.example":
            raise EgressError("The house does not connect to evil.example:80.", peer="evil.example:80")
        found = socket.socket()
        found.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(found, ("127.0.0.1", self._port))
        except OSError:
            found.close()
            raise
        return found

    async def connect_worker(self, path: str) -> socket.socket:
        raise AssertionError(path)


async def _hello(request: web.Request) -> web.Response:
    return web.Response(text=f"hello {request.host}")


async def serving(tls: ssl.SSLContext | None) -> tuple[web.AppRunner, int]:
    app = web.Application()
    app.router.add_get("/", _hello)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    return runner, runner.addresses[0][1]


@pytest.fixture
async def plain() -> AsyncIterator[int]:
    runner, port = await serving(None)
    yield port
    await runner.cleanup()


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[int]:
    certificate, key, _ = write_pair(tmp_path, names=("idp.example",))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    runner, port = await serving(tls)
    yield port
    await runner.cleanup()


async def test_a_client_speaks_through_the_door_and_asks_it_once_for_each_connection(plain: int) -> None:
    door = Door(plain)
    async with aiohttp.ClientSession(connector=connector(door)) as session:
        for _ in range(3):
            async with session.get("http://jwks.example:8080/") as answer:
                assert await answer.text() == "hello jwks.example:8080"
    assert door.asked == [("jwks.example", 8080)]


async def test_certificates_are_held_against_the_name_that_was_asked_for(secure: int, tmp_path: Path) -> None:
    door, trust = Door(secure), ssl.create_default_context(cafile=str(tmp_path / "house.pem"))
    async with aiohttp.ClientSession(connector=connector(door, trust=trust)) as session:
        async with session.get("https://idp.example/") as answer:
            assert await answer.text() == "hello idp.example"
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get("https://other.example/")
    async with aiohttp.ClientSession(connector=connector(Door(secure))) as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get("https://idp.example/")
    assert door.asked[0] == ("idp.example", 443)


async def test_what_the_policy_refuses_reaches_the_caller_as_that(plain: int) -> None:
    async with aiohttp.ClientSession(connector=connector(Door(plain))) as session:
        with pytest.raises(aiohttp.ClientConnectionError, match=r"does not connect to evil\.example:80") as caught:
            await session.get("http://evil.example/")
    assert isinstance(caught.value.__cause__, EgressError)


async def test_where_nobody_answers_a_door_is_no_different(plain: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with aiohttp.ClientSession(connector=connector(Door(port))) as session:
        with pytest.raises(aiohttp.ClientConnectorError, match=r"Connect call failed|refused"):
            await session.get("http://jwks.example/")


async def test_without_a_door_the_client_connects_by_itself(plain: int) -> None:
    async with (
        aiohttp.ClientSession(connector=connector(None)) as session,
        session.get(f"http://127.0.0.1:{plain}/") as answer,
    ):
        assert answer.status == 200


async def test_a_peer_that_says_nothing_to_the_end_of_tls_keeps_nobody(tmp_path: Path) -> None:
    certificate, key, _ = write_pair(tmp_path, names=("idp.example",))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    left = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = threading.Thread(target=_answers_and_falls_silent, args=(listener, tls, left))
        peer.start()
        try:
            way = connector(Door(listener.getsockname()[1]), trust=ssl.create_default_context(cafile=certificate))
            session = aiohttp.ClientSession(connector=way)
            async with session.get("https://idp.example/") as answer:
                assert await answer.text() == "{}"
            async with asyncio.timeout(10):  # aiohttp's own patience is 30 s
                await session.close()
        finally:
            left.set()
            peer.join()


def _answers_and_falls_silent(listener: socket.socket, tls: ssl.SSLContext, left: threading.Event) -> None:
    with listener.accept()[0] as plain, tls.wrap_socket(plain, server_side=True, suppress_ragged_eofs=True) as secure:
        secure.recv(65536)
        secure.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        left.wait()
