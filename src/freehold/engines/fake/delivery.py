"""One answer on its way to a client: at the speed asked for, with the faults asked for, until the client leaves.

Every token is flushed in its own turn of the event loop, so that it is a packet of its own to the reader; only what
comes at the same moment (the head, the prompt's progress and the first token; all that ends it) shares one. A client
that does not read stops the delivery (the transport pauses it); it never fills the memory.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from typing import Protocol

from pydantic_core import to_json

from freehold.engines.fake.asked import Asked
from freehold.engines.fake.events import Writer
from freehold.engines.fake.options import FakeOptions

DIED_CODE = 70
FAULT_TEXT = "the fake engine fails here, as it was told to"
FAULT = {"code": 500, "message": FAULT_TEXT, "type": "server_error"}


class Line(Protocol):
    """The connection as a delivery sees it. What is written leaves with `flush`; `end_stream` and `answer` end it."""

    def begin_stream(self) -> None: ...

    def write(self, events: bytes) -> None: ...

    def flush(self) -> None: ...

    def end_stream(self) -> None: ...

    def answer(self, status: int, body: bytes) -> None: ...


class Delivery:
    """Delivers `asked` on `line`; `on_end` is called once, when it is over or was stopped."""

    def __init__(self, asked: Asked, options: FakeOptions, line: Line, on_end: Callable[[], None]) -> None:
        self._asked = asked
        self._options = options
        self._line = line
        self._on_end = on_end
        self._writer = Writer(asked)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.Handle | None = None
        self._tokens: Iterator[bytes] = iter(())
        self._sent = 0
        self._first_at = 0.0
        self._paused = False
        self._over = False

    def start(self) -> None:
        first_s = self._options.first_ms / 1e3
        self._first_at = self._loop.time() + first_s
        if not self._asked.stream:
            self._timer = self._loop.call_later(first_s, self._begin_whole)
            return
        self._line.begin_stream()
        for event in self._writer.opening():
            self._line.write(event)
        if first_s:
            self._line.flush()
            self._timer = self._loop.call_later(first_s, self._begin_tokens)
        else:
            self._begin_tokens()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        if self._timer is None and not self._over and self._asked.stream:
            self._schedule()

    def stop(self) -> None:
        """The client has gone, or the answer is out."""
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self._on_end()

    def _begin_tokens(self) -> None:
        self._tokens = self._writer.tokens()
        self._next()

    def _next(self) -> None:
        self._timer = None
        options = self._options
        if options.die_after is not None and self._sent >= options.die_after:
            os._exit(DIED_CODE)
        if options.hang_after is not None and self._sent >= options.hang_after:
            self._hang()
            return
        if options.error_after is not None and self._sent >= options.error_after:
            self._finish(b"data: " + to_json({"error": FAULT}) + b"\n\n")
            return
        event = next(self._tokens, None)
        if event is None:
            self._finish(self._writer.closing())
            return
        self._sent += 1
        self._line.write(self._spoiled(event))
        self._line.flush()
        if not self._paused:
            self._schedule()

    def _schedule(self) -> None:
        rate = self._options.rate_per_s
        # Against the first token's time, not the last one's: a late turn must not slow the stream down.
        wait_s = self._first_at + self._sent / rate - self._loop.time() if rate else 0.0
        last = self._sent == sum(len(script.pieces) for script in self._asked.scripts)
        if wait_s <= 0 or last:
            self._timer = self._loop.call_soon(self._next)
        else:
            self._timer = self._loop.call_later(wait_s, self._next)

    def _spoiled(self, event: bytes) -> bytes:
        if self._sent == self._options.truncated_json_at:
            return event[: len(event) // 2] + b"\n\n"
        if self._sent == self._options.garbage_event_at:
            return b"data: \xff\xfe this is no JSON\n\n"
        return event

    def _finish(self, events: bytes) -> None:
        self._line.write(events)
        self._line.end_stream()
        self.stop()

    def _hang(self) -> None:
        """Say nothing more and keep the slot, until the client leaves."""
        self._timer = self._loop.call_later(86400, lambda: None)

    def _begin_whole(self) -> None:
        """Make all tokens, which takes as long as it would in a stream, then say them at once."""
        self._writer.prompt_done()
        tokens = max(len(script.pieces) for script in self._asked.scripts)
        rate = self._options.rate_per_s
        wait_s = max(0, tokens - 1) / rate if rate else 0.0
        self._timer = self._loop.call_later(wait_s, self._give_whole, tokens)

    def _give_whole(self, tokens: int) -> None:
        """The faults of a stream, as far as they make sense for an answer in one piece."""
        options = self._options
        if options.die_after is not None and tokens >= options.die_after:
            os._exit(DIED_CODE)
        if options.hang_after is not None and tokens >= options.hang_after:
            self._hang()
            return
        failed = options.error_after is not None and tokens >= options.error_after
        answer = {"error": FAULT} if failed else self._writer.whole()
        self._line.answer(500 if failed else 200, to_json(answer))
        self.stop()
