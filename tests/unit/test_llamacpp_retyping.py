"""Weights in other types: what they were, unpacked; and packed anew as the format's definition says."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from freehold.weights.gguf import read_split
from tests.gguf_bytes import gguf

pytestmark = pytest.mark.engine

SCRIPT = """
import sys
from freehold.engines.llamacpp.native import library
from freehold.engines.llamacpp.retyping import retyped
native, new, named = library(sys.stderr.write), int(sys.argv[3]), int(sys.argv[4])
with open(sys.argv[2], "wb") as file:
    for piece in retyped(native, sys.argv[1], lambda found: new if found == 3 else found, file_type=named):
        file.write(piece)
"""
Q8_0, F32 = (8, 7), (0, 0)
"""`enum ggml_type` and `enum llama_ftype` (ggml.h, llama.h)."""


def retype(source: Path, target: Path, new: tuple[int, int]) -> subprocess.CompletedProcess[str]:
    """In a process of its own, as everything that loads the engine's library."""
    command = [sys.executable, "-c", SCRIPT, str(source), str(target), *map(str, new)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def halves(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}e", *values)


def block(scale: float, least: float, nibbles: bytes) -> bytes:
    """32 weights of Q4_1: scale, least, and two weights a byte, the low halves first (ggml-common.h, `block_q4_1`)."""
    return halves(scale, least) + nibbles


def weights(scale: float, least: float, nibbles: bytes) -> list[float]:
    return [least + scale * (each & 15) for each in nibbles] + [least + scale * (each >> 4) for each in nibbles]


NIBBLES = bytes(range(0, 256, 16))
SOURCE = block(0.5, -2.0, NIBBLES)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    # 8 rows of 64 weights: 16 blocks of 20 bytes each.
    data = gguf(fill=b"\x01")
    path.write_bytes(data.replace(b"\x01" * 320, SOURCE * 16))
    return path


def test_unpacked_weights_are_those_of_the_definition(source: Path, tmp_path: Path) -> None:
    assert retype(source, tmp_path / "f32.gguf", F32).returncode == 0
    data = (tmp_path / "f32.gguf").read_bytes()
    expected = struct.pack("<32f", *weights(0.5, -2.0, NIBBLES)) * 16
    assert expected in data
    assert read_split([tmp_path / "f32.gguf"]).quantization == "F32"


def test_repacked_weights_are_within_half_a_step_of_what_they_were(source: Path, tmp_path: Path) -> None:
    assert retype(source, tmp_path / "q8.gguf", Q8_0).returncode == 0
    facts = read_split([tmp_path / "q8.gguf"])
    assert (facts.quantization, facts.parameters) == ("Q8_0", read_split([source]).parameters)
    data = (tmp_path / "q8.gguf").read_bytes()
    # Q8_0 has one scale, the largest weight over 127, and a byte a weight (ggml-common.h, `block_q8_0`).
    expected = weights(0.5, -2.0, NIBBLES)
    scale = max(map(abs, expected)) / 127
    place = data.index(halves(scale))
    found = [each * scale for each in struct.unpack("<32b", data[place + 2 : place + 34])]
    assert max(abs(mine - its) for mine, its in zip(found, expected, strict=True)) <= scale * 0.51


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + bytes(60))
    done = retype(tmp_path / "m.gguf", tmp_path / "out.gguf", Q8_0)
    assert done.returncode != 0
    assert "cannot be read as GGUF" in done.stderr
