"""The worker's side of the supervisor: the first and the last thing a worker process does.

It is run with one or two descriptors as its arguments: where it says its word, and where it hands over what its lock
refuses. A worker program calls `run(serve)` under `if __name__ == "__main__"`. `run` reads the orders from stdin, ties
its life to the parent's, applies the lock, and only then calls `serve`, which imports its engine, opens the weights,
and says `ready`. Before that nothing but Freehold's own code and the standard library has run, on one thread.

Two ties to the parent, because each has a gap: PR_SET_PDEATHSIG follows the thread that spawned us (so it is armed only
where that was the main one), and the lifeline (stdin: the kernel sends SIGKILL when its other end closes) needs Linux;
elsewhere a thread waits for the same thing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from freehold.engines.sandbox import lock

_LIFELINE = 0


class CannotServeError(Exception):
    """Why this worker will not serve, for a person to read: becomes the reason of a WorkerStartError."""

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Orders:
    """What the parent wants: listen at `socket_path`, with `config`."""

    socket_path: str
    config: Mapping[str, Any]
    lock: str
    status_descriptor: int

    def ready(self, facts: Mapping[str, Any]) -> None:
        """Say that requests at `socket_path` are answered now. `facts` (JSON) reach `Started.facts`."""
        _say(self.status_descriptor, {"ready": True, "lock": self.lock, "facts": dict(facts)})


def last_line(error: Exception) -> str:
    """The last line of what a library says: those before it are places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300].rstrip(".") if lines else "it gives no reason"


def run(serve: Callable[[Orders], None]) -> NoReturn:
    """Become the worker. Ends the process: 0 when `serve` returns, 1 when it cannot serve or has a bug."""
    status_descriptor, *watchers = map(int, sys.argv[1:])
    os.set_inheritable(status_descriptor, False)
    try:
        serve(_enter(status_descriptor, watchers))
    except CannotServeError as error:
        _say(status_descriptor, {"ready": False, "reason": error.reason, "hint": error.hint})
        # Out by the front door: llama.cpp writes its log on a thread of its own, which must finish its sentence.
        sys.exit(1)
    except Exception as error:  # the process's edge
        traceback.print_exc()
        reason = f"it failed with {type(error).__name__}: {error}. This is a bug; the trace is in its log."
        _say(status_descriptor, {"ready": False, "reason": reason})
        sys.exit(1)
    sys.stdout.flush()
    sys.stderr.flush()
    # Native threads of an engine still run; the interpreter's own way out would wait for or crash on them.
    os._exit(0)


def _enter(status_descriptor: int, watchers: Sequence[int]) -> Orders:
    orders = _read_orders()
    _tie_to_parent(orders["parent_pid"], death_signal=orders["death_signal"])
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold prompts
    # Scratch may lie in memory, and an engine writes next to nothing there. It bounds each file, not their number.
    resource.setrlimit(resource.RLIMIT_FSIZE, (orders["largest_file_bytes"],) * 2)
    socket_path, scratch = Path(orders["socket_path"]), Path(orders["scratch"])
    grants = lock.Grants(
        read=tuple(map(Path, orders["read"])),
        sockets=socket_path.parent,
        write=(scratch, *map(Path, orders["write"])),
    )
    with contextlib.ExitStack() as ends:
        through = [ends.enter_context(socket.socket(fileno=descriptor)) for descriptor in watchers]
        report = lock.apply(grants, policy=orders["lock"], through=next(iter(through), None))
    if report.missing and orders["lock"] == "require":
        raise CannotServeError(
            f"its lock is required and this system lacks a part of it: {'; '.join(report.missing)}.",
            hint='Set lock = "prefer" in [engine] of freehold.toml to run without that part, knowingly.',
        )
    return Orders(str(socket_path), orders["config"], report.line, status_descriptor)


def _read_orders() -> dict[str, Any]:
    line = b""
    while not line.endswith(b"\n"):
        chunk = os.read(_LIFELINE, 65536)
        if not chunk:
            os._exit(0)  # the parent ended before it finished its sentence
        line += chunk
    orders = json.loads(line)
    assert isinstance(orders, dict), "orders are a JSON object"
    return orders


def _tie_to_parent(parent_pid: int, *, death_signal: bool) -> None:
    if death_signal:
        lock.arm_death_signal()
    if sys.platform == "linux":
        # O_ASYNC with F_SETSIG: the kernel itself kills us, whatever our threads and the interpreter lock are doing
        # (fcntl(2), "Signal-driven I/O"). The parent never writes again, so the only event left is the end.
        fcntl.fcntl(_LIFELINE, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(_LIFELINE, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(_LIFELINE, fcntl.F_SETFL, fcntl.fcntl(_LIFELINE, fcntl.F_GETFL) | os.O_ASYNC)
    else:
        threading.Thread(target=_wait_for_the_end, name="lifeline", daemon=True).start()
    # It may have ended before we armed: then no signal comes any more.
    if os.getppid() != parent_pid or select.select([_LIFELINE], [], [], 0)[0]:
        os._exit(0)


def _wait_for_the_end() -> None:
    os.read(_LIFELINE, 1)
    os._exit(0)


def _say(descriptor: int, word: Mapping[str, Any]) -> None:
    os.write(descriptor, json.dumps(word).encode() + b"\n")
