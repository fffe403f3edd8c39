"""Whether other programs had the processor while something was timed: what Linux counts of every thread of ours that
was ready to run and had to wait.

The engine's threads wait for each other after every operation, so one that was put aside for 4 ms makes all of them
stand still; such a window says nothing of the machine. Elsewhere than on Linux nothing is counted, and every window
counts as undisturbed. Source: Linux, Documentation/scheduler/sched-stats.rst, "/proc/<pid>/schedstat".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ENOUGH_WAITED = 0.02
"""A window is disturbed where a thread that works waited for more than this share of it."""
WORKS = 0.1
"""A thread works that ran, or would have run, for this share of a window: those that serve HTTP do not count."""


@dataclass(frozen=True, slots=True)
class Window:
    """One timing, in seconds, and for what share of it a thread that was ready did not run."""

    seconds: float
    waited_share: float

    @property
    def disturbed(self) -> bool:
        return self.waited_share > ENOUGH_WAITED


@dataclass(frozen=True, slots=True)
class Turns:
    """Seconds that a thread has run, and that it has waited for a processor, since it began."""

    ran_s: float
    waited_s: float


class Watch:
    """Watches the threads of a process from when it is made to `waited_share`."""

    def __init__(self, process: Path = Path("/proc/self")) -> None:
        self._process = process
        self._before = turns(process)
        self._began = time.perf_counter()

    def waited_share(self) -> float:
        """Of the working thread that waited most; 0 where nobody counts it."""
        seconds = time.perf_counter() - self._began
        share = 0.0
        for thread, now in turns(self._process).items():
            before = self._before.get(thread, Turns(0.0, 0.0))
            ran, waited = now.ran_s - before.ran_s, now.waited_s - before.waited_s
            if ran + waited > WORKS * seconds:
                share = max(share, waited / seconds)
        return share


def timed(work: Callable[[], None], *, process: Path = Path("/proc/self")) -> Window:
    """Run `work` and time it; `process` is the one whose threads are watched."""
    watch, began = Watch(process), time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    return Window(seconds, watch.waited_share())


def turns(process: Path) -> dict[str, Turns]:
    """Of each thread of `process`, by its number; empty where nobody counts them."""
    found = {}
    for file in process.glob("task/*/schedstat"):
        try:
            ran_ns, waited_ns, _ = file.read_text().split()
            found[file.parent.name] = Turns(int(ran_ns) / 1e9, int(waited_ns) / 1e9)
        except (OSError, ValueError):
            continue  # a thread that has just ended
    return found
