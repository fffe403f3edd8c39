"""Reads a GGUF header, version 2 or 3, little-endian, without believing any count or length in it.

What it checks: magic, version, counts, string lengths, value types, duplicate keys, tensor names, shapes, types,
alignment, that every tensor lies inside the file and that no two overlap. What it does not: the tensors'
numbers, whether an engine knows the architecture, whether shapes fit it. Nested arrays, which the
format allows and no engine reads, are refused.

Source: the GGUF specification (ggml, docs/gguf.md); limits where it has none are in the constants below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from freehold.core.errors import WeightsError
from freehold.weights.gguf.cursor import Cursor
from freehold.weights.gguf.tensor_types import TENSOR_TYPES, TensorType

MAGIC = b"GGUF"
VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32
MAX_KEYS = 4096
MAX_KEY_BYTES = 1024
MAX_TENSORS = 65_536
MAX_TENSOR_NAME_BYTES = 256
MAX_DIMENSIONS = 4
MAX_WEIGHTS = 2**50
MAX_KEPT_TEXT_BYTES = 1 << 20
MAX_KEPT_NUMBERS = 4096
MAX_ALIGNMENT = 1 << 20

Number = int | float | bool

_STRING, _ARRAY, _BOOL = 8, 9, 7
# Value type -> (struct code, bytes): specification, enum gguf_metadata_value_type.
_NUMBERS: dict[int, tuple[str, int]] = {
    0: ("B", 1),
    1: ("b", 1),
    2: ("H", 2),
    3: ("h", 2),
    4: ("I", 4),
    5: ("i", 4),
    6: ("f", 4),
    _BOOL: ("?", 1),
    10: ("Q", 8),
    11: ("q", 8),
    12: ("d", 8),
}
# Texts are kept only for the keys that are asked for, so that a file cannot fill the memory with others.
_KEPT_TEXTS = frozenset({"general.architecture", "general.name", "tokenizer.chat_template"})


@dataclass(frozen=True, slots=True)
class Array:
    """An array of the header: how many items, and the items where they are few numbers (else None)."""

    length: int
    numbers: tuple[Number, ...] | None


Value = Number | str | Array


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: `shape` fastest dimension first, `offset` in bytes from the start of the tensor data."""

    name: str
    shape: tuple[int, ...]
    type: TensorType
    offset: int

    @property
    def weights(self) -> int:
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        return self.weights // self.type.block_weights * self.type.block_bytes


@dataclass(frozen=True, slots=True)
class Header:
    """Everything before the tensor data that was asked for. Texts that nobody asks for are not kept."""

    version: int
    values: dict[str, Value]
    tensors: tuple[Tensor, ...]


def read_header(cursor: Cursor) -> Header:
    """The checked header at the cursor, which stands after the magic. Raises WeightsError."""
    version = _version(cursor)
    tensor_count = cursor.u64("the number of tensors")
    key_count = cursor.u64("the number of keys")
    # A tensor's entry takes at least 33 bytes (name of one byte, one dimension), a key's 14.
    _within(cursor, "tensors", tensor_count, MAX_TENSORS, 33)
    _within(cursor, "keys", key_count, MAX_KEYS, 14)
    values: dict[str, Value] = {}
    for _ in range(key_count):
        key = cursor.text(MAX_KEY_BYTES, "the name of a key")
        if key in values:
            raise cursor.wrong(f"has the key {key!r} twice")
        values[key] = _value(cursor, key)
    tensors = tuple(_tensor(cursor) for _ in range(tensor_count))
    _check_layout(cursor, tensors, _alignment(cursor, values))
    return Header(version, values, tensors)


def _version(cursor: Cursor) -> int:
    version = cursor.u32("the version")
    if version in VERSIONS:
        return version
    if version & 0xFFFF == 0 and version:
        raise cursor.wrong("is a big-endian GGUF, which the engines here do not read; convert it to little-endian")
    if version == 1:
        raise cursor.wrong("is a GGUF of version 1, which no engine reads any more; convert it again")
    raise cursor.wrong(f"is a GGUF of version {version}; versions 2 and 3 are known")


def _within(cursor: Cursor, what: str, count: int, limit: int, least_bytes: int) -> None:
    if count > limit or count * least_bytes > cursor.left_bytes:
        raise cursor.wrong(
            f"says it has {count:,} {what}; a file of {cursor.size_bytes:,} bytes cannot, and {limit:,} is the limit",
            size_bytes=cursor.size_bytes,
        )


