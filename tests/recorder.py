"""A Progress that keeps what it is told."""

from __future__ import annotations


class Recorder:
    """Bytes done and total by task, the tasks finished, the lines of talk."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}
        self.totals: dict[str, int | None] = {}
        self.started: list[str] = []
        self.finished: list[str] = []
        self.notes: list[str] = []

    def start(self, task: str, *, total_bytes: int | None, done_bytes: int = 0) -> None:
        self.started.append(task)
        self.done[task], self.totals[task] = done_bytes, total_bytes

    def advance(self, task: str, nbytes: int) -> None:
        self.done[task] += nbytes

    def finish(self, task: str) -> None:
        self.finished.append(task)

    def note(self, text: str) -> None:
        self.notes.append(text)
