"""Reads of a GGUF file what its conversion is held against: keys, the types of tokens, and the blocks of its tensors.

It runs in the locked process that converts, on a file that `weights` has looked at. What it finds wrong all the same
makes it raise, which ends that process and nothing else.

Source: the GGUF specification (ggml, docs/gguf.md); blocks as ggml's `ggml-common.h` has them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from freehold.weights.tensor_types import TENSOR_TYPES

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_ALIGNMENT = 32
LOW_NIBBLE = 15


@dataclass(frozen=True, slots=True)
class Blocks:
    """A quantized tensor: `codes` (rows, blocks, weights of a block), and of every block `scale` and `minimum`, as
    float32. A weight is `code * scale + minimum`."""

    codes: Any
    scale: Any
    minimum: Any


class GgufParts:
    """The keys of a file (`keys`), and its tensors by name."""

    def __init__(self, path: Path) -> None:
        self._data = np.memmap(path, np.uint8, "r")
        self._header = memoryview(self._data)  # type: ignore[arg-type]  # numpy declares the protocol from Python 3.12 on
        self._at = 8
        tensors, keys = self._number("Q"), self._number("Q")
        self.keys: dict[str, Any] = {}
        for _ in range(keys):
            name = self._text()
            self.keys[name] = self._value(self._number("I"))
        self.tensors: dict[str, tuple[tuple[int, ...], str, int]] = dict(self._tensor() for _ in range(tensors))
        alignment = int(self.keys.get("general.alignment", _ALIGNMENT))
        self._start = -(-self._at // alignment) * alignment

    @property
    def architecture(self) -> str:
        return str(self.keys["general.architecture"])

    def number(self, key: str, default: int | None = None) -> int | None:
        """The whole number that the architecture has under `key`."""
        found = self.keys.get(f"{self.architecture}.{key}", default)
        return None if found is None else int(found)

    def blocks(self, name: str) -> Blocks | None:
        """The blocks of a tensor of a type that is looked into here, else None."""
        shape, kind, _ = self.tensors[name]
        reader = _READERS.get(kind)
        if reader is None or len(shape) != 2:
            return None
        found = reader(self._raw(name))
        rows = shape[1]
        return Blocks(*(part.reshape(rows, -1, part.shape[-1]) for part in (found.codes, found.scale, found.minimum)))

    def _raw(self, name: str) -> Any:
        """The bytes of a tensor, a row for each block of its type."""
        shape, kind, offset = self.tensors[name]
        sized = next(each for each in TENSOR_TYPES.values() if each.name == kind)
        count = int(np.prod(shape, dtype=np.int64)) // sized.block_weights
        start = self._start + offset
        return self._data[start : start + count * sized.block_bytes].reshape(count, sized.block_bytes)

    def _tensor(self) -> tuple[str, tuple[tuple[int, ...], str, int]]:
        name = self._text()
        shape = tuple(self._number("Q") for _ in range(self._number("I")))
        kind = TENSOR_TYPES[self._number("I")].name
        return name, (shape, kind, self._number("Q"))

    def _value(self, kind: int) -> Any:
        if kind in _NUMBERS:
            return self._number(_NUMBERS[kind])
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            raise ValueError(f"a value of the unknown type {kind}")
        items, count = self._number("I"), self._number("Q")
        return [self._value(items) for _ in range(count)]

    def _number(self, code: str) -> Any:
        size = struct.calcsize(f"<{code}")
        (value,) = struct.unpack_from(f"<{code}", self._header, self._at)
        self._at += size
        return value

    def _text(self) -> str:
        length = self._number("Q")
        raw = bytes(self._header[self._at : self._at + length])
        self._at += length
        return raw.decode("utf-8", "replace")


def _halves(raw: Any, start: int, count: int = 1) -> Any:
    """`count` 16-bit floats of every block, from byte `start` on, as float32."""
    return raw[:, start : start + 2 * count].copy().view(np.float16).astype(np.float32)


def _nibbles(raw: Any) -> Any:
    return np.concatenate([raw & LOW_NIBBLE, raw >> 4], axis=-1)


def _q4_0(raw: Any) -> Blocks:
    scale = _halves(raw, 0)
    return Blocks(_nibbles(raw[:, 2:]), scale, -8 * scale)


def _q4_1(raw: Any) -> Blocks:
    return Blocks(_nibbles(raw[:, 4:]), _halves(raw, 0), _halves(raw, 2))


def _q8_0(raw: Any) -> Blocks:
    scale = _halves(raw, 0)
    return Blocks(raw[:, 2:] ^ 128, scale, -128 * scale)


def _q4_k(raw: Any) -> Blocks:
    """A block of 256 holds eight of 32; their scales and minimums are six bits each in twelve bytes."""
    packed = raw[:, 4:16].astype(np.uint8)
    low, middle, high = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = np.concatenate([low & 63, (high & LOW_NIBBLE) | ((low >> 6) << 4)], axis=1)
    minimums = np.concatenate([middle & 63, (high >> 4) | ((middle >> 6) << 4)], axis=1)
    codes = _nibbles(raw[:, 16:].reshape(-1, 4, 32)).reshape(-1, 32)
    scale = (_halves(raw, 0) * scales).reshape(-1, 1)
    return Blocks(codes, scale, -(_halves(raw, 2) * minimums).reshape(-1, 1))


_READERS: Mapping[str, Any] = {"Q4_0": _q4_0, "Q4_1": _q4_1, "Q8_0": _q8_0, "Q4_K": _q4_k}
