"""One request in the line of a worker: what it asks of the line, and what has become of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from freehold.gateway.access.key import Priority

State = Literal["new", "waiting", "at work", "ended", "gone", "full", "slow"]
"""`gone`: it left before its turn, or its turn came too late. `full` and `slow`: it was turned away, because no place
was left, or because its turn was not to be expected in time."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a caller wants to be served. `deadline_at` is when nobody needs the answer any more, by `time.perf_counter`.
    One who is `patient` is never turned away: work of this process itself."""

    priority: Priority = "interactive"
    deadline_at: float = math.inf
    patient: bool = False


@dataclass(eq=False, slots=True)
class Ticket:
    """`key` is whose it is, None where none was needed; `width` how many slots it takes, `latest_s` the last moment at
    which it may begin, infinite for one that waits whatever comes, `due_s` when it should have ended. The rest is kept
    by the line: since when it is waiting or at work, the wait that was expected of a slow one, the slots it has, the
    slot seconds it was charged."""

    key: str | None
    priority: Priority = "interactive"
    width: int = 1
    latest_s: float = math.inf
    due_s: float = math.inf
    state: State = "new"
    since_s: float = 0.0
    expected_s: float = 0.0
    taken: int = 0
    charged_s: float = 0.0

    @property
    def is_patient(self) -> bool:
        """It waits whatever comes, and nobody takes its place."""
        return self.latest_s == math.inf

    @property
    def is_at_work(self) -> bool:
        return self.state == "at work"
