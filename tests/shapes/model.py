"""Header-only weight files with the shapes of real models: every key and tensor entry, and a hole where weights lie.

A few tens of kilobytes on disk, as long as the real file. Written apart from the reader and from what the product
itself writes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.gguf_bytes import ARRAY, BOOL, F32, STRING, U32, header, tensor

# type number -> (weights in a block, bytes of a block)
_F32, _F16, _Q8_0, _Q4_K = 0, 1, 8, 12
_BLOCKS = {_F32: (1, 4), _F16: (1, 2), _Q8_0: (32, 34), _Q4_K: (256, 144)}

Number = int | float | bool | Sequence[int] | Sequence[bool] | Sequence[float] | str
Shapes = list[tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class Model:
    """One model: its architecture's keys (without the name before them) and its tensors, as the engine wants them."""

    name: str
    architecture: str
    keys: Mapping[str, Number]
    vocabulary: int
    tensors: Shapes

    def write(self, folder: Path, *, tokens: bool = False) -> Path:
        """The sparse file. Without `tokens` its size is in a key, as in files without a tokenizer."""
        path = folder / f"{self.name}.gguf"
        entries, offset = [], 0
        for name, shape in self.tensors:
            kind = _kind(name, shape)
            entries.append(tensor(name, shape, kind, offset))
            offset += -(-_size(shape, kind) // 32) * 32
        head = header(self._header_keys(tokens=tokens), entries)
        with path.open("wb") as file:
            file.write(head)
            file.truncate(-(-len(head) // 32) * 32 + offset)
        return path

    def with_vocabulary(self, count: int) -> Model:
        """The same with so many tokens."""
        tensors = [
            (name, tuple(count if each == self.vocabulary else each for each in shape)) for name, shape in self.tensors
        ]
        return replace(self, vocabulary=count, tensors=tensors)

    @property
    def size_bytes(self) -> int:
        """All tensors, without what fills up between them."""
        return sum(_size(shape, _kind(name, shape)) for name, shape in self.tensors)

    def _header_keys(self, *, tokens: bool) -> dict[str, tuple[int, object]]:
        keys: dict[str, tuple[int, object]] = {
            "general.architecture": (STRING, self.architecture),
            "general.name": (STRING, self.name),
            "tokenizer.ggml.model": (STRING, "no_vocab"),
            f"{self.architecture}.vocab_size": (U32, self.vocabulary),
        }
        for key, value in self.keys.items():
            keys[key if key.startswith("xielu.") else f"{self.architecture}.{key}"] = _typed(value)
        if tokens:
            keys["tokenizer.ggml.tokens"] = (ARRAY, (STRING, [str(number) for number in range(self.vocabulary)]))
        return keys


def _typed(value: Number) -> tuple[int, object]:
    if isinstance(value, str):
        return STRING, value
    if isinstance(value, bool):
        return BOOL, value
    if isinstance(value, float):
        return F32, value
    if isinstance(value, int):
        return U32, value
    kind = BOOL if isinstance(value[0], bool) else F32 if isinstance(value[0], float) else U32
    return ARRAY, (kind, list(value))


def _kind(name: str, shape: tuple[int, ...]) -> int:
    """Norms, biases and small things in 32 bits, matrices in a block type that their rows fill."""
    if len(shape) == 1 or not name.endswith(".weight") or min(shape) < 32 or "conv" in name or "gate_inp" in name:
        return _F32
    return _Q4_K if shape[0] % 256 == 0 else _Q8_0 if shape[0] % 32 == 0 else _F16


def _size(shape: tuple[int, ...], kind: int) -> int:
    weights, size = _BLOCKS[kind]
    return math.prod(shape) // weights * size
