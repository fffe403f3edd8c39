"""The lock of the house itself, for a policy that says where connections may go.

Once its own sockets are bound it gives up, for good and for all it will start: to make a socket but Unix streams, to
connect, to see into other processes, the wide doors into the kernel (seccomp, on every thread); to change a file
outside its own folders, to use TCP and abstract sockets (Landlock). `accept` goes on. What it reads is not restricted.

Call `lock` on a process with one thread: Landlock takes no other thread along. Both parts must hold, or it is no lock.
What ran in this process before could do what it liked; `strangers` finds the sockets that it would go on using."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from freehold.engines.sandbox import kernel, landlock, seccomp
from freehold.engines.sandbox.lock import LockReport
from freehold.engines.sandbox.processes import HOUSE
from freehold.engines.sandbox.spoken import family_word

PR_SET_PTRACER = 0x59616D61
_STDERR = 2
_DEVICES = (
    *(Path("/dev") / name for name in ("null", "zero", "full", "random", "urandom", "tty", "dri", "kfd")),
    *(Path("/dev").glob("nvidia*") if sys.platform == "linux" else ()),
)


def lacking() -> tuple[str, ...]:
    """What this system lacks for the lock, a reason each; empty where all of it is there."""
    if sys.platform != "linux":
        return (f"{sys.platform} has neither seccomp nor Landlock: the lock needs Linux",)
    architecture = seccomp.this_architecture()
    missing = []
    if architecture is None:
        missing.append(f"seccomp: no filter is written for {os.uname().machine}")
    elif not seccomp.takes_threads_along(architecture):
        missing.append("seccomp: a filter on all threads that is also observed needs Linux 5.7")
    if landlock.version() is None:
        missing.append("Landlock: this kernel does not have it (Linux 5.13), or it was left out at boot (lsm=)")
    return tuple(missing)


def enforced() -> tuple[tuple[str, str], ...]:
    """What the lock refuses on this kernel, and by which part of it."""
    abi = landlock.version() or 0
    rows = [
        ("internet and all other sockets but Unix streams", "seccomp"),
        ("every connection, to other hosts and to Unix sockets", "seccomp"),
        ("ptrace, memory and descriptors of other processes", "seccomp"),
        ("io_uring, bpf, namespaces, mounts, kernel modules, the kernel's keys", "seccomp"),
        ("typing into the terminal it was started from", "seccomp"),
        ("changing files outside the house's folders", f"landlock {abi}"),
    ]
    if abi >= 4:
        rows.append(("TCP: bind and connect", f"landlock {abi}"))
    if abi >= 6:
        rows.append(("abstract sockets and signals to processes outside", f"landlock {abi}"))
    return tuple(rows)


def line() -> str:
    """The lock as `freehold ps` shows it."""
    return LockReport(seccomp=True, landlock_abi=landlock.version(), missing=()).line


def strangers(own: Iterable[int]) -> list[str]:
    """The open sockets that are not among the descriptors `own`, in words. Unix sockets as stdin, stdout and stderr,
    such as a journal's, are left out: who started the house gave it those."""
    known, found = frozenset(own), []
    for link in Path("/proc/self/fd").iterdir():
        number = int(link.name)
        if number in known or not _is_socket(link):
            continue
        with socket.socket(fileno=os.dup(number)) as copy:
            if number > _STDERR or copy.family != socket.AF_UNIX:
                found.append(f"descriptor {number} ({family_word(copy.family)})")
    return found


def _is_socket(link: Path) -> bool:
    try:
        return str(link.readlink()).startswith("socket:")
    except FileNotFoundError:  # the one that lists them
        return False


def lock(write: Iterable[Path], *, witness: int) -> int:
    """Lock this process; gives the listener of what is refused from now on. It may go on changing what lies in `write`.
    `witness` is the process that may read its memory, where the kernel asks for that (Yama). Raises OSError."""
    architecture, abi = seccomp.this_architecture(), landlock.version()
    assert architecture is not None and abi is not None, "`lacking` was asked first"
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise OSError(f"{threads} threads run, and Landlock takes only the one that calls it along")
    _let_read(witness)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    rules = [(path, landlock.CHANGE) for path in (*_DEVICES, *write)]
    landlock.install(abi, rules, handled=landlock.CHANGE)
    return seccomp.install_observed(architecture, HOUSE, every_thread=True)


def _let_read(witness: int) -> None:
    try:
        kernel.prctl(PR_SET_PTRACER, witness)
    except OSError:  # no Yama in this kernel: it needs no leave
        return
