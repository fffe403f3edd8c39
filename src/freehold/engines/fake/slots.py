"""The slots of a fake engine: as many as it was told, which requests wait for in the order in which they came, or one
more for every answer that is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from freehold.engines.http.connection import Delivery

SLOTS_SHOWN = 4


class Slots:
    """`busy` is what /slots shows."""

    def __init__(self, most: int | None) -> None:
        self.busy = [False] * (most or SLOTS_SHOWN)
        self._most = most
        self._waiting: deque[Slotted] = deque()

    def enter(self, delivery: Slotted) -> None:
        self._waiting.append(delivery)
        self._advance()

    def leave(self, delivery: Slotted) -> None:
        """It does not want to begin any more; does nothing where it does not wait."""
        if delivery in self._waiting:
            self._waiting.remove(delivery)
            self._advance()

    def give_back(self, taken: list[int]) -> None:
        for index in taken:
            self.busy[index] = False
        self._advance()

    def _advance(self) -> None:
        while self._waiting and (taken := self._take(self._waiting[0].count)):
            self._waiting.popleft().begin(taken)

    def _take(self, count: int) -> list[int]:
        """So many slots, or none."""
        count = min(count, self._most or count)
        free = [index for index, busy in enumerate(self.busy) if not busy][:count]
        if len(free) < count and self._most is not None:
            return []
        new = range(len(self.busy), len(self.busy) + count - len(free))
        self.busy += [False] * len(new)
        taken = [*free, *new]
        for index in taken:
            self.busy[index] = True
        return taken


class Slotted:
    """A delivery that starts when `count` slots are its own; `make` is given what to call when it has ended."""

    def __init__(self, slots: Slots, count: int, make: Callable[[Callable[[], None]], Delivery]) -> None:
        self.count = count
        self._slots = slots
        self._delivery = make(self._end)
        self._taken: list[int] = []

    def start(self) -> None:
        self._slots.enter(self)

    def begin(self, taken: list[int]) -> None:
        """Called by the slots."""
        self._taken = taken
        self._delivery.start()

    def pause(self) -> None:
        if self._taken:
            self._delivery.pause()

    def resume(self) -> None:
        if self._taken:
            self._delivery.resume()

    def stop(self) -> None:
        if self._taken:
            self._delivery.stop()
        else:
            self._slots.leave(self)

    def _end(self) -> None:
        self._slots.give_back(self._taken)
