"""The same weights in other tensor types: a GGUF file, piece by piece, from the types it has to those that are wanted.

The engine's own library unpacks and packs, so every type it runs can be read. Each weight becomes the float32 value
that its type means and then what the new type makes of it: packing from one lossy type into another loses something
again, and how much is measured before such a build is used (`freehold.trials`). Used in processes of their own.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from freehold.engines.llamacpp.native import GgufParameters

F32 = 0
FILE_TYPES = {"q4_0": 2, "q8_0": 7}
"""`enum llama_ftype` of the types that a file may be repacked to; `general.file_type` names the most of its tensors."""
TYPES = {"q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8}
"""`enum ggml_type`. All have blocks of 32 weights, and no importance of weights is needed to pack them."""
PIECE_WEIGHTS = 2**22
_FILE_TYPE = b"general.file_type"


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: bytes
    type: int
    offset: int
    size_bytes: int


def retyped(native: Any, file: str, wanted: Callable[[int], int], *, file_type: int) -> Iterator[bytes]:
    """The bytes of `file` in pieces, none empty, with every tensor in the type that `wanted` gives for the one it has.

    Raises ValueError where the library cannot read `file` as one whole GGUF.
    """
    header = native.gguf_init_from_file(os.fsencode(file), GgufParameters(True, None))
    if not header:
        raise ValueError(f"{file} cannot be read as GGUF")
    start = native.gguf_get_data_offset(header)
    tensors = [_tensor(native, header, number) for number in range(native.gguf_get_n_tensors(header))]
    for tensor in tensors:
        native.gguf_set_tensor_type(header, tensor.name, wanted(tensor.type))
    native.gguf_set_val_u32(header, _FILE_TYPE, file_type)
    yield _metadata(native, header)
    with open(file, "rb", buffering=0) as source:  # noqa: PTH123  # its descriptor is what is read from
        for number, tensor in enumerate(tensors):
            written = 0
            for piece in _pieces(native, source.fileno(), start, tensor, wanted(tensor.type)):
                written += len(piece)
                yield piece
            assert written == native.gguf_get_tensor_size(header, number), f"{tensor.name!r} has {written} bytes"
            if padding := -written % native.gguf_get_alignment(header):
                yield bytes(padding)
    native.gguf_free(header)


def float32_copy(native: Any, file: str) -> int:
    """A descriptor of `file` with all its weights in float32, in memory, at its start. The caller closes it.

    Types that hold whole numbers, and float32 itself, stay.
    """

    def unpacked(number: int) -> int:
        return F32 if native.ggml_get_type_traits(number).contents.to_float else number

    descriptor = os.memfd_create("float32", os.MFD_CLOEXEC)
    for piece in retyped(native, file, unpacked, file_type=F32):
        left = memoryview(piece)
        while left:
            left = left[os.write(descriptor, left) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _tensor(native: Any, header: int, number: int) -> _Tensor:
    return _Tensor(
        name=native.gguf_get_tensor_name(header, number),
        type=native.gguf_get_tensor_type(header, number),
        offset=native.gguf_get_tensor_offset(header, number),
        size_bytes=native.gguf_get_tensor_size(header, number),
    )


def _metadata(native: Any, header: int) -> bytes:
    size = native.gguf_get_meta_size(header)
    data = ctypes.create_string_buffer(size)
    native.gguf_get_meta_data(header, data)
    return data.raw


def _pieces(native: Any, descriptor: int, start: int, tensor: _Tensor, new: int) -> Iterator[bytes]:
    """The tensor's bytes in type `new`, some megabytes at a time. Blocks never cross rows, so rows need not be seen."""
    old = native.ggml_get_type_traits(tensor.type).contents
    step = PIECE_WEIGHTS // old.block_elements * old.block_bytes
    for place in range(0, tensor.size_bytes, step):
        size = min(step, tensor.size_bytes - place)
        data = os.pread(descriptor, size, start + tensor.offset + place)
        if len(data) != size:
            raise ValueError(f"{tensor.name!r} ends before its end")
        yield data if new == tensor.type else _converted(native, old, data, new)


def _converted(native: Any, old: Any, data: bytes, new: int) -> bytes:
    count = len(data) // old.block_bytes * old.block_elements
    weights = (ctypes.c_float * count)()
    old.to_float(data, weights, count)
    if new == F32:
        return bytes(weights)
    packed = ctypes.create_string_buffer(count // 32 * native.ggml_get_type_traits(new).contents.block_bytes)
    written = native.ggml_quantize_chunk(new, weights, packed, 0, 1, count, None)
    assert written == len(packed), f"{written} bytes were packed instead of {len(packed)}"
    return packed.raw
