"""What one connection may ask for and cost: wishes to upgrade, bodies that do not come."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from freehold.core.errors import FreeholdError, RequestError
from freehold.server.body import Pace, read_bytes
from freehold.server.call import Call
from freehold.server.protocol import BoundedProtocol
from tests.integration.house_process import HELLO, RunningHouse, rest_of, running_house

TOML = """
[server]
port = 0
[endpoints]
small-model = "fake:small?tokens=3"
"""
# The answer names the model, which shows that the body was read, and no engine is needed for it.
BODY = json.dumps({"model": "absent-model", **HELLO}).encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
WISH = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunningHouse]:
    with running_house(tmp_path, TOML) as running:
        yield running


def _told(body: bytes) -> bytes:
    return b"content-length: %d\r\n\r\n%s" % (len(body), body)


def _connect(house: RunningHouse) -> socket.socket:
    return socket.create_connection(("127.0.0.1", house.port), timeout=60)


def test_a_wish_to_upgrade_is_passed_over_and_the_request_served_with_its_body(house: RunningHouse) -> None:
    chunked = b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    client = _connect(house)
    client.sendall(HEAD + WISH + _told(BODY))
    client.sendall(HEAD + WISH + chunked + HEAD + b"connection: close\r\n" + _told(BODY))
    answers = rest_of(client)
    assert answers.count(b"HTTP/1.1 404") == answers.count(b"HTTP/1.1 ") == answers.count(b"'absent-model'") == 3


def test_a_tunnel_is_refused(house: RunningHouse) -> None:
    client = _connect(house)
    client.sendall(b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org\r\n\r\n")
    assert rest_of(client).startswith(b"HTTP/1.1 400")


class _Impatient(BoundedProtocol):
    unread_body_timeout_s = 0.05


async def _served(app: Any, request: bytes) -> bytes:
    """All that `app` answers to the one `request`, whose client sends nothing more and waits for the end."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=_Impatient, ws="none", lifespan="off", log_config=None, timeout_keep_alive=3600)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listener]))  # the public door would take the test's signals
    try:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer
    finally:
        server.should_exit = True
        await serving


@pytest.mark.parametrize(
    "pace", [Pace(silence_s=0.05), Pace(grace_s=0.05, slowest_bytes_per_s=1e6)], ids=["silence", "average"]
)
@pytest.mark.parametrize("begun", [b"", b"{"], ids=["nothing", "a byte"])
async def test_a_body_that_does_not_come_is_refused_and_the_connection_closed(pace: Pace, begun: bytes) -> None:
    refused: list[FreeholdError] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        call = Call(scope, receive, send)
        try:
            await read_bytes(call, 1000, pace)
        except RequestError as error:
            refused.append(error)
            await call.reply(400, {})

    answer = await _served(app, HEAD + b"content-length: 500\r\n\r\n" + begun)
    assert answer.startswith(b"HTTP/1.1 400")
    assert [error.message[:26] for error in refused] == ["The body came too slowly: "]


async def test_an_answer_that_left_the_body_unread_ends_the_connection_soon() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await Call(scope, receive, send).reply(403, {})

    answer = await _served(app, HEAD + b"content-length: 500\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 403")
