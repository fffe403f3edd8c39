"""Refused system calls in words, from their numbers and what stood in the registers. Pure.

Only registers are read: what they point at (the program of an `execve`) lies in the memory of the process that asks,
which changes it as it likes and shows it to nobody; where it may be read, `memory` tells the address of a `connect`.
"""

from __future__ import annotations

from collections.abc import Sequence

from freehold.engines.sandbox.seccomp import this_architecture
from freehold.engines.sandbox.syscalls import X86_64_AND_AARCH64

_FAMILIES = {1: "Unix", 2: "IPv4", 10: "IPv6", 16: "netlink", 17: "packet", 38: "kernel crypto", 40: "vsock"}
_KINDS = {1: "stream", 2: "datagram", 3: "raw", 5: "sequenced"}
_KIND_MASK = 0xF
_LIBUV_ENTRIES = 256
OF_LIBUV = "io_uring_setup: 256 entries, as libuv tries once for each event loop"
"""libuv, which uvloop is made of, cannot be told not to: it wants to add several descriptors to epoll in one call, and
where it is refused adds them one by one (uv__platform_loop_init). Told apart by its number, and told all the same."""


def spoken(number: int, arguments: Sequence[int]) -> str:
    """Such as "socket: IPv4 datagram", "connect: a Unix socket", "ptrace"."""
    name = name_of(number)
    if name in {"socket", "socketpair"}:
        family, kind = arguments[0] & 0xFFFFFFFF, arguments[1] & _KIND_MASK
        return f"{name}: {family_word(family)} {_KINDS.get(kind, f'of type {kind}')}"
    if name == "connect":
        return "connect: a Unix socket"  # there is no other kind of socket that it could have made
    if name in {"sendto", "sendmsg", "sendmmsg"}:
        return f"{name}: a connection by TCP Fast Open"
    if name == "io_uring_setup" and arguments[0] == _LIBUV_ENTRIES:
        return OF_LIBUV
    return name


def family_word(family: int) -> str:
    """Such as "IPv4"."""
    return _FAMILIES.get(family, f"family {family}")


def name_of(number: int) -> str:
    """What the system call is called here."""
    return _names().get(number, f"system call {number}")


def _names() -> dict[int, str]:
    architecture = this_architecture()
    assert architecture is not None, "a filter was installed, so its numbers are known"
    columns = ((name, numbers[architecture.column]) for name, numbers in X86_64_AND_AARCH64.items())
    return {number: name for name, number in columns if number is not None}
