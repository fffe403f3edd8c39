"""Takes the limit out of a tokenizer that OpenVINO's GGUF reader made: it cuts every text after 8,192 tokens, silently,
and no argument of `encode` lifts that (seen with 2026.4). A prompt over the context must be refused, not cut.

The limit is one constant, the smaller side of the graph's only `Minimum`; it is written over where it lies.
"""

from __future__ import annotations

import struct
from pathlib import Path
from xml.etree import ElementTree

NO_LIMIT = 2**31 - 1


def lift_limit(xml: Path) -> None:
    """Raises ValueError where the tokenizer is not built as it is known to be."""
    net = ElementTree.parse(xml).getroot()  # noqa: S314 -- written by the reader in this same process
    layers = {layer.get("id"): layer for layer in net.iter("layer")}
    edges = [(edge.get("from-layer"), edge.get("to-layer")) for edge in net.iter("edge")]
    places = {
        _place(layers[source])
        for source, target in edges
        if layers[target].get("type") == "Minimum" and layers[source].get("type") == "Const"
    }
    if len(places) != 1:
        raise ValueError(f"{xml.name} has {len(places)} limits")
    (offset,) = places
    others = [layer for layer in layers.values() if layer.get("type") == "Const" and _place(layer) == offset]
    if len(others) != 1:
        raise ValueError(f"the limit of {xml.name} has {len(others) - 1} other uses")
    with xml.with_suffix(".bin").open("r+b") as file:
        file.seek(offset)
        file.write(struct.pack("<i", NO_LIMIT))


def _place(layer: ElementTree.Element) -> int:
    data = layer.find("data")
    if data is None or data.get("element_type") != "i32" or data.get("size") != "4":
        return -1
    return int(data.get("offset", "-1"))
