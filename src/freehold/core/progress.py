"""The progress display that shows nothing, for libraries and tests. The command line brings its own."""

from __future__ import annotations


class Silent:
    """A Progress that ignores what it is told."""

    def start(self, task: str, *, total_bytes: int | None, done_bytes: int = 0) -> None:
        del task, total_bytes, done_bytes

    def advance(self, task: str, nbytes: int) -> None:
        del task, nbytes

    def finish(self, task: str) -> None:
        del task

    def note(self, text: str) -> None:
        del text
