"""Reads a GGUF header, version 2 or 3, either byte order, without believing any count or length in it.

It stops where nothing after can be read (a length beyond the end) and notes and reads on where it can (a key twice).
What the values mean is judged elsewhere: `tensors`, `architecture`, `tokenizer`.

Source: the GGUF specification (ggml, docs/gguf.md); limits where it has none are in the constants below.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from freehold.weights.checks import in_bytes, quoted
from freehold.weights.gguf.cursor import Cursor, Order
from freehold.weights.gguf.tensors import Tensor, read_tensor
from freehold.weights.gguf.tokens import TokenTable
from freehold.weights.gguf.values import Entry, Reader
from freehold.weights.identify import LOOKED_AT_BYTES, describe

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_KEYS = 4096
MAX_KEY_BYTES = 65_535
MAX_TENSORS = 65_536
# A tensor's entry takes at least 24 bytes (lengths, type and place), a key's 14 (length, one byte, type, value).
LEAST_TENSOR_BYTES = 24
LEAST_KEY_BYTES = 14
# Hyphens are not in the specification and in the names of many architectures (gpt-oss, command-r).
_KEY = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class Header:
    """Everything before the tensor data that is judged later; it ends at byte `end`."""

    version: int
    order: Order
    keys: dict[str, Entry]
    tensors: tuple[Tensor, ...]
    tokens: TokenTable
    end: int


def read_header(cursor: Cursor, *, tokens: bool = True) -> Header:
    """The header at the start of the file. Raises Stopped where it cannot be read to its end. Without `tokens` the
    strings of the token table are passed by their lengths, and nothing in them is judged."""
    version = _begin(cursor)
    tensor_count = cursor.u64("the number of tensors")
    key_count = cursor.u64("the number of keys")
    _bound(cursor, "tensors", tensor_count, MAX_TENSORS, LEAST_TENSOR_BYTES)
    _bound(cursor, "keys", key_count, MAX_KEYS, LEAST_KEY_BYTES)
    table = TokenTable(cursor.notes, cursor.order)
    reader = Reader(cursor, table if tokens else None)
    keys: dict[str, Entry] = {}
    for number in range(key_count):
        _read_key(reader, keys, number)
    tensors = tuple(read_tensor(cursor) for _ in range(tensor_count))
    return Header(version, cursor.order, keys, tensors, table, cursor.position)


def _begin(cursor: Cursor) -> int:
    """Check the first eight bytes, set the cursor's byte order and give the version."""
    head = cursor.peek(LOOKED_AT_BYTES)
    if head[: len(MAGIC)] != MAGIC:
        raise cursor.notes.stop("gguf.magic", f"It is not a GGUF weight file. It is {describe(head)}.", 0)
    cursor.position = len(MAGIC)
    raw = cursor.take(4, "the version")
    little, big = int.from_bytes(raw, "little"), int.from_bytes(raw, "big")
    if big in VERSIONS:
        cursor.order = "big"
        cursor.notes.add(
            "gguf.byte_order",
            "It is a big-endian GGUF, which the engines here do not read; its checks are the same.",
            4,
        )
    elif 1 in (little, big):
        raise cursor.notes.stop("gguf.version.old", "It is a GGUF of version 1, which no engine reads any more.", 4)
    elif little not in VERSIONS:
        raise cursor.notes.stop(
            "gguf.version.unknown", f"It is a GGUF of version {little}; versions 2 and 3 are known.", 4
        )
    return int.from_bytes(raw, cursor.order)


def _bound(cursor: Cursor, what: str, count: int, limit: int, least_bytes: int) -> None:
    if count > limit or count * least_bytes > cursor.left_bytes:
        raise cursor.notes.stop(
            f"gguf.count.{what}",
            f"It says it has {count:,} {what}; {limit:,} is the limit, and less in {cursor.size_bytes:,} bytes.",
            8,
        )


def _read_key(reader: Reader, keys: dict[str, Entry], number: int) -> None:
    cursor, notes = reader.cursor, reader.cursor.notes
    at = cursor.position
    name = _key_name(reader, number)
    entry = reader.value(name, cursor.u32(f"the type of {name!r}"))
    if name in keys:
        notes.add("gguf.key.duplicate", f"It has the key {name!r} twice.", at)
        return
    keys[name] = entry


def _key_name(reader: Reader, number: int) -> str:
    cursor, notes = reader.cursor, reader.cursor.notes
    at = cursor.position
    length = cursor.u64("the length of a key's name")
    raw = cursor.take(length, f"the name of key {number}", "gguf.string.length")
    if not 1 <= length <= MAX_KEY_BYTES:
        notes.add(
            "gguf.key.length",
            f"It has a key with a name of {in_bytes(length)}; 1 to {MAX_KEY_BYTES:,} are allowed.",
            at,
        )
        return f"(key {number})"
    reader.keep(length)
    name = raw.decode("latin-1")
    if not (name.isascii() and name.isprintable()):
        notes.add("gguf.key.ascii", f"It has a key named {quoted(raw[:64])}, which is not printable ASCII.", at)
    elif not _KEY.fullmatch(name):
        notes.add("gguf.key.name", f"It has a key named {name[:64]!r}; keys are lower case in dotted parts.", at)
    return name
