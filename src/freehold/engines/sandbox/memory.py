"""The address that a refused `connect` named, read from the memory of the process that asked, while it waits.

What is read is told and decides nothing: another thread of that process may change it at any time. The kernel lets a
process of the same user read it, unless it made itself unreadable (workers do) or Yama forbids it.
"""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct

from freehold.engines.sandbox import kernel
from freehold.engines.sandbox.seccomp import this_architecture
from freehold.engines.sandbox.syscalls import X86_64_AND_AARCH64

LONGEST_BYTES = 128  # struct sockaddr_storage
UNREAD = "an address that cannot be read"


class _Piece(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("size_bytes", ctypes.c_size_t))


def address_at(thread: int, pointer: int, size_bytes: int) -> str:
    """Such as "192.0.2.7:443", "/run/other.sock", "@abstract"."""
    try:
        return spoken_address(_read(thread, pointer, min(size_bytes & 0xFFFFFFFF, LONGEST_BYTES)))
    except OSError:
        return UNREAD


def spoken_address(data: bytes) -> str:
    """A `struct sockaddr` in words. Pure."""
    if len(data) < 2:
        return UNREAD
    family, rest = struct.unpack_from("=H", data)[0], data[2:]
    if family == socket.AF_UNIX:
        return _path(rest)
    if family == socket.AF_INET and len(rest) >= 6:
        return f"{ipaddress.IPv4Address(rest[2:6])}:{int.from_bytes(rest[:2])}"
    if family == socket.AF_INET6 and len(rest) >= 22:
        return f"[{ipaddress.IPv6Address(rest[6:22])}]:{int.from_bytes(rest[:2])}"
    return f"an address of family {family}"


def printable(text: str) -> str:
    """What a process chose to call something, without what would move a cursor or begin a line."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _path(data: bytes) -> str:
    abstract = data[:1] == b"\0"
    raw = data[1:].rstrip(b"\0") if abstract else data.partition(b"\0")[0]
    text = raw.decode("utf-8", "replace")
    shown = printable(text)
    return f"@{shown}" if abstract else shown or "a Unix socket without a name"


def _read(thread: int, pointer: int, size_bytes: int) -> bytes:
    architecture = this_architecture()
    assert architecture is not None, "a filter was installed, so its numbers are known"
    number = X86_64_AND_AARCH64["process_vm_readv"][architecture.column]
    assert number is not None, "both architectures have it"
    buffer = ctypes.create_string_buffer(size_bytes)
    here, there = _Piece(ctypes.addressof(buffer), size_bytes), _Piece(pointer, size_bytes)
    count = kernel.call(number, thread, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
    return buffer.raw[:count]
