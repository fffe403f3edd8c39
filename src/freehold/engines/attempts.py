"""What a locked worker asked the kernel for and was refused: heard, answered with a refusal, and counted.

The house holds the listener of the worker's filter (`sandbox.notify`). A caller waits for its answer, so one that tries
over and over waits longer and longer and costs the house next to nothing. What must stay true: nothing here ever lets a
call through, and what is kept is bounded whatever a worker does. Not seen here: files, which Landlock refuses without a
word, and calls that a kernel without listeners refuses by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import time
from collections.abc import Callable

from freehold.core.ports import Attempt
from freehold.engines.sandbox import notify
from freehold.engines.sandbox.spoken import spoken

AT_ONCE = 64
THEN_PER_SECOND = 20.0
KINDS_LIMIT = 64
OTHERS = "other calls"

_log = logging.getLogger(__name__)


class Tally:
    """What one process was refused, by kind. `heard` is called with each new kind, once."""

    def __init__(self, heard: Callable[[Attempt], None]) -> None:
        self._heard = heard
        self._kinds: dict[str, Attempt] = {}
        self.is_heard = False
        """Whether somebody hears what this process is refused: without it nothing is known."""

    @property
    def seen(self) -> tuple[Attempt, ...] | None:
        """Each kind with its count, the first first; None where nobody hears."""
        return tuple(self._kinds.values()) if self.is_heard else None

    def count(self, what: str, times: int = 1, *, first_at: float, last_at: float) -> None:
        kind = what if what in self._kinds or len(self._kinds) < KINDS_LIMIT else OTHERS
        known = self._kinds.get(kind)
        attempt = Attempt(kind, known.count + times if known else times, known.first_at if known else first_at, last_at)
        self._kinds[kind] = attempt
        if known is None:
            self._heard(attempt)


class Attempts:
    """Of one process. `theirs` is the descriptor it sends its listener through; `close` lets go of everything."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._listener: int | None = None
        self._left = float(AT_ONCE)
        self._counted_at = time.monotonic()
        self._pause: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._ours.fileno(), self._take_listener)

    @property
    def theirs(self) -> int:
        return self._theirs.fileno()

    def handed_over(self) -> None:
        """The process has its end: keep no copy of it."""
        self._theirs.close()

    def close(self) -> None:
        """The process has ended. What was seen stays."""
        self._let_go()
        self._stop_waiting_for_it()
        self._theirs.close()

    def _take_listener(self) -> None:
        try:
            self._listener = notify.receive(self._ours)
        except OSError:  # it ended before it said anything
            self._listener = None
        self._stop_waiting_for_it()
        if self._listener is not None:
            self.tally.is_heard = True
            self._loop.add_reader(self._listener, self._answer)

    def _stop_waiting_for_it(self) -> None:
        if self._ours.fileno() >= 0:
            self._loop.remove_reader(self._ours.fileno())
            self._ours.close()

    def _answer(self) -> None:
        assert self._listener is not None, "only a listener that is held is read"
        try:
            call = notify.next_call(self._listener)
        except EOFError:
            self._let_go()
            return
        if call is None:
            return
        notify.refuse(self._listener, call.id, errno.EPERM)
        now = time.time()
        self.tally.count(spoken(call.number, call.arguments), first_at=now, last_at=now)
        self._pace()

    def _pace(self) -> None:
        """Past AT_ONCE, hear only so many a second: the callers wait, the house does not."""
        now = time.monotonic()
        self._left = min(AT_ONCE, self._left + (now - self._counted_at) * THEN_PER_SECOND) - 1
        self._counted_at = now
        if self._left < 1 and self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._pause = self._loop.call_later((1 - self._left) / THEN_PER_SECOND, self._hear_again)

    def _hear_again(self) -> None:
        self._pause = None
        if self._listener is not None:
            self._loop.add_reader(self._listener, self._answer)

    def _let_go(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            with contextlib.suppress(OSError):
                os.close(self._listener)
            self._listener = None
