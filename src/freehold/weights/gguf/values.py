"""The values of a header's keys: numbers, truth values, texts and arrays, each with its length checked first.

Kept are numbers, short arrays, and the texts that somebody asks for (`general.*`, chat templates); the token table is
looked at while it passes. Everything else is checked and let go, so that no file fills the memory.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from freehold.weights.gguf.cursor import WINDOW_BYTES, Cursor
from freehold.weights.gguf.tokens import TokenTable

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
# Value type -> (struct code, bytes): specification, enum gguf_metadata_value_type. A truth value is read as a number.
NUMBERS: dict[int, tuple[str, int]] = {
    U8: ("B", 1),
    I8: ("b", 1),
    U16: ("H", 2),
    I16: ("h", 2),
    U32: ("I", 4),
    I32: ("i", 4),
    F32: ("f", 4),
    BOOL: ("B", 1),
    U64: ("Q", 8),
    I64: ("q", 8),
    F64: ("d", 8),
}
INTEGERS = frozenset({U8, I8, U16, I16, U32, I32, U64, I64})
FLOATS = frozenset({F32, F64})

MAX_DEPTH = 4
MAX_KEPT_ITEMS = 4096
MAX_TEXT_BYTES = 1 << 20
MAX_KEPT_BYTES = 16 << 20
MAX_NUMBERS_BYTES = 16 << 20
MAX_ITEM_BYTES = WINDOW_BYTES - 8
# An array inside an array costs as much time as this many strings.
_NESTED_WORK = 10
# What a kept number takes in memory.
_NUMBER_BYTES = 40
# So much of a token table is passed at a time.
_STEP_BYTES = 1 << 16
_KEPT = ("general.", "quantize.", "tokenizer.chat_template", "tokenizer.ggml.model", "tokenizer.ggml.pre")

Number = int | float


@dataclass(frozen=True, slots=True)
class Array:
    """An array of `length` items of type `kind`; the items where they are few. `head`: the first 4 bytes of numbers."""

    kind: int
    length: int
    numbers: tuple[Number, ...] | None = None
    texts: tuple[str, ...] | None = None
    head: bytes = b""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key's value and its type. A text that was not kept is None."""

    kind: int
    value: Number | str | Array | None


