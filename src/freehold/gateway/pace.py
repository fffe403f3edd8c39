"""How long the answers under way rest between two readings: in a full house everybody is served a little coarser, so
that nobody is served late.

An event costs a reading, a turn of its task and a write, however little it carries. Where the event loop cannot do that
for every event any more its turns grow long, and who comes new waits several of them for the first event. Then answers
rest: what their engines send meanwhile waits in the sockets and goes on in one piece. How long they rest is found by
looking at the loop: it grows while timers come late and shrinks while they do not. In a house that keeps up nobody
rests.
"""

from __future__ import annotations

import asyncio
import time

LOOK_EVERY_S = 0.01
LATE_S = 0.008
CROWD = 32
"""Fewer answers cost the loop little: where it is late with them, others have the processor, and rest gives nothing."""
REST_S = (0.02, 0.1)
"""The shortest rest, which is about an event's distance for who reads along, and the longest, which nobody sees."""
_GROWS, _SHRINKS = 2.0, 0.95


class Pace:
    """`rest_s` is how long an answer may rest before it is read on; 0 in a house that keeps up."""

    def __init__(self) -> None:
        self.rest_s = 0.0
        self._under_way = 0
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0

    def begin(self) -> None:
        """One more answer is under way."""
        self._under_way += 1
        if self._timer is None and self._under_way >= CROWD:
            self._look_again()

    def end(self) -> None:
        """One answer less; nothing is looked at where there are few."""
        self._under_way -= 1

    def _look_again(self) -> None:
        self._due_s = time.perf_counter() + LOOK_EVERY_S
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        if self._under_way < CROWD:
            self._timer, self.rest_s = None, 0.0
            return
        self.rest_s = controlled(self.rest_s, time.perf_counter() - self._due_s)
        self._look_again()


def controlled(rest_s: float, late_s: float) -> float:
    """The next rest, after one of `rest_s` with which a timer came `late_s` late."""
    shortest_s, longest_s = REST_S
    if late_s > LATE_S:
        return min(longest_s, max(shortest_s, rest_s * _GROWS))
    return rest_s * _SHRINKS if rest_s * _SHRINKS >= shortest_s else 0.0
