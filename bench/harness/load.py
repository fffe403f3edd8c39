"""Load generators: raw asyncio Protocols on uvloop, cheap enough to leave the machine to what is measured.

`Client` is one kept-alive HTTP/1.1 connection that counts events instead of parsing them: an event ends in a blank
line. It understands what the servers measured here send (Content-Length or chunked), and nothing else. Closed loop: the
next request leaves when the answer is in. Open loop: requests leave at their planned times whatever came back, and
latency counts from the planned time, so that a server that stalls cannot hide it (coordinated omission).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import httptools


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens: a Unix socket, or host and port."""

    socket_path: str | None = None
    host: str = "127.0.0.1"
    port: int = 0


TAIL_BYTES = 4096


@dataclass(slots=True)
class Seen:
    """One answer: its status, its size, when each event arrived and when all was there, and its last bytes."""

    status: int = 0
    size_bytes: int = 0
    arrivals_s: list[float] = field(default_factory=list)
    ended_s: float = 0.0
    tail: bytes = b""


class Client(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answered: asyncio.Future[Seen] | None = None
        self._seen = Seen()

    @classmethod
    async def connect(cls, address: Address) -> Client:
        loop = asyncio.get_running_loop()
        if address.socket_path is not None:
            _, client = await loop.create_unix_connection(cls, address.socket_path)
        else:
            _, client = await loop.create_connection(cls, address.host, address.port)
        return client

    async def ask(self, request: bytes) -> Seen:
        """Send `request`, wait for its whole answer. Raises ConnectionError where the server went away."""
        assert self._transport is not None, "connect first"
        self._seen = Seen()
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports lack asyncio's base class

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ConnectionError(f"the server went away in the middle of an answer ({exc})"))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._seen = Seen()

    def on_body(self, body: bytes) -> None:
        seen = self._seen
        now = time.perf_counter()
        seen.size_bytes += len(body)
        seen.arrivals_s += [now] * body.count(b"\n\n")
        seen.tail = (seen.tail + body)[-TAIL_BYTES:]

    def on_message_complete(self) -> None:
        seen = self._seen
        seen.status = self._parser.get_status_code()
        seen.ended_s = time.perf_counter()
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(seen)


def post(path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a POST of JSON."""
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", "content-type: application/json", "accept-encoding: identity"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """What a closed loop saw. `events` include those that are not tokens ([DONE], usage)."""

    requests: int
    failures: int
    events: int
    elapsed_s: float
    latencies_s: list[float]

    @property
    def requests_per_s(self) -> float:
        return self.requests / self.elapsed_s

    @property
    def events_per_s(self) -> float:
        return self.events / self.elapsed_s


async def closed_loop(address: Address, request: bytes, *, clients: int, total: int) -> ClosedLoop:
    """`total` requests by `clients` connections, each asking again as soon as it has its answer."""
    left = total
    failures = events = 0
    latencies_s: list[float] = []

    async def one(client: Client) -> None:
        nonlocal left, failures, events
        while left > 0:
            left -= 1
            sent_s = time.perf_counter()
            seen = await client.ask(request)
            latencies_s.append(seen.ended_s - sent_s)
            events += len(seen.arrivals_s)
            failures += seen.status != 200

    connections = [await Client.connect(address) for _ in range(clients)]
    began_s = time.perf_counter()
    await asyncio.gather(*map(one, connections))
    elapsed_s = time.perf_counter() - began_s
    for connection in connections:
        connection.close()
    return ClosedLoop(total, failures, events, elapsed_s, latencies_s)


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """What an open loop saw: time from each request's planned moment to its whole answer."""

    failures: int
    latencies_s: list[float]
    late_sends: int


async def open_loop(address: Address, request: bytes, *, per_s: float, total: int, connections: int = 64) -> OpenLoop:
    """`total` requests, one every 1/`per_s` s. A request that finds no free connection waits, and the wait counts.

    `late_sends` are requests that left over 1 ms after their moment: the generator's own delay, to be kept small.
    """
    free: asyncio.Queue[Client] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await Client.connect(address))
    latencies_s: list[float] = []
    failures = late = 0

    async def one(planned_s: float) -> None:
        nonlocal failures
        client = await free.get()
        seen = await client.ask(request)
        free.put_nowait(client)
        latencies_s.append(seen.ended_s - planned_s)
        failures += seen.status != 200

    tasks: list[asyncio.Task[None]] = []
    began_s = time.perf_counter()
    for number in range(total):
        planned_s = began_s + number / per_s
        while (wait_s := planned_s - time.perf_counter()) > 0:  # noqa: ASYNC110  # what is awaited is the clock
            # Timers have the precision of a millisecond; the last bit is spent in turns of the loop.
            await asyncio.sleep(wait_s - 0.0015 if wait_s > 0.002 else 0)
        late += time.perf_counter() - planned_s > 0.001
        tasks.append(asyncio.create_task(one(planned_s)))
    await asyncio.gather(*tasks)
    while not free.empty():
        free.get_nowait().close()
    return OpenLoop(failures, latencies_s, late)