class Reader:
    """Reads values at `cursor`; `tokens` sees the token table pass, None where nobody looks at it."""

    def __init__(self, cursor: Cursor, tokens: TokenTable | None) -> None:
        self.cursor = cursor
        self._tokens = tokens
        self._kept_bytes = 0

    def keep(self, nbytes: int) -> None:
        """Count bytes that stay in memory."""
        self._kept_bytes += nbytes
        if self._kept_bytes > MAX_KEPT_BYTES:
            message = f"Its keys and texts come to more than {MAX_KEPT_BYTES:,} bytes; no known model comes near."
            raise self.cursor.notes.stop("gguf.header.size", message, self.cursor.position)

    def value(self, key: str, kind: int) -> Entry:
        """The value of `key`, of the type that was read before it."""
        if kind in NUMBERS:
            return Entry(kind, self._number(key, kind))
        if kind == STRING:
            return Entry(kind, self._text(key))
        if kind == ARRAY:
            return Entry(kind, self._array(key, 1))
        raise self.cursor.notes.stop(
            "gguf.value.type", f"It has the key {key!r} with a value of unknown type {kind}.", self.cursor.position - 4
        )

    def _number(self, key: str, kind: int) -> Number:
        code, nbytes = NUMBERS[kind]
        data = self.cursor.take(nbytes, f"the value of {key!r}")
        if kind == BOOL:
            self._check_bools(key, data)
            return bool(data[0])
        return self.cursor.numbers(code, data)[0]

    def _check_bools(self, key: str, data: bytes) -> None:
        wrong = data.translate(None, b"\0\1")
        if wrong:
            message = f"It has {wrong[0]} as a truth value of {key!r}; only 0 and 1 are allowed."
            self.cursor.notes.add("gguf.value.bool", message, self.cursor.position - len(data))

    def _text(self, key: str) -> str | None:
        cursor, notes, at = self.cursor, self.cursor.notes, self.cursor.position
        length = cursor.u64(f"the length of {key!r}")
        cursor.need(length, f"the value of {key!r}", "gguf.string.length")
        if not key.startswith(_KEPT):
            self._pass_text(key, length)
            return None
        if length > MAX_TEXT_BYTES:
            notes.add("gguf.string.long", f"It has a {key} of {length:,} bytes; {MAX_TEXT_BYTES:,} is the limit.", at)
            self._pass_text(key, length)
            return None
        self.keep(length)
        raw = cursor.take(length, f"the value of {key!r}")
        if b"\0" in raw:
            notes.add("gguf.string.nul", f"The value of {key} has a zero byte at {raw.index(0):,}.", at)
        return self._decoded(key, raw, at)

    def _decoded(self, key: str, raw: bytes, at: int) -> str | None:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            message = f"The value of {key!r} is not UTF-8 from its byte {error.start:,} on."
            self.cursor.notes.add("gguf.string.utf8", message, at)
            return None

    def _pass_text(self, key: str, length: int) -> None:
        decoder, at = codecs.getincrementaldecoder("utf-8")(), self.cursor.position
        end = at + length
        while self.cursor.position < end:
            block = self.cursor.take(min(WINDOW_BYTES, end - self.cursor.position), f"the value of {key!r}")
            try:
                decoder.decode(block, final=self.cursor.position == end)
            except UnicodeDecodeError:
                self.cursor.notes.add("gguf.string.utf8", f"The value of {key!r} is not UTF-8.", at)
                self.cursor.position = end

    def _array(self, key: str, depth: int) -> Array:
        cursor, at = self.cursor, self.cursor.position
        kind = cursor.u32(f"the item type of {key!r}")
        length = cursor.u64(f"the number of items of {key!r}")
        if kind in NUMBERS:
            return self._numbers(key, kind, length)
        if kind == STRING:
            return self._texts(key, length)
        if kind == ARRAY:
            return self._arrays(key, length, depth)
        message = f"It has the array {key!r} with items of unknown type {kind}."
        raise cursor.notes.stop("gguf.array.type", message, at)

    def _arrays(self, key: str, length: int, depth: int) -> Array:
        cursor = self.cursor
        if depth == MAX_DEPTH:
            message = f"It has arrays inside the array {key!r}, more than {MAX_DEPTH} deep."
            raise cursor.notes.stop("gguf.array.depth", message, cursor.position)
        if depth == 1:
            message = f"It has arrays inside the array {key!r}, which no engine reads."
            cursor.notes.add("gguf.array.nested", message, cursor.position)
        cursor.need(length * 12, f"{length:,} arrays in {key!r}", "gguf.array.length")
        cursor.spend(length * _NESTED_WORK)
        for _ in range(length):
            self._array("(an array inside another)", depth + 1)
        return Array(ARRAY, length)

    def _numbers(self, key: str, kind: int, length: int) -> Array:
        cursor = self.cursor
        code, item_bytes = NUMBERS[kind]
        nbytes = length * item_bytes
        cursor.need(nbytes, f"{length:,} items of {key!r}", "gguf.array.length")
        if nbytes > MAX_NUMBERS_BYTES:
            message = f"It has the array {key!r} of {nbytes:,} bytes; {MAX_NUMBERS_BYTES:,} is the limit."
            raise cursor.notes.stop("gguf.array.long", message, cursor.position)
        head = cursor.peek(min(4, nbytes))
        watched = kind == BOOL or (self._tokens is not None and self._tokens.watches(key))
        if not watched and length > MAX_KEPT_ITEMS:
            cursor.position += nbytes
            return Array(kind, length, head=head)
        data = cursor.take(nbytes, f"{length:,} items of {key!r}")
        if kind == BOOL:
            self._check_bools(key, data)
        if self._tokens is not None:
            self._tokens.numbers(key, data)
        numbers = cursor.numbers(code, data) if length <= MAX_KEPT_ITEMS else None
        if numbers:
            self.keep(_NUMBER_BYTES * len(numbers))
        return Array(kind, length, numbers, head=head)

    def _texts(self, key: str, length: int) -> Array:
        cursor = self.cursor
        cursor.need(length * 8, f"{length:,} strings of {key!r}", "gguf.array.length")
        cursor.spend(length)
        kept: list[str] | None = [] if key.startswith("general.") and length <= MAX_KEPT_ITEMS else None
        if self._tokens is None and kept is None:
            self._pass_texts(key, length)
            return Array(STRING, length)
        watcher = self._tokens.watcher(key) if self._tokens is not None else None
        for batch in self._batches(key, length):
            if watcher is None:
                self._check_texts(key, batch)
            else:
                watcher(batch)
            if kept is not None:
                self.keep(sum(map(len, batch)))
                kept += [item.decode("utf-8", "replace") for item in batch]
        return Array(STRING, length, texts=None if kept is None else tuple(kept))

    def _pass_texts(self, key: str, length: int) -> None:
        """Go on behind the strings of an array, by their lengths alone."""
        cursor = self.cursor
        while length:
            passed, nbytes = _passed(cursor.peek(_STEP_BYTES), length, cursor.mark)
            if not passed:  # one that is longer than a step
                passed, nbytes = _passed(cursor.peek(WINDOW_BYTES), length, cursor.mark)
            if passed:
                cursor.need(nbytes, f"strings of {key!r}")
                cursor.position += nbytes
            else:
                self._long_item(key)
            length -= passed or 1

    def _check_texts(self, key: str, batch: list[bytes]) -> None:
        try:
            b"\n".join(batch).decode("utf-8")
        except UnicodeDecodeError:
            message = f"It has a string in {key!r} that is not UTF-8."
            self.cursor.notes.add("gguf.string.utf8", message, self.cursor.position)

    def _batches(self, key: str, length: int) -> Iterator[list[bytes]]:
        """The strings of an array, many at a time: those that lie whole in one window of the file."""
        cursor = self.cursor
        length_at = struct.Struct(f"{cursor.mark}Q").unpack_from
        while length:
            block = cursor.peek(WINDOW_BYTES)
            batch, nbytes = _whole(block, length, length_at)
            if batch:
                cursor.need(nbytes, f"strings of {key!r}")
                cursor.position += nbytes
            else:
                batch = [self._long_item(key)]
            length -= len(batch)
            yield batch

    def _long_item(self, key: str) -> bytes:
        """Pass a string that is longer than a window, or than the file. What comes back stands in its place."""
        cursor, at = self.cursor, self.cursor.position
        nbytes = cursor.u64(f"the length of a string of {key!r}")
        cursor.need(nbytes, f"a string of {key!r}", "gguf.string.length")
        message = f"It has a string of {nbytes:,} bytes in {key!r}; {MAX_ITEM_BYTES:,} is the limit."
        cursor.notes.add("gguf.array.item", message, at)
        cursor.position += nbytes
        return b""


@lru_cache(maxsize=128)
def _passed(block: bytes, most: int, mark: str) -> tuple[int, int]:
    """How many strings are whole in `block`, at most `most`, and how many bytes they take with their lengths.

    All builds of a model have one table of tokens, most of a header: its bytes are walked once, and known again.
    """
    length_at = struct.Struct(f"{mark}Q").unpack_from
    at, size = 0, len(block)
    last = size - 8
    for number in range(most):
        if at > last:
            return number, at
        end = at + 8 + length_at(block, at)[0]
        if end > size:
            return number, at
        at = end
    return most, at


def _whole(block: bytes, most: int, length_at: Callable[[bytes, int], tuple[int]]) -> tuple[list[bytes], int]:
    """The strings that are whole in `block`, at most `most`, and how many bytes they take with their lengths.

    Hundreds of thousands of strings pass here; nothing is called for each of them but `length_at`.
    """
    items: list[bytes] = []
    keep = items.append
    at, size = 0, len(block)
    last = size - 8
    for _ in range(most):
        if at > last:
            break
        start = at + 8
        end = start + length_at(block, at)[0]
        if end > size:
            break
        keep(block[start:end])
        at = end
    return items, at
