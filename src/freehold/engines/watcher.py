"""Who is told of the processes that a house starts: which, under which lock, from when to when, and what they tried."""

from __future__ import annotations

from typing import Protocol

from freehold.engines.attempts import Tally


class Watcher(Protocol):
    """Told at once, in the order in which things happen, from the event loop's thread. Raises nothing."""

    def began(self, process: str, pid: int, tally: Tally) -> None:
        """A process was started; `tally` goes on counting what it is refused."""

    def locked(self, pid: int, lock: str) -> None:
        """It said which lock it runs under, before it opened anything that is not ours."""

    def tried(self, pid: int) -> None:
        """Its tally has a new kind of attempt."""

    def ended(self, pid: int, how: str) -> None: ...
