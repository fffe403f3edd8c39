"""The witness: a process of its own that hears what a house and its broker were refused, answers, and tells the house.

It is started before the house locks itself, holds the listeners of both filters, and refuses whatever it hears: nothing
here ever lets a call through. Each process may try 64 times at once and 20 times a second after that; its callers wait,
nobody else does. Where it ends, the kernel refuses by itself and nothing is heard any more, and the house ends too.

Arguments: the descriptors of its channel to the house, and of the socket through which the broker hands its
listener."""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import select
import socket
import sys
import time
from pathlib import Path
from typing import NoReturn

from freehold.egress import channel
from freehold.engines.sandbox import kernel, lock, notify
from freehold.engines.sandbox.memory import address_at, printable
from freehold.engines.sandbox.processes import WITNESS
from freehold.engines.sandbox.spoken import name_of, spoken

AT_ONCE = 64
THEN_PER_SECOND = 20.0
UNTOLD_LIMIT = 1024
TELL_AGAIN_MS = 100


class Pace:
    """How often one process is answered: AT_ONCE, and THEN_PER_SECOND after that."""

    def __init__(self) -> None:
        self._left: dict[int, tuple[float, float]] = {}

    def due(self, process: int, now: float) -> float:
        """When the next call of `process` is to be answered."""
        left, at = self._left.get(process, (float(AT_ONCE), now))
        left = min(AT_ONCE, left + (now - at) * THEN_PER_SECOND) - 1
        self._left[process] = (left, now)
        return now + max(0.0, -left / THEN_PER_SECOND)


class Witness:
    def __init__(self, house: socket.socket, broker: socket.socket) -> None:
        self._house = house
        self._broker = broker
        self._listeners: dict[int, str] = {}
        self._poll = select.poll()
        self._poll.register(house, select.POLLIN)
        self._poll.register(broker, select.POLLIN)
        self._pace = Pace()
        self._waiting: list[tuple[float, int, int]] = []  # when it is due, its listener, the kernel's name of it
        self._untold: dict[tuple[str, int, str, str], list[float]] = {}

    def run(self) -> None:
        """Until the house has gone."""
        while True:
            for descriptor, _ in self._poll.poll(self._patience_ms()):
                if descriptor == self._house.fileno():
                    try:
                        self._listen(channel.hear(self._house)[1], "house")
                    except EOFError:
                        return
                elif descriptor == self._broker.fileno():
                    self._listen(notify.receive(self._broker), "broker")
                    self._poll.unregister(self._broker)
                else:
                    self._take(descriptor)
            self._answer()
            self._tell()

    def _listen(self, listener: int | None, whose: str) -> None:
        if listener is not None:
            self._listeners[listener] = whose
            self._poll.register(listener, select.POLLIN)

    def _patience_ms(self) -> float | None:
        if self._untold:
            return TELL_AGAIN_MS
        return max(0.0, (self._waiting[0][0] - time.monotonic()) * 1000 + 1) if self._waiting else None

    def _take(self, listener: int) -> None:
        try:
            call = notify.next_call(listener)
        except EOFError:
            self._poll.unregister(listener)
            os.close(listener)
            del self._listeners[listener]
            return
        if call is None:
            return
        process, command = _who(call.thread)
        what = _what(call)
        heapq.heappush(self._waiting, (self._pace.due(process, time.monotonic()), listener, call.id))
        key = (self._listeners[listener], process, command, what)
        if key not in self._untold and len(self._untold) >= UNTOLD_LIMIT:
            key = (*key[:3], "other calls")
        now = time.time()
        count, first, _ = self._untold.get(key, [0, now, now])
        self._untold[key] = [count + 1, first, now]

    def _answer(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, listener, called = heapq.heappop(self._waiting)
            if listener in self._listeners:
                notify.refuse(listener, called, errno.EPERM)

    def _tell(self) -> None:
        for key in [*self._untold]:
            count, first, last = self._untold[key]
            whose, process, command, what = key
            said = {"whose": whose, "pid": process, "command": command, "what": what}
            try:
                channel.say(self._house, {**said, "count": int(count), "first": first, "last": last})
            except BlockingIOError:
                return
            del self._untold[key]


def _who(thread: int) -> tuple[int, str]:
    """The process that a thread belongs to, and what it runs; it waits for us, so both are still there."""
    process, command = thread, "unknown"
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{thread}/status").read_text(errors="replace").splitlines():
            word, _, rest = line.partition(":")
            if word == "Tgid":
                process = int(rest)
        command = printable(Path(f"/proc/{process}/comm").read_text(errors="replace").strip())
    return process, command


def _what(call: notify.Call) -> str:
    if name_of(call.number) != "connect":
        return spoken(call.number, call.arguments)
    return f"connect: {address_at(call.thread, call.arguments[1], call.arguments[2])}"


def main() -> NoReturn:
    house, broker = (socket.socket(fileno=int(descriptor)) for descriptor in sys.argv[1:3])
    lock.arm_death_signal()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    missing: list[str] = []
    lock.install_seccomp(missing, None, WITNESS)
    channel.say(house, {"ready": True, "lock": lock.LockReport(not missing, None, tuple(missing)).line})
    with contextlib.suppress(OSError):  # the house has gone in the middle of a word
        Witness(house, broker).run()
    os._exit(0)


if __name__ == "__main__":
    main()
