"""What the bench of faults does to a server, by its address alone, and what clients see of it meanwhile.

Each fault is a coroutine that returns when the worst is over, and the moment (`time.perf_counter`) that recovery counts
from: until a request that is begun anew is answered whole. Clients ask in a closed loop all the while, each on a
connection of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from bench.harness.chat import chat
from bench.harness.load import Address, Client

CLIENTS = 8
CALM = 100  # requests answered before anything happens
HALF_OPEN = 2000
FLOODS = 100
SLOW_WRITERS = 200
TWO_GB = 2 * 2**30
GIVE_UP_S = 60.0
_HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
Fault = Callable[[Address], Awaitable[float]]


@dataclass(slots=True)
class Aftermath:
    """What came of one fault: how often clients saw what, and the seconds until one was answered again."""

    seen: Counter[str] = field(default_factory=Counter)
    recovered_s: float = 0.0


async def aftermath(address: Address, fault: Fault) -> Aftermath:
    """Break something while clients ask. Raises TimeoutError where nobody is answered any more."""
    found = Aftermath()
    async with _asking(address, found.seen):
        while found.seen["200"] < CALM:  # noqa: ASYNC110 - so that it strikes in the middle of their work
            await asyncio.sleep(0.005)
        begun_s = await fault(address)
        await served(address)
        found.recovered_s = time.perf_counter() - begun_s
    return found


async def served(address: Address) -> None:
    """Return once a request that is begun anew is answered whole. Raises TimeoutError."""
    async with asyncio.timeout(GIVE_UP_S):
        while await _once(address) != "200":  # noqa: ASYNC110 - what is awaited is another process
            await asyncio.sleep(0.005)


async def half_open(address: Address) -> float:
    """Connections that send half of a head and no more, held while others are to be served."""
    held = [await _connected(address) for _ in range(HALF_OPEN)]
    for _, writer in held:
        writer.write(_HEAD)
    await asyncio.gather(*(writer.drain() for _, writer in held))
    answered = [await _once(address) for _ in range(20)]
    _close(held)
    if answered != ["200"] * 20:
        raise RuntimeError(f"with {HALF_OPEN} half-open connections others saw {Counter(answered)}")
    return time.perf_counter()


async def deep_json(address: Address) -> float:
    """A hundred thousand levels of JSON."""
    body = b'{"model": "bench", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    await _sent(address, _HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body))
    return time.perf_counter()


async def large_body(address: Address) -> float:
    """Two gigabytes whose length nobody tells, until the server goes away or has taken them."""
    held = await _connected(address)
    reader, writer = held
    writer.write(_HEAD + b"transfer-encoding: chunked\r\n\r\n")
    piece, sent = b"%x\r\n" % 2**20 + bytes(2**20) + b"\r\n", 0
    with contextlib.suppress(ConnectionError):
        while sent < TWO_GB and not reader.at_eof():
            writer.write(piece)
            await writer.drain()
            sent += 2**20
    _close([held])
    return time.perf_counter()


async def header_floods(address: Address) -> float:
    """Heads of a quarter of a megabyte, one after another."""
    for _ in range(FLOODS):
        await _sent(address, _HEAD + b"x-many: y\r\n" * 20_000 + b"\r\n")
    return time.perf_counter()


async def slow_writers(address: Address) -> float:
    """Clients that send their request byte by byte, all at once."""
    request = chat()
    held = [await _connected(address) for _ in range(SLOW_WRITERS)]
    for at in range(len(request)):
        for _, writer in held:
            writer.write(request[at : at + 1])
        await asyncio.gather(*(writer.drain() for _, writer in held))
    answers = await asyncio.gather(*(reader.read(12) for reader, _ in held))
    _close(held)
    if set(answers) != {b"HTTP/1.1 200"}:
        raise RuntimeError(f"slow writers saw {Counter(answers)}")
    return time.perf_counter()


@contextlib.asynccontextmanager
async def _asking(address: Address, seen: Counter[str]) -> AsyncIterator[None]:
    over = asyncio.Event()

    async def ask() -> None:
        while not over.is_set():
            found = await _once(address)
            seen[found] += 1
            if found != "200":
                await asyncio.sleep(0.01)  # as a client would that tries again

    tasks = [asyncio.create_task(ask()) for _ in range(CLIENTS)]
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*tasks)


async def _once(address: Address) -> str:
    """The status that one request is answered with, on a connection of its own, or what became of it."""
    try:
        client = await Client.connect(address)
    except OSError:
        return "refused"
    try:
        return str((await client.ask(chat())).status)
    except ConnectionError:
        return "lost"
    finally:
        client.close()


async def _connected(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(address.host, address.port)


async def _sent(address: Address, request: bytes) -> None:
    """Send a request and wait for the beginning of an answer, or for the end of the connection."""
    held = await _connected(address)
    reader, writer = held
    with contextlib.suppress(ConnectionError):
        writer.write(request)
        await writer.drain()
        await reader.read(12)
    _close([held])


def _close(held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    for _, writer in held:
        writer.transport.abort()
