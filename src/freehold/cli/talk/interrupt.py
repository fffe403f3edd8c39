"""Ctrl-C in the chat: while a model answers it ends the answer; at any other time it does nothing here.

At the prompt the terminal is in raw mode, so Ctrl-C arrives there as a key and not as a signal.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Self

from freehold.python.aio import AsyncStream
from freehold.python.answers import Delta


class Interrupts:
    """Between enter and exit SIGINT ends `until_stopped` and nothing else. `stopped` says whether it did."""

    def __init__(self) -> None:
        self.stopped = False
        self._event = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._before = signal.getsignal(signal.SIGINT)
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._event.set)
        return self

    async def __aexit__(self, *exc: object) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, self._before)

    async def until_stopped(self, stream: AsyncStream) -> AsyncIterator[Delta]:
        """The deltas of `stream` until it ends or Ctrl-C comes, also while the next delta is awaited."""
        self._event.clear()
        self.stopped = False
        stop = asyncio.ensure_future(self._event.wait())
        try:
            while not self.stopped:
                step = asyncio.ensure_future(anext(stream, None))
                await asyncio.wait({step, stop}, return_when=asyncio.FIRST_COMPLETED)
                self.stopped = stop.done()
                if not step.done():
                    step.cancel()
                    await asyncio.wait({step})
                    return
                delta = step.result()
                if delta is None:
                    return
                yield delta
        finally:
            stop.cancel()
