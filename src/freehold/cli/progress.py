"""How far a pull is: a moving bar at a terminal, plain lines elsewhere, nothing when quiet. Always on stderr.

Speed and time left are measured from what arrived in this run; where the size is unknown, so is the time left.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from freehold.cli.output import UNKNOWN, Output, clean, size
from freehold.core.ports import Progress

if TYPE_CHECKING:
    from rich.progress import TaskID

LINE_EVERY_S = 5.0


class Display(Progress, AbstractContextManager["Display"], Protocol):
    """A Progress that is on the screen between enter and exit."""


def display_for(output: Output) -> Display:
    """The display that suits where stderr goes."""
    if output.stderr_is_terminal and not output.quiet and not output.as_json:
        return Bars()
    return Lines(output)


class Lines:
    """One line at the start, at the end, and every few seconds in between; for logs and pipes."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._tasks: dict[str, _Task] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tasks.clear()

    def start(self, task: str, *, total_bytes: int | None, done_bytes: int = 0) -> None:
        now = time.monotonic()
        self._tasks[task] = _Task(total_bytes, done_bytes, done_bytes, now, now)
        here = "" if done_bytes == total_bytes else f"{size(done_bytes)} "
        already = f", {here}already here" if done_bytes else ""
        total = UNKNOWN + " size" if total_bytes is None else size(total_bytes)
        self._output.say(f"{task}: {total}{already}")

    def advance(self, task: str, nbytes: int) -> None:
        state = self._tasks[task]
        state.done_bytes += nbytes
        now = time.monotonic()
        if now - state.said_at >= LINE_EVERY_S:
            state.said_at = now
            self._output.say(f"{task}: {state.line(now)}")

    def finish(self, task: str) -> None:
        state = self._tasks.pop(task)
        if state.begun_bytes and state.begun_bytes == state.total_bytes:
            return  # all of it was here, which was said at the start
        self._output.say(f"{task}: {state.line(time.monotonic())}, done")

    def note(self, text: str) -> None:
        self._output.say(text)


@dataclass(slots=True)
class _Task:
    total_bytes: int | None
    begun_bytes: int
    done_bytes: int
    started_at: float
    said_at: float

    def line(self, now: float) -> str:
        speed = (self.done_bytes - self.begun_bytes) / max(now - self.started_at, 1e-9)
        if self.total_bytes is None:
            return f"{size(self.done_bytes)}, {size(speed)}/s, time left {UNKNOWN}"
        left_s = (self.total_bytes - self.done_bytes) / speed if speed > 0 else None
        left = UNKNOWN if left_s is None else f"{left_s:.0f} s"
        return f"{size(self.done_bytes)} of {size(self.total_bytes)}, {size(speed)}/s, time left {left}"


class Bars:
    """A bar per download with bytes, speed and time left, drawn by rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column

        whole = Column(no_wrap=True)
        columns = (
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, ratio=1)),
            BarColumn(bar_width=16, table_column=whole),
            DownloadColumn(table_column=whole),
            TransferSpeedColumn(table_column=whole),
            TimeRemainingColumn(table_column=whole),
        )
        self._bars = RichProgress(*columns, console=Console(stderr=True), expand=True)
        self._ids: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def start(self, task: str, *, total_bytes: int | None, done_bytes: int = 0) -> None:
        self._ids[task] = self._bars.add_task(clean(task), total=total_bytes, completed=done_bytes)

    def advance(self, task: str, nbytes: int) -> None:
        self._bars.advance(self._ids[task], nbytes)

    def finish(self, task: str) -> None:
        self._bars.stop_task(self._ids[task])

    def note(self, text: str) -> None:
        self._bars.console.print(clean(text), markup=False, highlight=False)
