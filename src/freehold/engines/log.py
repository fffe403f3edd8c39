"""What a worker writes, kept on disk within bounds, and its last lines in memory for error messages.

Two files of at most 1 MiB each per worker. A prompt must never be in them: llama.cpp, for one, prints a grammar or
schema that it cannot read, so once a worker serves, only lines that match its program's pattern are kept. Houses that
share a home share the files: lines may then interleave. Where no file can be had, as in a read-only home, the worker
runs all the same and its last lines are in memory alone.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
from collections import deque
from pathlib import Path

LIMIT_BYTES = 1024 * 1024
TAIL_LINES = 40
LINE_LIMIT_BYTES = 4096

_log = logging.getLogger(__name__)


def log_name(engine: str, build: str) -> str:
    """A file name that says which worker it is; the hash keeps names apart that differ in odd characters only."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", build)[:80].strip("-.")
    return f"{engine}-{readable}-{hashlib.sha256(build.encode()).hexdigest()[:6]}.log"


class WorkerLog:
    """Append-only, rotated once: `x.log` and `x.log.1`, readable by their owner alone."""

    def __init__(self, path: Path, *, beside: str | None = None) -> None:
        """`beside` is a pattern of lines that the file has and the tail has not."""
        self._path = path
        self._beside = re.compile(beside) if beside is not None else None
        self._in_memory: str | None = None
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._partial = b""
        self._only: re.Pattern[bytes] | None = None
        self._descriptor: int | None = None
        self._size_bytes = 0

    @property
    def path(self) -> Path | None:
        """The file; None where it could not be written and the log is in memory alone."""
        return None if self._in_memory else self._path

    @property
    def place(self) -> str:
        """Where to read it, as a sentence."""
        if self._in_memory:
            return f"Its log is in memory alone ({self._path.parent}: {self._in_memory})."
        return f"Its log is at {self._path}."

    def open(self) -> None:
        """Never fails: a worker answers without a log file too."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._open()
            self._in_memory = None
        except OSError as error:
            self._in_memory = error.strerror or str(error)
            _log.info("%s", self.place)

    def write(self, chunk: bytes) -> None:
        """Keep the lines that `chunk` completes. A full disk loses log lines, never the worker."""
        *lines, rest = (self._partial + chunk).split(b"\n")
        if len(rest) > LINE_LIMIT_BYTES:
            lines, rest = [*lines, rest], b""
        self._partial = rest
        for line in lines:
            self._keep(line[:LINE_LIMIT_BYTES])

    def serving(self, only: str | None) -> None:
        """From now on keep only lines that match the pattern `only`, from their start; None keeps all."""
        if only is not None:
            self._keep(b"(serving: from here on, only lines that cannot hold words of a request are kept)")
            self._only = re.compile(only.encode())

    def note(self, text: str) -> None:
        """A line of the house's own, beside what the worker writes."""
        self._put(f"(freehold: {text})".encode())

    def tail(self) -> str:
        """The last lines of the present start, at most 40."""
        return "\n".join(self._tail)

    def begin(self) -> None:
        """A new start: its tail must not show the lines of the one before."""
        self._only = None
        self._partial = b""
        self._keep(time.strftime("(started %Y-%m-%dT%H:%M:%SZ)", time.gmtime()).encode())
        self._tail.clear()

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _keep(self, line: bytes) -> None:
        if self._only is None or self._only.match(line):
            self._put(line)

    def _put(self, line: bytes) -> None:
        text = line.decode(errors="replace").strip()
        if text and not (self._beside and self._beside.search(text)):
            self._tail.append(text)
        if self._descriptor is None:
            return
        try:
            if self._size_bytes + len(line) > LIMIT_BYTES:
                self._rotate()
            self._size_bytes += os.write(self._descriptor, line + b"\n")
        except OSError as error:
            self._tail.append(f"(the log at {self._path} cannot be written: {error.strerror})")

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size_bytes = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        self.close()
        self._path.replace(self._path.with_name(self._path.name + ".1"))
        self._open()
