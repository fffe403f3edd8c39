"""Clients that mean no good, or know no better, at a scale: others are served meanwhile, and nothing is left of it."""

from __future__ import annotations

import json
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest

from tests.integration.house_process import HELLO, RunningHouse, shared_house, until

TOML = """
[server]
port = 0
[endpoints]
small = "fake:small?tokens=3"
"""
CHAT = "/v1/chat/completions"
HALF_OPEN = 2000
FLOODS = 200
GROWTH_BYTES = 64_000_000
TWO_GB = 2 * 2**30
HEAD = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n".encode()


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """The usual limit of 1024 open files is less than these clients need."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], 3 * HALF_OPEN), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    """One house for all of it: what the one leaves behind the next would meet."""
    with shared_house(tmp_path_factory, TOML) as running:
        assert running.chat("small").status == 200
        yield running


def _memory_bytes(house: RunningHouse) -> int:
    return int(psutil.Process(house.process.pid).memory_info().rss)


def _connections(house: RunningHouse) -> int:
    """Connections of clients that the house still holds."""
    found = psutil.Process(house.process.pid).net_connections("tcp")
    return sum(each.status != psutil.CONN_LISTEN and each.laddr.port == house.port for each in found)


def _is_well(house: RunningHouse, before_bytes: int) -> None:
    assert house.chat("small").status == 200
    until(lambda: _connections(house) == 0)
    assert _memory_bytes(house) - before_bytes < GROWTH_BYTES
    assert house.metric("freehold_requests_in_flight") == 1, "the one that asks"


def _connect(house: RunningHouse) -> socket.socket:
    return socket.create_connection(("127.0.0.1", house.port), timeout=60)


@pytest.mark.parametrize("begun", [b"", b"POST /v1/chat/compl", HEAD + b"content-length: 5000\r\n\r\n{"])
def test_2000_connections_that_never_finish_their_request_keep_nobody_from_being_served(
    house: RunningHouse, begun: bytes
) -> None:
    before = _memory_bytes(house)
    with ExitStack() as clients:
        for _ in range(HALF_OPEN):
            client = clients.enter_context(_connect(house))
            if begun:
                client.sendall(begun)
        until(lambda: _connections(house) >= HALF_OPEN)
        for _ in range(20):
            assert house.chat("small").status == 200
        assert house.ask("GET", "/health").status == 200
    _is_well(house, before)


def test_a_body_of_2_gb_is_refused_before_it_is_read(house: RunningHouse) -> None:
    before = _memory_bytes(house)
    with _connect(house) as client:
        client.sendall(HEAD + b"content-length: %d\r\n\r\n" % TWO_GB)
        assert client.recv(12) == b"HTTP/1.1 413"
    _is_well(house, before)


@pytest.mark.parametrize("path", [CHAT, "/v1/absent"], ids=["refused as it grows", "answered unread"])
def test_a_body_of_2_gb_that_tells_no_length_is_not_taken_in(house: RunningHouse, path: str) -> None:
    before = _memory_bytes(house)
    with _connect(house) as client:
        client.sendall(HEAD.replace(CHAT.encode(), path.encode()) + b"transfer-encoding: chunked\r\n\r\n")
        piece = b"%x\r\n" % 2**20 + b"x" * 2**20 + b"\r\n"
        taken_bytes = 0
        with pytest.raises(OSError):
            while taken_bytes < TWO_GB:
                client.sendall(piece)
                taken_bytes += 2**20
        assert taken_bytes < TWO_GB / 8, "the house went away from it"
    _is_well(house, before)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (CHAT, "tools"),
        ("/v1/completions", "logit_bias"),
        ("/v1/messages", "messages"),
        ("/v1/responses", "input"),
        ("/v1/embeddings", "input"),
        ("/v1/tokenize", "odd"),
        ("/ui/markdown", "text"),
    ],
)
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_100000_levels_of_json_are_refused_by_every_route(
    house: RunningHouse, path: str, field: str, opening: bytes, closing: bytes
) -> None:
    before = _memory_bytes(house)
    deep = opening * 100_000 + b"1" + closing * 100_000
    raw = b'{"model": "small", "%s": %s}' % (field.encode(), deep)
    for body in (raw, raw[: len(raw) // 2]):
        assert house.ask("POST", path, raw=body).status in {400, 413, 422}
    _is_well(house, before)


def test_floods_of_headers_are_cut_off_one_after_another(house: RunningHouse) -> None:
    before = _memory_bytes(house)
    floods = (b"x-long: " + b"x" * 200_000, b"x-many: y\r\n" * 20_000, b"cookie: a=b; " * 10_000)
    for number in range(FLOODS):
        with _connect(house) as client:
            client.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n" + floods[number % 3] + b"\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 431"
    _is_well(house, before)


def test_200_slow_writers_are_served_when_they_are_done_and_keep_nobody_waiting(house: RunningHouse) -> None:
    before = _memory_bytes(house)
    body = json.dumps({"model": "small", **HELLO}).encode()
    with ExitStack() as stack:
        clients = [stack.enter_context(_connect(house)) for _ in range(200)]
        for client in clients:
            client.sendall(HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body))
        for at in range(len(body)):
            for client in clients:
                client.sendall(body[at : at + 1])
            if at % 16 == 0:
                assert house.chat("small").status == 200
        for client in clients:
            assert client.recv(12) == b"HTTP/1.1 200"
    _is_well(house, before)
