"""The private event loop under the synchronous API: one background thread for the whole process.

It works under a loop that is already running (Jupyter, a web server) because it never touches that one, and from
several threads at once. What is still open when the interpreter ends is closed then. It does not survive a fork:
a child has the object but not the thread, so a call there is refused by name instead of hanging; open the model in
the child. A child forked while a model is open also keeps the worker's lifeline open: if the parent is then killed,
the worker goes on until the child ends too. Prefer the `spawn` start method of multiprocessing.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import threading
import weakref
from collections.abc import Coroutine
from typing import Any, Generic, Protocol, TypeVar

from freehold.core.errors import CallError

CLOSE_TIMEOUT_S = 15.0

T = TypeVar("T")


class Closable(Protocol):
    """What has something to let go of."""

    async def close(self) -> None: ...


C = TypeVar("C", bound=Closable)


class LoopThread:
    """Runs coroutines on its own thread; started by the first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        self._open: set[Closable] = set()
        self._ended = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. Interrupting the caller (Ctrl-C) cancels it."""
        future = self._submit(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def run_later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Start `work` and do not wait: for finalizers, which must not block. Too late is silent, since whatever
        `work` would have let go of went with its loop."""
        try:
            self._submit(work)
        except CallError:
            return

    def keep(self, thing: Closable) -> None:
        """Close `thing` when the interpreter ends, unless it is let go of before."""
        self._open.add(thing)

    def let_go(self, thing: Closable) -> None:
        self._open.discard(thing)

    def _submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        if os.getpid() != self._pid:
            work.close()
            raise CallError(
                "This model was opened before the process forked.",
                hint="Call freehold.open() in the child process, or use the `spawn` start method.",
            )
        if self._ended:
            work.close()
            raise CallError("The interpreter is ending; nothing can be asked any more.")
        return asyncio.run_coroutine_threadsafe(work, self._running())

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="freehold", daemon=True).start()
                atexit.register(self._close_all)
            return self._loop

    def _close_all(self) -> None:
        if self._loop is None or os.getpid() != self._pid:
            return
        if self._open:
            closing = asyncio.run_coroutine_threadsafe(self._close_each(), self._loop)
            concurrent.futures.wait([closing], CLOSE_TIMEOUT_S)
        self._ended = True
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _close_each(self) -> None:
        await asyncio.gather(*(thing.close() for thing in tuple(self._open)), return_exceptions=True)


class Twin(Generic[C]):
    """A synchronous face of `inner`, whose coroutines run on `loop`. One that is forgotten is closed when it is
    collected, one that is still open when the interpreter ends is closed then."""

    def __init__(self, inner: C, loop: LoopThread) -> None:
        self._inner = inner
        self._loop = loop
        loop.keep(inner)
        self._forgotten = weakref.finalize(self, _close_forgotten, inner, loop)
        self._forgotten.atexit = False

    def __repr__(self) -> str:
        return repr(self._inner).replace("<Async", "<", 1)

    def _closed(self) -> None:
        self._forgotten.detach()
        self._loop.let_go(self._inner)


def _close_forgotten(inner: Closable, loop: LoopThread) -> None:
    loop.let_go(inner)
    loop.run_later(inner.close())


_shared: LoopThread | None = None


def shared() -> LoopThread:
    """The process's one LoopThread; a forked child gets a new one."""
    global _shared
    if _shared is None or _shared._pid != os.getpid():
        _shared = LoopThread()
    return _shared
