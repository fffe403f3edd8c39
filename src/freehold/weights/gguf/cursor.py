"""A cursor over an untrusted file: every read says how many bytes it needs and is refused beyond the end.

Nothing is allocated on the word of a length field: a length is compared with what the file still holds, and
work is counted against a budget, so that no file costs more than a few seconds or megabytes.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from freehold.core.errors import WeightsError

# Tokens and merges of the largest vocabularies in use come to under one million strings.
STEP_BUDGET = 4_000_000


class Cursor:
    """Reads little-endian values of `file`, which has `size_bytes`. `name` is for messages."""

    def __init__(self, file: BinaryIO, size_bytes: int, name: str) -> None:
        self._file = file
        self.size_bytes = size_bytes
        self.name = name
        self.position = 0
        self._steps_left = STEP_BUDGET

    @property
    def left_bytes(self) -> int:
        """How many bytes the file still holds after the cursor."""
        return self.size_bytes - self.position

    def take(self, nbytes: int, what: str) -> bytes:
        """The next `nbytes`, which are `what`. Raises WeightsError where the file ends before."""
        self.need(nbytes, what)
        data = self._file.read(nbytes)
        if len(data) != nbytes:
            raise self.wrong("became shorter while it was read")
        self.position += nbytes
        return data

    def skip(self, nbytes: int, what: str) -> None:
        """Pass over `nbytes` without reading them."""
        self.need(nbytes, what)
        self._file.seek(nbytes, 1)
        self.position += nbytes

    def need(self, nbytes: int, what: str) -> None:
        """Refuse at once what the file cannot hold; costs one unit of the budget."""
        self._steps_left -= 1
        if self._steps_left < 0:
            raise self.wrong(f"has a header of more than {STEP_BUDGET:,} entries; no known model comes near")
        if nbytes > self.left_bytes:
            raise self.wrong(
                f"is truncated or damaged: {what} at byte {self.position:,} needs {nbytes:,} bytes "
                f"and the file of {self.size_bytes:,} bytes holds {self.left_bytes:,} more",
                needed_bytes=nbytes,
                size_bytes=self.size_bytes,
            )

    def u32(self, what: str) -> int:
        return int.from_bytes(self.take(4, what), "little")

    def u64(self, what: str) -> int:
        return int.from_bytes(self.take(8, what), "little")

    def number(self, code: str, nbytes: int, what: str) -> int | float | bool:
        """One value of struct format `code`, little-endian."""
        value: int | float | bool = struct.unpack("<" + code, self.take(nbytes, what))[0]
        return value

    def text(self, limit_bytes: int, what: str) -> str:
        """A string with its length before it. Raises WeightsError over the limit and for what is not UTF-8."""
        length = self.u64(f"the length of {what}")
        self.need(length, what)
        if length > limit_bytes:
            raise self.wrong(f"has {what} of {length:,} bytes; more than {limit_bytes:,} is refused")
        try:
            return self.take(length, what).decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.wrong(f"has {what} that is not UTF-8") from error

    def wrong(self, what: str, **data: int) -> WeightsError:
        """The error that says `what` of this file."""
        return WeightsError(
            f"{self.name} {what}.",
            hint="Pull it again; if that does not help, the file was published damaged.",
            file=self.name,
            **data,
        )
