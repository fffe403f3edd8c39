"""The limit of a tokenizer is taken out where it is the one that is known, and nothing else is written over."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from freehold.engines.openvino.tokenizer_limit import NO_LIMIT, lift_limit

NUMBERS = (7, 8192, 8192)


def layer(number: int, kind: str, place: int | None = None) -> str:
    data = "" if place is None else f'<data element_type="i32" shape="" offset="{place}" size="4"/>'
    return f'<layer id="{number}" name="l{number}" type="{kind}" version="opset1">{data}</layer>'


def tokenizer(folder: Path, layers: str, edges: str) -> Path:
    path = folder / "openvino_tokenizer.xml"
    path.write_text(f'<net name="t" version="11"><layers>{layers}</layers><edges>{edges}</edges></net>')
    path.with_suffix(".bin").write_bytes(struct.pack("<3i", *NUMBERS))
    return path


def edge(source: int, target: int) -> str:
    return f'<edge from-layer="{source}" from-port="0" to-layer="{target}" to-port="0"/>'


def test_the_one_constant_of_the_one_minimum_is_lifted(tmp_path: Path) -> None:
    layers = layer(0, "Const", 0) + layer(1, "Const", 4) + layer(2, "ShapeOf") + layer(3, "Minimum")
    path = tokenizer(tmp_path, layers, edge(1, 3) + edge(2, 3))
    lift_limit(path)
    assert struct.unpack("<3i", path.with_suffix(".bin").read_bytes()) == (7, NO_LIMIT, 8192)


@pytest.mark.parametrize(
    ("layers", "edges"),
    [
        (layer(0, "Const", 0), ""),
        (layer(0, "Const", 0) + layer(1, "Const", 4) + layer(2, "Minimum"), edge(0, 2) + edge(1, 2)),
        (layer(0, "Const", 4) + layer(1, "Const", 4) + layer(2, "Minimum"), edge(0, 2)),
    ],
)
def test_a_tokenizer_of_another_build_is_refused_and_left_as_it_is(tmp_path: Path, layers: str, edges: str) -> None:
    path = tokenizer(tmp_path, layers, edges)
    with pytest.raises(ValueError, match="limit"):
        lift_limit(path)
    assert struct.unpack("<3i", path.with_suffix(".bin").read_bytes()) == NUMBERS
