"""What macOS says of itself by name (sysctl(3)). Elsewhere, and for names it does not know, nothing."""

from __future__ import annotations

import ctypes
from typing import Any

_LARGEST_BYTES = 1024


def raw(name: str) -> bytes:
    """The bytes under `name`, empty where there are none."""
    library: Any = ctypes.CDLL(None)
    if not hasattr(library, "sysctlbyname"):
        return b""
    buffer = ctypes.create_string_buffer(_LARGEST_BYTES)
    size = ctypes.c_size_t(_LARGEST_BYTES)
    if library.sysctlbyname(name.encode(), buffer, ctypes.byref(size), None, ctypes.c_size_t(0)):
        return b""
    return buffer.raw[: size.value]


def text(found: bytes) -> str:
    return found.rstrip(b"\0").decode("utf-8", errors="replace")


def number(found: bytes) -> int:
    """Integers of the kernel are little-endian on every Mac that is still made; nothing is 0."""
    return int.from_bytes(found, "little")
