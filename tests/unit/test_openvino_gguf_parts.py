"""The blocks of quantized tensors, held against ggml's own reading of the same bytes."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from freehold.engines.llamacpp import native
from freehold.weights.tensor_types import TENSOR_TYPES
from tests.gguf_bytes import KEYS, STRING, U32, header, tensor

np = pytest.importorskip("numpy")

COLUMNS, ROWS = 512, 6
# Where the 16-bit floats of a block lie: any other byte may be anything.
HALVES = {"Q4_0": (0,), "Q4_1": (0, 2), "Q8_0": (0,), "Q4_K": (0, 2)}


def raw_tensor(kind: str, seed: int) -> tuple[int, bytes]:
    """A type's number, and random blocks of it with scales that are numbers."""
    number, sized = next((number, sized) for number, sized in TENSOR_TYPES.items() if sized.name == kind)
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (ROWS * COLUMNS // sized.block_weights, sized.block_bytes), dtype=np.uint8)
    for place in HALVES[kind]:
        values = random.normal(0, 0.1, len(blocks)).astype(np.float16)
        blocks[:, place : place + 2] = values.view(np.uint8).reshape(-1, 2)
    return number, blocks.tobytes()


def file_of(path: Path, kind: str) -> bytes:
    """A GGUF file at `path` with one tensor of a type; its bytes."""
    number, data = raw_tensor(kind, 7)
    head = header(KEYS, [tensor("w", (COLUMNS, ROWS), number, 0)])
    path.write_bytes(head + b"\0" * (-len(head) % 32) + data)
    return data


@pytest.mark.parametrize("kind", HALVES)
def test_code_scale_and_minimum_are_the_weights_that_ggml_reads(kind: str, tmp_path: Path) -> None:
    from freehold.engines.openvino.gguf_parts import GgufParts

    data = file_of(tmp_path / "m.gguf", kind)
    blocks = GgufParts(tmp_path / "m.gguf").blocks("w")
    assert blocks is not None
    ours = (blocks.codes.astype(np.float32) * blocks.scale + blocks.minimum).reshape(-1)
    number = next(number for number, sized in TENSOR_TYPES.items() if sized.name == kind)
    weights = (ctypes.c_float * (ROWS * COLUMNS))()
    traits = native.library(lambda _line: None).ggml_get_type_traits(number).contents
    traits.to_float(
        ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), ctypes.cast(weights, ctypes.c_void_p), ROWS * COLUMNS
    )
    np.testing.assert_allclose(ours, np.frombuffer(weights, np.float32), rtol=1e-5, atol=1e-6)


def test_keys_and_shapes_are_read_and_other_types_have_no_blocks(tmp_path: Path) -> None:
    from freehold.engines.openvino.gguf_parts import GgufParts

    keys = {**KEYS, "general.name": (STRING, "m"), "llama.attention.head_count_kv": (U32, 2)}
    head = header(keys, [tensor("n", (32,), 0, 0)])
    (tmp_path / "m.gguf").write_bytes(head + b"\0" * (-len(head) % 32) + bytes(128))
    parts = GgufParts(tmp_path / "m.gguf")
    assert (parts.architecture, parts.number("attention.head_count_kv"), parts.number("absent")) == ("llama", 2, None)
    assert parts.keys["tokenizer.ggml.tokens"] == ["<s>", "a", "b"]
    assert parts.tensors["n"] == ((32,), "F32", 0)
    assert parts.blocks("n") is None
