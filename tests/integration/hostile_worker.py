"""A worker that has been taken over: tries every way out it knows and reports how each one ended.

Each attempt ends as the name of an errno, or as "done". What it may do is tried as well. `config`: `weights` a file it
may read, `outside` one it may not, `neighbor` another program's Unix socket, `abstract` an abstract one; `only` names
the attempts to make, None makes all.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from freehold.engines.inside import Orders, run

ARM = platform.machine() == "aarch64"
LIBC = ctypes.CDLL(None, use_errno=True)
# Numbers from the kernel's tables: (x86-64, aarch64).
NUMBERS = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "bpf": (321, 280),
    "unshare": (272, 97),
    "add_key": (248, 217),
    "shmget": (29, 194),
    "ioprio_set": (251, 30),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    "sched_setattr": (314, 274),
}


def syscall(number: int, *arguments: int) -> None:
    if LIBC.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def named(name: str, *arguments: int) -> None:
    syscall(NUMBERS[name][ARM], *arguments)


def prctl(option: int, argument: int) -> None:
    if LIBC.prctl(option, ctypes.c_ulong(argument), *[ctypes.c_ulong(0)] * 3) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def connect(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)


def open_socket(family: int, kind: int) -> None:
    socket.socket(family, kind).close()


def without_end() -> None:
    end = time.monotonic() + 1
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            open_socket(socket.AF_INET, socket.SOCK_STREAM)
    open_socket(socket.AF_INET, socket.SOCK_STREAM)


def lease(path: Path) -> None:
    with path.open("rb") as file:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)


def receive_a_descriptor() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        socket.send_fds(ours, [b"x"], [0])
        socket.recv_fds(theirs, 1, 1)


def attempts(config: dict[str, Any]) -> dict[str, Callable[[], object]]:
    parent = os.getppid()
    weights, outside = Path(config["weights"]), Path(config["outside"])
    own = Path("own.txt")
    own.write_text("mine")
    return {
        "ipv4 stream": lambda: open_socket(socket.AF_INET, socket.SOCK_STREAM),
        "ipv6 stream": lambda: open_socket(socket.AF_INET6, socket.SOCK_STREAM),
        "ipv4 datagram": lambda: open_socket(socket.AF_INET, socket.SOCK_DGRAM),
        **({"ipv4 stream without end": without_end} if config["only"] else {}),
        "raw": lambda: open_socket(socket.AF_INET, socket.SOCK_RAW),
        "netlink": lambda: open_socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "packet": lambda: open_socket(socket.AF_PACKET, socket.SOCK_RAW),
        "unix datagram": lambda: open_socket(socket.AF_UNIX, socket.SOCK_DGRAM),
        "unix datagram pair": lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM),
        "another program's socket": lambda: connect(config["neighbor"]),
        "an abstract socket": lambda: connect(config["abstract"]),
        "execve": lambda: os.execv("/bin/true", ["true"]),
        "fork": os.fork,
        "a subprocess": lambda: subprocess.run(["/bin/true"], check=True),
        "ptrace the parent": lambda: named("ptrace", 16, parent, 0, 0),
        "read the parent's memory": lambda: named("process_vm_readv", parent, 0, 0, 0, 0, 0),
        "pidfd_open": lambda: os.pidfd_open(parent),
        "signal the parent": lambda: os.kill(parent, 0),
        "signal its group": lambda: os.kill(0, signal.SIGCONT),
        "limit the parent": lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE),
        "slow the parent down": lambda: os.setpriority(os.PRIO_PROCESS, parent, 19),
        "slow its user down": lambda: os.setpriority(os.PRIO_USER, 0, 19),
        "move the parent to one core": lambda: os.sched_setaffinity(parent, {0}),
        "schedule the parent": lambda: os.sched_setscheduler(parent, os.SCHED_OTHER, os.sched_param(0)),
        "parameters of the parent": lambda: os.sched_setparam(parent, os.sched_param(0)),
        "attributes of the parent": lambda: named("sched_setattr", parent, 0, 0),
        "the parent's disk": lambda: named("ioprio_set", 1, parent, 3 << 13),
        "watch files": lambda: named("inotify_init1", 0),
        "watch the file system": lambda: named("fanotify_init", 0, 0),
        "lease a file": lambda: lease(own),
        "io_uring_setup": lambda: syscall(425, 8, 0),
        "bpf": lambda: named("bpf", 0, 0, 0),
        "add_key": lambda: named("add_key", 0, 0, 0, 0, 0),
        "shmget": lambda: named("shmget", 0, 4096, 0o1600),
        "unshare": lambda: named("unshare", 0x10000000),
        "setuid": lambda: os.setuid(os.getuid()),
        "chmod": lambda: own.chmod(0o777),
        "chown": lambda: os.chown(own, os.getuid(), os.getgid()),
        "utime": lambda: os.utime(own),
        "setxattr": lambda: os.setxattr(own, "user.x", b"y"),
        "mknod": lambda: os.mknod("pipe", 0o10600),
        "read outside": outside.read_bytes,
        "write outside": lambda: outside.write_text("changed"),
        "create outside": lambda: outside.with_name("new").touch(),
        "delete outside": outside.unlink,
        "list outside": lambda: list(outside.parent.iterdir()),
        "read /etc/passwd": Path("/etc/passwd").read_bytes,
        "the parent's environment": Path(f"/proc/{parent}/environ").read_bytes,
        "its own environment in /proc": Path("/proc/self/environ").read_bytes,
        "write the weights": lambda: weights.open("r+b"),
        "truncate the weights": lambda: os.truncate(weights, 0),
        "delete the weights": weights.unlink,
        "link the weights": lambda: os.link(weights, "copy"),
        "take the death signal off": lambda: prctl(1, 0),
        "become dumpable": lambda: prctl(4, 1),
        "take the lifeline's signal off": lambda: fcntl.fcntl(0, fcntl.F_SETSIG, 0),
        "take the lifeline's flag off": lambda: fcntl.fcntl(0, fcntl.F_SETFL, 0),
        "the same by another way": lambda: fcntl.ioctl(0, 0x5452, b"\0\0\0\0"),
        "copy the lifeline": lambda: os.dup(0),
        "copy it by another way": lambda: fcntl.fcntl(0, fcntl.F_DUPFD, 3),
        "receive a copy of it": receive_a_descriptor,
        "close the lifeline": lambda: os.close(0),
        "put another in its place": lambda: os.dup2(1, 0),
        "close all": lambda: syscall(436, 0, 0, 0),
        "clone3": lambda: syscall(435, 0, 0),
        "a call newer than the filter": lambda: syscall(600),
        **({} if ARM else {"an x32 call": lambda: syscall(0x40000000 + 39)}),
    }


def permitted(config: dict[str, Any]) -> dict[str, Callable[[], object]]:
    return {
        "read the weights": Path(config["weights"]).read_bytes,
        "write in scratch": lambda: Path("scratch.txt").write_text("x"),
        "delete in scratch": lambda: Path("scratch.txt").unlink(),
        "start a thread": _thread,
        "load a native module": lambda: __import__("decimal"),
        "a unix stream pair": _pair,
        "random bytes": lambda: os.urandom(16),
        "choose its own cores": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
        "be nice": lambda: os.nice(1),
        "signal itself": lambda: os.kill(os.getpid(), 0),
    }


def _thread() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


def _pair() -> None:
    for end in socket.socketpair():
        end.close()


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def serve(orders: Orders) -> None:
    config = dict(orders.config)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(orders.socket_path)
        listener.listen()
        orders.ready(
            {
                "permitted": {name: outcome(attempt) for name, attempt in permitted(config).items()},
                "refused": {
                    name: outcome(attempt)
                    for name, attempt in attempts(config).items()
                    if config["only"] is None or name in config["only"]
                },
                "environment": dict(os.environ),
                "descriptors": [number for number in range(256) if _is_open(number)],
                "core_limit": list(resource.getrlimit(resource.RLIMIT_CORE)),
                "file_limit": list(resource.getrlimit(resource.RLIMIT_FSIZE)),
                "umask": os.umask(0o077),
            }
        )
        listener.accept()


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    run(serve)