def _value(cursor: Cursor, key: str) -> Value:
    kind = cursor.u32(f"the type of {key!r}")
    if kind in _NUMBERS:
        return cursor.number(*_NUMBERS[kind], f"the value of {key!r}")
    if kind == _STRING:
        if key in _KEPT_TEXTS:
            return cursor.text(MAX_KEPT_TEXT_BYTES, f"the value of {key!r}")
        return _skip_text(cursor, key)
    if kind == _ARRAY:
        return _array(cursor, key)
    raise cursor.wrong(f"has the key {key!r} with a value of unknown type {kind}")


def _skip_text(cursor: Cursor, key: str) -> str:
    cursor.skip(cursor.u64(f"the length of {key!r}"), f"the value of {key!r}")
    return ""


def _array(cursor: Cursor, key: str) -> Array:
    kind = cursor.u32(f"the item type of {key!r}")
    length = cursor.u64(f"the number of items of {key!r}")
    if kind in _NUMBERS:
        return _number_array(cursor, key, kind, length)
    if kind == _STRING:
        cursor.need(length * 8, f"{length:,} strings of {key!r}")
        for _ in range(length):
            _skip_text(cursor, key)
        return Array(length, None)
    if kind == _ARRAY:
        raise cursor.wrong(f"has arrays inside the array {key!r}, which no engine reads")
    raise cursor.wrong(f"has the array {key!r} with items of unknown type {kind}")


def _number_array(cursor: Cursor, key: str, kind: int, length: int) -> Array:
    code, item_bytes = _NUMBERS[kind]
    if length > MAX_KEPT_NUMBERS:
        cursor.skip(length * item_bytes, f"{length:,} items of {key!r}")
        return Array(length, None)
    return Array(length, tuple(cursor.number(code, item_bytes, f"an item of {key!r}") for _ in range(length)))


def _tensor(cursor: Cursor) -> Tensor:
    name = cursor.text(MAX_TENSOR_NAME_BYTES, "the name of a tensor")
    what = f"the entry of tensor {name!r}"
    dimensions = cursor.u32(what)
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise cursor.wrong(f"has the tensor {name!r} with {dimensions:,} dimensions; 1 to {MAX_DIMENSIONS} are known")
    shape = tuple(cursor.u64(what) for _ in range(dimensions))
    kind = TENSOR_TYPES.get(number := cursor.u32(what))
    if kind is None:
        raise cursor.wrong(f"has the tensor {name!r} of type {number}, which this version of Freehold does not know")
    tensor = Tensor(name, shape, kind, cursor.u64(what))
    if not 1 <= tensor.weights <= MAX_WEIGHTS:
        raise cursor.wrong(f"has the tensor {name!r} of the impossible shape {shape}")
    if shape[0] % kind.block_weights:
        raise cursor.wrong(f"has the tensor {name!r} of {kind.name} with rows of {shape[0]}, not whole blocks")
    return tensor


def _alignment(cursor: Cursor, values: dict[str, Value]) -> int:
    found = values.get("general.alignment", DEFAULT_ALIGNMENT)
    if (
        isinstance(found, int)
        and not isinstance(found, bool)
        and 0 < found <= MAX_ALIGNMENT
        and not found & (found - 1)
    ):
        return found
    raise cursor.wrong("has a general.alignment that is not a power of two up to 1 MiB")


def _check_layout(cursor: Cursor, tensors: tuple[Tensor, ...], alignment: int) -> None:
    start = -(-cursor.position // alignment) * alignment
    end = 0
    names: set[str] = set()
    for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
        if tensor.name in names:
            raise cursor.wrong(f"has the tensor {tensor.name!r} twice")
        names.add(tensor.name)
        if tensor.offset % alignment:
            raise cursor.wrong(f"has the tensor {tensor.name!r} at a place that is not aligned to {alignment} bytes")
        if tensor.offset < end:
            raise cursor.wrong(f"has the tensor {tensor.name!r} inside another one")
        end = tensor.offset + tensor.size_bytes
    if start + end > cursor.size_bytes and tensors:
        raise _truncated(cursor, start + end)


def _truncated(cursor: Cursor, said_bytes: int) -> WeightsError:
    return cursor.wrong(
        f"is truncated: its header describes {said_bytes:,} bytes and it has {cursor.size_bytes:,}",
        needed_bytes=said_bytes,
        size_bytes=cursor.size_bytes,
    )
