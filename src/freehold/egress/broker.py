"""The broker: the one process of a restricted house that connects, and to nobody who is not named.

It is started before the house locks itself, and locks itself before it hears the first word: sockets of no family that
it does not need (seccomp), no program, no file but what Python, the C library's resolver and /proc/PID/stat take, and
TCP to the listed ports alone (Landlock 4). To which host and, for names, which datagrams, is this program's own doing.
It hands the connected socket over and keeps no copy; what goes through it, it never sees.

A worker's Unix socket is connected to where the kernel says that the process at its other end is a child of the house.

Arguments: the descriptors of its channel to the house and of the socket to the witness, and its orders as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import socket
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from freehold.core.peers import Peer, peer_at, read_peer
from freehold.egress import channel
from freehold.engines.sandbox import kernel, landlock, lock
from freehold.engines.sandbox.processes import broker

PATIENCE_S = 10.0
AT_ONCE = 256
_DOMAIN_PORT = 53
_AGAIN_S = 0.005
_READ = tuple(Path(path) for path in ("/etc", "/run", "/proc", "/dev/null", "/dev/urandom"))
_WORKER = re.compile(r"w-[0-9a-f]{6}/s/[0-9a-f]{6}\.sock")


class RefusedError(Exception):
    """Nobody is connected there from here; its text says why."""


class Broker:
    """`peers` are all the addresses there are; workers listen below `runtime_dir` and are children of `house`."""

    def __init__(self, peers: Iterable[Peer], runtime_dir: str, house: int) -> None:
        self._peers = frozenset(peers)
        self._runtime_dir = runtime_dir
        self._house = house

    async def connect(self, host: str, port: int) -> tuple[socket.socket, str]:
        """A connected socket, and the address that it is connected to. Raises RefusedError, OSError."""
        if peer_at(host, port) not in self._peers:
            raise RefusedError("it is not listed in [policy] egress")
        loop = asyncio.get_running_loop()
        failure: OSError = TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            found = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await loop.sock_connect(found, address)
            except OSError as error:
                found.close()
                failure = error
                continue
            return found, str(Peer(str(address[0]), port))
        raise failure

    async def connect_worker(self, path: str) -> tuple[socket.socket, str]:
        """The same for the Unix socket at `path`. Raises RefusedError, OSError."""
        folder, _, name = path.rpartition("/w-")
        if folder != self._runtime_dir or not _WORKER.fullmatch(f"w-{name}"):
            raise RefusedError("it is no socket of a worker")
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            async with asyncio.timeout(PATIENCE_S):
                # EAGAIN: its queue is full, and no event tells of room in it.
                while not _connected(found, path):  # noqa: ASYNC110
                    await asyncio.sleep(_AGAIN_S)
            peer = struct.unpack("3i", found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            if _parent(peer) != self._house:
                raise RefusedError(f"process {peer}, which listens there, is no child of the house")
        except BaseException:
            found.close()
            raise
        return found, path


class _Desk:
    """Answers what the house asks, many at once."""

    def __init__(self, broker: Broker, house: socket.socket) -> None:
        self._broker = broker
        self._house = house
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(AT_ONCE)
        self.ended = asyncio.Event()

    def hear(self) -> None:
        try:
            asked, _ = channel.hear(self._house)
        except BlockingIOError:
            return
        except (EOFError, OSError):
            self.ended.set()
            return
        task = asyncio.create_task(self._answer(asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, asked: dict[str, Any]) -> None:
        reply: dict[str, Any] = {"id": asked["id"]}
        descriptors: list[int] = []
        async with self._room:
            try:
                if "worker" in asked:
                    found, reply["address"] = await self._broker.connect_worker(asked["worker"])
                else:
                    found, reply["address"] = await self._broker.connect(asked["host"], asked["port"])
                descriptors.append(found.detach())
                reply["fate"] = "connected"
            except RefusedError as error:
                reply |= {"fate": "refused", "why": str(error)}
            except OSError as error:
                fate = "unknown" if isinstance(error, socket.gaierror) else "failed"
                reply |= {"fate": fate, "why": error.strerror or str(error), "errno": error.errno}
            try:
                await self._say(reply, descriptors)
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)

    async def _say(self, reply: dict[str, Any], descriptors: list[int]) -> None:
        while True:
            try:
                channel.say(self._house, reply, descriptors)
            except BlockingIOError:
                await asyncio.sleep(_AGAIN_S)
            except OSError:
                self.ended.set()
                return
            else:
                return


def _connected(found: socket.socket, path: str) -> bool:
    try:
        found.connect(path)
    except BlockingIOError:
        return False
    return True


def _parent(process: int) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        # The name, in brackets, may hold anything; the parent is the second field behind it (proc_pid_stat(5)).
        return int(Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    return None


def _lock_up(peers: tuple[Peer, ...], through: socket.socket) -> str:
    names = any(not peer.is_address for peer in peers)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.drop_capabilities()
    missing: list[str] = []
    abi = landlock.version()
    if abi is not None:
        ports = {peer.port for peer in peers} | ({_DOMAIN_PORT} if names else set())
        landlock.install(abi, [(path, landlock.READ) for path in (*lock.python_and_libraries(), *_READ)], ports=ports)
    filtered = lock.install_seccomp(missing, through, broker(internet=bool(peers), names=names))
    return lock.LockReport(filtered, abi, tuple(missing)).line


async def _serve(found: Broker, house: socket.socket) -> None:
    desk = _Desk(found, house)
    asyncio.get_running_loop().add_reader(house.fileno(), desk.hear)
    await desk.ended.wait()


def main() -> NoReturn:
    house, witness = (socket.socket(fileno=int(descriptor)) for descriptor in sys.argv[1:3])
    orders = json.loads(sys.argv[3])
    peers = tuple(read_peer(text) for text in orders["peers"])
    lock.arm_death_signal()
    with witness:
        held = _lock_up(peers, witness)
    house.setblocking(False)
    channel.say(house, {"ready": True, "lock": held})
    asyncio.run(_serve(Broker(peers, orders["runtime_dir"], orders["house"]), house))
    os._exit(0)


if __name__ == "__main__":
    main()
