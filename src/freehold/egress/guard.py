"""What keeps a restricted house from connecting: it starts the two helpers, locks the house, and is its door outward.

The order is what makes it hold: the helpers start first, because what the house starts later is under its lock; then
the house's own sockets are bound; then `shut` locks it, on one thread, before its event loop and anything of a
client's runs. The house cannot live without its helpers (its workers are reached through the broker, its refused calls
are heard by the witness), so when one of them ends, so does it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freehold.core.errors import EgressError, SettingsError
from freehold.core.peers import Peer, peer_at
from freehold.core.ports import Attempt
from freehold.egress import channel, enforced
from freehold.egress.record import BROKER, HOUSE, WITNESS, EgressRecord
from freehold.engines.sandbox import house, landlock
from freehold.engines.sandbox.spoken import OF_LIBUV

START_TIMEOUT_S = 60.0
END_TIMEOUT_S = 5.0
MOST_HOST_CHARS = 253
"""Of a name that can be looked up (RFC 1035, 2.3.4). A message to the broker has a bound, and so has a record."""
_log = logging.getLogger("freehold.egress")


@dataclass(frozen=True, slots=True)
class _Helper:
    """A process of ours: what runs it, our end of the channel to it, and the lock it says it holds."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    lock: str


class Guard:
    """Of one restricted house, a `core.ports.Outgoing`. Make it with `guarding`; `close` ends the helpers."""

    def __init__(self, peers: Sequence[Peer], witness: _Helper, broker: _Helper) -> None:
        self.peers = tuple(peers)
        self._witness = witness
        self._broker = broker
        self._record: EgressRecord | None = None
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[tuple[dict[str, Any], int | None]]] = {}
        self._lost: Callable[[], None] = lambda: None

    def shut(self, write: Iterable[Path], listening: Iterable[socket.socket]) -> None:
        """Lock this process, which goes on writing in `write` and accepting at `listening`. Raises SettingsError where
        it has other sockets, which it could go on using, and where the kernel refuses the lock."""
        own = [*listening, self._witness.channel, self._broker.channel]
        if found := house.strangers(each.fileno() for each in own):
            raise SettingsError(
                f"The house has sockets open that are not its own: {', '.join(found)}. So it does not start.",
                hint="A package that it imports opened them, or whoever started it. Start it without them.",
            )
        try:
            listener = house.lock(write, witness=self._witness.process.pid)
        except OSError as error:
            raise SettingsError(
                f"The house cannot give up its connections: {error.strerror or error}. So it does not start.",
                hint="`freehold doctor` says what this system lacks. Without a restriction it starts: "
                'egress = "open" in [policy] of freehold.toml.',
            ) from error
        try:
            channel.say(self._witness.channel, {"listen": "house"}, [listener])
        finally:
            os.close(listener)

    def attend(self, record: EgressRecord, lost: Callable[[], None]) -> None:
        """Hear the helpers from now on, in the running loop; `lost` is called when one of them has ended."""
        self._record, self._lost = record, lost
        record.runs(WITNESS, self._witness.process.pid, self._witness.lock, enforced.WITNESS)
        given_up = enforced.of_broker(self.peers, landlock.version() or 0)
        record.runs(BROKER, self._broker.process.pid, self._broker.lock, given_up)
        record.runs(HOUSE, os.getpid(), house.line(), house.enforced())
        loop = asyncio.get_running_loop()
        for helper, hear in ((self._witness, self._hear_witness), (self._broker, self._hear_broker)):
            helper.channel.setblocking(False)
            loop.add_reader(helper.channel.fileno(), hear)

    @property
    def by_kernel(self) -> enforced.Held:
        """How much of where the house may connect the kernel holds it to."""
        return enforced.by_kernel(self.peers, landlock.version() or 0)

    async def connect(self, host: str, port: int) -> socket.socket:
        if len(host) > MOST_HOST_CHARS:  # somebody else's answer may name any
            host = f"{host[:MOST_HOST_CHARS]}…"
        peer = str(peer_at(host, port))
        said, descriptor = await self._ask({"host": host, "port": port})
        self._note(peer, said)
        return _socket(said, descriptor, peer)

    async def connect_worker(self, path: str) -> socket.socket:
        said, descriptor = await self._ask({"worker": path})
        if said.get("fate") == "refused":
            self._note(path, said)
        return _socket(said, descriptor, path)

    def _note(self, peer: str, said: dict[str, Any]) -> None:
        if self._record is not None:
            self._record.connection({"peer": peer, **{name: said.get(name) for name in ("fate", "address", "why")}})

    def close(self) -> None:
        """End the helpers: they go when their channel does."""
        for future in self._asked.values():
            future.cancel()
        for helper in (self._broker, self._witness):
            helper.channel.close()
        for helper in (self._broker, self._witness):
            with contextlib.suppress(subprocess.TimeoutExpired):  # it was stopped; the house may not signal it
                helper.process.wait(END_TIMEOUT_S)

    def leave(self) -> None:
        """Hear the helpers no more; the loop is about to end."""
        loop = asyncio.get_running_loop()
        for helper in (self._witness, self._broker):
            loop.remove_reader(helper.channel.fileno())

    async def _ask(self, question: dict[str, Any]) -> tuple[dict[str, Any], int | None]:
        number = next(self._numbers)
        future: asyncio.Future[tuple[dict[str, Any], int | None]] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            while True:
                try:
                    channel.say(self._broker.channel, {"id": number, **question})
                    break
                except BlockingIOError:  # more are waiting than the channel holds
                    await asyncio.sleep(0.005)
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and not future.exception():
                _drop(future.result()[1])  # it came in the very moment in which nobody wanted it any more
            raise
        finally:
            self._asked.pop(number, None)

    def _hear_broker(self) -> None:
        try:
            said, descriptor = channel.hear(self._broker.channel)
        except BlockingIOError:
            return
        except (EOFError, OSError):
            self._gone(self._broker, BROKER)
            return
        future = self._asked.get(said.get("id", 0))
        if future is not None and not future.done():
            future.set_result((said, descriptor))
        else:  # who asked has given up
            _drop(descriptor)

    def _hear_witness(self) -> None:
        try:
            said, _ = channel.hear(self._witness.channel)
        except BlockingIOError:
            return
        except (EOFError, OSError):
            self._gone(self._witness, WITNESS)
            return
        attempt = Attempt(said["what"], said["count"], said["first"], said["last"])
        level = logging.INFO if attempt.what == OF_LIBUV else logging.WARNING
        _log.log(level, "refused by the lock: process %d (%s): %s", said["pid"], said["command"], attempt.what)
        if self._record is not None:
            self._record.heard(said["pid"], said["command"], attempt)

    def _gone(self, helper: _Helper, who: str) -> None:
        asyncio.get_running_loop().remove_reader(helper.channel.fileno())
        _log.error("%s has ended, and the house does not run without it.", who.capitalize())
        if self._record is not None:
            self._record.ended(helper.process.pid, "its channel closed")
        for future in self._asked.values():
            if not future.done():
                future.set_exception(ConnectionResetError(f"{who} has ended"))
        self._lost()


