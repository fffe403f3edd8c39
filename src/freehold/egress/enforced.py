"""What the two helpers of a restricted house and the workers of any gave up, and by what they are held to it. Pure; the
house's own list is in `engines.sandbox.house`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from freehold.core.peers import Peer

Row = tuple[str, str]
Held = Literal["all", "ports", "nothing"]
"""How much of where a house may connect the kernel holds it to; the rest is its broker's program's doing."""
OWN_PROGRAM = "its own program alone"
TCP_SINCE, SCOPES_SINCE = 4, 6
"""The versions of Landlock that first held TCP to ports, of Linux 6.7, and a process to its own, of 6.12."""
_LANDLOCK = re.compile(r"landlock ([1-9][0-9]{0,3})")

WITNESS: tuple[Row, ...] = (
    ("sockets but Unix streams, and every connection", "seccomp"),
    ("programs, writing to other processes, io_uring", "seccomp"),
)


def of_worker(lock: str) -> tuple[Row, ...]:
    """`lock` is the line of a `LockReport`. By a part that is missing nothing was given up."""
    held = lock.partition(" (missing: ")[0].split(" + ")
    rows: list[Row] = []
    if "seccomp" in held:
        rows.append(("sockets but Unix streams, and every connection", "seccomp"))
        rows.append(("programs, other processes, ptrace, io_uring, modes and owners of files", "seccomp"))
    for kernel, version in ((part, int(found[1])) for part in held if (found := _LANDLOCK.fullmatch(part))):
        rows.append(("files but its weights, its own folders and libraries", kernel))
        if version >= TCP_SINCE:
            rows.append(("TCP: bind and connect", kernel))
        if version >= SCOPES_SINCE:
            rows.append(("abstract sockets and signals to processes outside", kernel))
    return tuple(rows)


def by_kernel(peers: Sequence[Peer], landlock: int) -> Held:
    """`landlock` is the kernel's version of it. Ports are those of TCP."""
    if not peers:
        return "all"
    return "ports" if landlock >= TCP_SINCE else "nothing"


def of_broker(peers: Sequence[Peer], landlock: int) -> tuple[Row, ...]:
    """`landlock` is the kernel's version of it."""
    kernel = f"landlock {landlock}"
    rows: list[Row] = [("programs, other processes, ptrace, io_uring", "seccomp"), ("changing any file", kernel)]
    rows.append(("reading files but libraries, /etc, /run and /proc", kernel))
    if not peers:
        return (*rows, ("sockets but Unix streams", "seccomp"), ("Unix sockets but those of workers", OWN_PROGRAM))
    names = any(not peer.is_address for peer in peers)
    datagrams = ", and datagrams to look names up" if names else ""
    rows.append((f"sockets but Unix and internet streams{datagrams}", "seccomp"))
    ports = sorted({peer.port for peer in peers} | ({53} if names else set()))
    listed = ", ".join(map(str, ports))
    rows.append((f"TCP to ports other than {listed}", kernel if landlock >= TCP_SINCE else OWN_PROGRAM))
    rows.append(("hosts that are not listed, and Unix sockets but those of workers", OWN_PROGRAM))
    if names:
        rows.append(("datagrams to anybody but the name servers", OWN_PROGRAM))
    return tuple(rows)
