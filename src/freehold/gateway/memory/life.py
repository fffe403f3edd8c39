"""What happened to models, kept for who asks later: the last of it, one line each."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Happening = Literal["loaded", "evicted", "idle", "unloaded", "failed", "set aside", "refused", "lost"]
KEPT = 200

_log = logging.getLogger("freehold.gateway")


@dataclass(frozen=True, slots=True)
class LifeEvent:
    """`at` is Unix time. `seconds` is how long a load took, `bytes` what was reserved for the model or set free by it;
    None where there is no such figure. `why` is a sentence, or empty."""

    at: float
    what: Happening
    build: str
    why: str = ""
    seconds: float | None = None
    bytes: int | None = None


@dataclass(slots=True)
class Life:
    """The events of one house. Those who `listen` hear each as it happens."""

    kept: deque[LifeEvent] = field(default_factory=lambda: deque(maxlen=KEPT))
    _listeners: list[Callable[[LifeEvent], None]] = field(default_factory=list)

    def listen(self, listener: Callable[[LifeEvent], None]) -> None:
        self._listeners.append(listener)

    def tell(
        self, what: Happening, build: str, why: str = "", *, seconds: float | None = None, size_bytes: int | None = None
    ) -> None:
        event = LifeEvent(time.time(), what, build, why, seconds, size_bytes)
        self.kept.append(event)
        _log.info("%s: %s. %s", build, what, why)
        for listener in self._listeners:
            listener(event)