def guarding(peers: Sequence[Peer], runtime_dir: Path) -> Guard:
    """Start the helpers of a house whose policy names `peers` as all it connects to. Raises SettingsError where this
    system cannot hold a house to that: a lock that is not whole is not pretended."""
    missing = house.lacking()
    if missing:
        raise SettingsError(
            "This system cannot hold the house to its policy of egress: " + "; ".join(missing) + ".",
            hint="Run it on a Linux that can (`freehold doctor` says what a system has), or without the restriction: "
            'egress = "open" in [policy] of freehold.toml, and no --local-only.',
        )
    to_witness, from_broker = channel.pair()
    with to_witness, from_broker:
        witness = _start("witness", (to_witness,))
        orders = {"peers": [str(peer) for peer in peers], "runtime_dir": str(runtime_dir), "house": os.getpid()}
        try:
            broker = _start("broker", (from_broker,), json.dumps(orders))
        except BaseException:
            witness.channel.close()
            witness.process.wait()
            raise
    return Guard(peers, witness, broker)


def _start(name: str, ends: Sequence[socket.socket], *arguments: str) -> _Helper:
    """Raises SettingsError where it does not say that it is ready."""
    ours, theirs = channel.pair()
    with theirs:
        passed = [end.fileno() for end in (theirs, *ends)]
        process = subprocess.Popen(
            [*(sys.executable, "-I", "-B", "-m", f"freehold.egress.{name}"), *map(str, passed), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=passed,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            cwd="/",
            start_new_session=True,
        )
    try:
        if not select.select([ours], [], [], START_TIMEOUT_S)[0]:
            raise EOFError
        said, _ = channel.hear(ours)
    except (EOFError, OSError) as error:
        ours.close()
        process.kill()
        process.wait()
        raise SettingsError(
            f"The {name} of the house did not start.", hint="`freehold doctor` looks at the rest."
        ) from error
    return _Helper(process, ours, str(said["lock"]))


def _drop(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _socket(said: dict[str, Any], descriptor: int | None, where: str) -> socket.socket:
    if said.get("fate") == "connected" and descriptor is not None:
        return socket.socket(fileno=descriptor)
    if said.get("fate") == "refused":
        raise EgressError(
            f"The house does not connect to {where}: {said.get('why')}.",
            hint='List it in [policy] of freehold.toml, egress = ["HOST:PORT"], and start the house again.',
            peer=where,
        )
    kind = socket.gaierror if said.get("fate") == "unknown" else OSError
    raise kind(said.get("errno") or 0, str(said.get("why")))
