"""FILE TYPE NEW: the weights of a GGUF file in another tensor type, written to NEW, with the engine's own library.

Every matrix is unpacked to float32 and packed again; vectors stay. Only to have builds whose speed can be measured.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from freehold.engines.llamacpp import native
from freehold.engines.llamacpp.native import GgufParameters

TYPES = {"f16": (1, 1), "q4_0": (2, 2), "q4_1": (3, 3), "q5_0": (6, 8), "q5_1": (7, 9), "q8_0": (8, 7)}
"""`enum ggml_type` and `enum llama_ftype`."""
_F32 = 0
_PIECE_WEIGHTS = 2**20


def main() -> None:
    source, kind, new = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    library = native.library(lambda _: None)
    number, file_type = TYPES[kind]
    header = library.gguf_init_from_file(str(source).encode(), GgufParameters(True, None))
    if not header:
        sys.exit(f"{source} cannot be read as GGUF")
    start = library.gguf_get_data_offset(header)
    tensors = [
        (
            library.gguf_get_tensor_name(header, index),
            library.gguf_get_tensor_type(header, index),
            start + library.gguf_get_tensor_offset(header, index),
            library.gguf_get_tensor_size(header, index),
        )
        for index in range(library.gguf_get_n_tensors(header))
    ]
    for name, old, _, _ in tensors:
        library.gguf_set_tensor_type(header, name, old if old == _F32 else number)
    library.gguf_set_val_u32(header, b"general.file_type", file_type)
    metadata = ctypes.create_string_buffer(library.gguf_get_meta_size(header))
    library.gguf_get_meta_data(header, metadata)
    alignment = library.gguf_get_alignment(header)
    with source.open("rb") as given, new.open("wb") as made:
        made.write(metadata.raw)
        for _, old, place, size_bytes in tensors:
            given.seek(place)
            data, written = given.read(size_bytes), 0
            for piece in [data] if old in {_F32, number} else _packed(library, data, old, number):
                written += made.write(piece)
            made.write(bytes(-written % alignment))


def _packed(library: Any, data: bytes, old: int, new: int) -> Iterator[bytes]:
    before, after = (library.ggml_get_type_traits(kind).contents for kind in (old, new))
    step = _PIECE_WEIGHTS // before.block_elements * before.block_bytes
    for place in range(0, len(data), step):
        piece = data[place : place + step]
        count = len(piece) // before.block_bytes * before.block_elements
        weights = (ctypes.c_float * count)()
        before.to_float(piece, weights, count)
        packed = ctypes.create_string_buffer(count // after.block_elements * after.block_bytes)
        library.ggml_quantize_chunk(new, weights, packed, 0, 1, count, None)
        yield packed.raw


if __name__ == "__main__":
    main()
