"""A cursor over an untrusted file: every read says how many bytes it needs and is refused beyond the end.

Nothing is allocated on the word of a length field: a length is compared with what the file still holds, the header as
a whole is bounded, and work is counted against a budget, so that no file costs more than a few seconds or megabytes.
"""

from __future__ import annotations

import os
import struct
from typing import Literal

from freehold.weights.checks import Findings, in_bytes

# The largest vocabularies in use come to under 0.8 million strings (tokens and merges together).
WORK_BUDGET = 2_000_000
# The largest headers in use come to some 40 MB, where a whole tokenizer is embedded as JSON.
MAX_HEADER_BYTES = 256 << 20
WINDOW_BYTES = 1 << 20

Order = Literal["little", "big"]


class Cursor:
    """Reads numbers and bytes of the file behind `descriptor`, which has `size_bytes`."""

    def __init__(self, descriptor: int, size_bytes: int, notes: Findings) -> None:
        self._descriptor = descriptor
        self._window = b""
        self._window_at = 0
        self._work_left = WORK_BUDGET
        self.size_bytes = size_bytes
        self.notes = notes
        self.position = 0
        self.order: Order = "little"

    @property
    def left_bytes(self) -> int:
        """How many bytes the file still holds after the cursor."""
        return self.size_bytes - self.position

    def need(self, nbytes: int, what: str, check: str = "gguf.header.truncated") -> None:
        """Stop where the file cannot hold `nbytes` more, which are `what`, or the header would be beyond its limit."""
        if nbytes > self.left_bytes:
            raise self.notes.stop(
                check,
                f"It is truncated or damaged: {what} at byte {self.position:,} needs {in_bytes(nbytes)}, and the file "
                f"of {in_bytes(self.size_bytes)} holds {self.left_bytes:,} more.",
                self.position,
            )
        if self.position + nbytes > MAX_HEADER_BYTES:
            raise self.notes.stop(
                "gguf.header.size",
                f"Its header goes on beyond {MAX_HEADER_BYTES:,} bytes, with {what}; no known model comes near.",
                self.position,
            )

    def spend(self, work: int) -> None:
        """Count `work` strings or arrays against the budget of the file."""
        self._work_left -= work
        if self._work_left < 0:
            raise self.notes.stop(
                "gguf.header.work",
                f"Its header has more than {WORK_BUDGET:,} strings and arrays; no known model comes near.",
                self.position,
            )

    def peek(self, nbytes: int) -> bytes:
        """Up to `nbytes` from here, fewer at the end of the file; the cursor stays."""
        nbytes = min(nbytes, self.left_bytes)
        skip = self.position - self._window_at
        if skip < 0 or skip + nbytes > len(self._window):
            wanted = min(max(nbytes, WINDOW_BYTES), self.left_bytes)
            self._window, self._window_at, skip = self._read(wanted), self.position, 0
        return self._window[skip : skip + nbytes]

    def take(self, nbytes: int, what: str, check: str = "gguf.header.truncated") -> bytes:
        """The next `nbytes`, which are `what`."""
        self.need(nbytes, what, check)
        data = self.peek(nbytes)
        self.position += nbytes
        return data

    def _read(self, nbytes: int) -> bytes:
        try:
            data = os.pread(self._descriptor, nbytes, self.position)
        except OSError as error:
            raise self.notes.stop("gguf.file.unreadable", f"It cannot be read: {error.strerror}.") from error
        if len(data) != nbytes:
            raise self.notes.stop("gguf.file.unreadable", "It became shorter while it was read.", self.position)
        return data

    def u32(self, what: str) -> int:
        return int.from_bytes(self.take(4, what), self.order)

    def u64(self, what: str) -> int:
        return int.from_bytes(self.take(8, what), self.order)

    @property
    def mark(self) -> str:
        """The byte order, as `struct` writes it."""
        return "<" if self.order == "little" else ">"

    def numbers(self, code: str, data: bytes) -> tuple[int | float, ...]:
        """The numbers in `data` by their `struct` code."""
        return struct.unpack(f"{self.mark}{len(data) // struct.calcsize('=' + code)}{code}", data)
