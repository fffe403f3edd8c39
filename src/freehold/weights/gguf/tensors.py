"""The tensors of a GGUF file: their entries, their sizes in numbers without a limit, and where they lie in the file.

What it does not check: the numbers in a tensor, which any bytes can be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from freehold.weights.checks import Findings, in_bytes, quoted
from freehold.weights.gguf.cursor import Cursor
from freehold.weights.tensor_types import TENSOR_TYPES, TensorType

MAX_DIMENSIONS = 4
MAX_NAME_BYTES = 64
LARGEST_INT32 = 2**31 - 1
LARGEST_INT64 = 2**63 - 1
# ggml counts its types up by one; what is far beyond the newest is no type of the future.
_FUTURE_TYPES = 64


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: `shape` fastest dimension first, `offset` in bytes from the start of the tensor data.

    `type` is None where it is not known. `sized` says that the size can be relied upon.
    """

    name: str
    shape: tuple[int, ...]
    type: TensorType | None
    offset: int
    sized: bool

    @property
    def weights(self) -> int:
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Zero where the type is not known."""
        return _size_bytes(self.shape, self.type) if self.type else 0


def _size_bytes(shape: tuple[int, ...], kind: TensorType) -> int:
    return math.prod(shape) // kind.block_weights * kind.block_bytes


def read_tensor(cursor: Cursor) -> Tensor:
    """The entry at the cursor, with everything noted that is wrong with it alone."""
    at = cursor.position
    name = _name(cursor)
    what = f"the entry of tensor {name!r}"
    dimensions = cursor.u32(what)
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        message = f"It has the tensor {name!r} with {dimensions:,} dimensions; 1 to {MAX_DIMENSIONS} are known."
        cursor.notes.add("gguf.tensor.dimensions", message, at)
    data = cursor.take(8 * dimensions, what)
    shape = tuple(int.from_bytes(data[place : place + 8], cursor.order) for place in range(0, len(data), 8))
    kind = cursor.u32(what)
    offset = cursor.u64(what)
    known = _type(cursor.notes, name, kind, at)
    sized = 1 <= dimensions <= MAX_DIMENSIONS and _check_shape(cursor.notes, name, shape, known, at)
    return Tensor(name, shape, known, offset, sized)


def _name(cursor: Cursor) -> str:
    notes, at = cursor.notes, cursor.position
    length = cursor.u64("the length of a tensor's name")
    raw = cursor.take(length, "the name of a tensor", "gguf.string.length")
    name = raw[: MAX_NAME_BYTES * 4].decode("latin-1")
    if not 1 <= length <= MAX_NAME_BYTES:
        message = f"It has a tensor with a name of {in_bytes(length)}; 1 to {MAX_NAME_BYTES} are allowed."
        notes.add("gguf.tensor.name_length", message, at)
    elif not (name.isascii() and name.isprintable()):
        notes.add("gguf.tensor.name", f"It has a tensor named {quoted(raw)}, which is not printable ASCII.", at)
    return name


def _type(notes: Findings, name: str, number: int, at: int) -> TensorType | None:
    known = TENSOR_TYPES.get(number)
    if known is None:
        newer = max(TENSOR_TYPES) < number <= max(TENSOR_TYPES) + _FUTURE_TYPES
        check = "gguf.tensor.type_new" if newer else "gguf.tensor.type"
        notes.add(
            check, f"It has the tensor {name!r} of type {number}, which this version of Freehold does not know.", at
        )
    return known


def _check_shape(notes: Findings, name: str, shape: tuple[int, ...], kind: TensorType | None, at: int) -> bool:
    """Whether the size that follows from shape and type can be relied upon."""
    if kind is None:
        return False
    what = f"It has the tensor {name!r} of the impossible shape {list(shape)}"
    if 0 in shape:
        notes.add("gguf.tensor.shape", f"{what}: a dimension is zero.", at)
    elif math.prod(shape) > LARGEST_INT64 or _size_bytes(shape, kind) > LARGEST_INT64:
        notes.add("gguf.tensor.overflow", f"{what}: its size does not fit 63 bits.", at)
    elif max(shape) > LARGEST_INT32:
        notes.add("gguf.tensor.wide", f"{what}: a dimension is over {LARGEST_INT32:,}.", at)
    elif shape[0] % kind.block_weights:
        message = f"It has the tensor {name!r} of {kind.name} with rows of {shape[0]}, not whole blocks."
        notes.add("gguf.tensor.rows", message, at)
    else:
        return True
    return False
