"""One hostile safetensors file, or set of shards, for each check."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.hostile.folders import Folder

Entry = Mapping[str, Any]
A: Entry = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
B: Entry = {"dtype": "BF16", "shape": [4], "data_offsets": [16, 24]}
SOUND: Mapping[str, Entry] = {"__metadata__": {"format": "pt"}, "a": A, "b": B}
DATA = bytes(range(24))


def safetensors(header: Mapping[str, Any] | bytes | str = SOUND, data: bytes = DATA) -> bytes:
    """A file of this header and data, its length field right."""
    text = header if isinstance(header, bytes) else (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(text)) + text + data


def changed(data: bytes = DATA, **entries: Any) -> bytes:
    """A sound file with these entries changed."""
    return safetensors({**SOUND, **entries}, data)


def one(data: bytes, *also: str, name: str = "m.safetensors") -> Folder:
    return Folder({name: data}, also)


def index(weight_map: Mapping[str, str] | str, **more: Any) -> bytes:
    placed = (
        weight_map if isinstance(weight_map, str) else json.dumps({"metadata": {}, "weight_map": weight_map, **more})
    )
    return placed.encode()


def _long_header(folder: Path) -> None:
    with (folder / "m.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", 20_000_000) + b"{")
        file.truncate(20_000_008)


INDEX = "model.safetensors.index.json"
SHARD_1, SHARD_2 = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
ONLY_A = safetensors({"a": A}, DATA[:16])
ONLY_B = safetensors({"b": {**B, "data_offsets": [0, 8]}}, DATA[:8])
SHARDS = {SHARD_1: ONLY_A, SHARD_2: ONLY_B}
MAP = {"a": SHARD_1, "b": SHARD_2}
SOUND_SHARDS = Folder({**SHARDS, INDEX: index(MAP)})

HOSTILE: dict[str, Folder] = {
    "safetensors.truncated": one(struct.pack("<Q", 4000) + b"{" + bytes(200)),
    "safetensors.header.length": one(struct.pack("<Q", 100_000_001) + b"{" + bytes(200)),
    "safetensors.header.undecided": Folder(make=_long_header),
    "safetensors.header.start": one(safetensors(b" " + json.dumps(SOUND).encode())),
    "safetensors.header.text": one(safetensors(b'{"\xff\xfe":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}', b"\0")),
    "safetensors.header.json": one(safetensors('{"a":[1,2]}')),
    "safetensors.header.trailing": one(safetensors(json.dumps(SOUND) + '{"a":0}')),
    "safetensors.key.duplicate": one(
        safetensors(f'{{"a":{json.dumps(A)},"a":{json.dumps({**B, "data_offsets": [16, 24]})}}}')
    ),
    "safetensors.metadata": one(changed(__metadata__={"format": {"a": 1}})),
    "safetensors.entry": one(changed(c={"dtype": "F32", "shape": [0], "data_offsets": [24, 24.0]})),
    "safetensors.dtype": one(changed(b={**B, "dtype": "F5"})),
    "safetensors.shape.wrap": one(changed(b={**B, "shape": [2**62, 4]})),
    "safetensors.shape.size": one(changed(b={**B, "shape": [5]})),
    "safetensors.offsets.order": one(changed(c={"dtype": "F32", "shape": [0], "data_offsets": [24, 20]})),
    "safetensors.offsets.outside": one(changed(b={"dtype": "U8", "shape": [2000], "data_offsets": [16, 2016]})),
    "safetensors.offsets.overlap": one(changed(b={**B, "data_offsets": [8, 16]}, data=DATA[:16])),
    "safetensors.offsets.gap": one(changed(b={**B, "data_offsets": [17, 25]}, data=bytes(25))),
    "safetensors.trailing": one(changed(data=DATA + b"more")),
    "shards.index": Folder({**SHARDS, INDEX: b'{"metadata": {}, "weight_map": [1]}'}),
    "shards.path": Folder({**SHARDS, INDEX: index({**MAP, "c": "../../elsewhere.safetensors"})}),
    "shards.missing": Folder({SHARD_1: ONLY_A, INDEX: index(MAP)}),
    "shards.unnamed": Folder({**SHARDS, INDEX: index({"a": SHARD_1})}),
    "shards.tensor": Folder({**SHARDS, INDEX: index({**MAP, "c": SHARD_2})}),
}

# More ways to be wrong, each found by the check named.
MORE: list[tuple[str, bytes]] = [
    ("safetensors.truncated", b"\x02\0\0"),
    ("safetensors.header.json", safetensors('{"a":' + "[" * 3000)),
    ("safetensors.header.json", safetensors('{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},}', b"\0")),
    ("safetensors.header.json", safetensors('{"a\n":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}', b"\0")),
    ("safetensors.header.json", safetensors('{"a":{"dtype":"U8","shape":[' + "[" * 1500 + '],"data_offsets":[0,1]}}')),
    (
        "safetensors.key.duplicate",
        safetensors('{"a":{"dtype":"U8","dtype":"F64","shape":[],"data_offsets":[0,1]}}', b"\0"),
    ),
    ("safetensors.key.duplicate", safetensors('{"__metadata__":{"a":"1","a":"2"}}', b"")),
    ("safetensors.key.duplicate", safetensors('{"__metadata__":{"a":"1"},"__metadata__":{}}', b"")),
    ("safetensors.key.duplicate", safetensors('{"__metadata__":{},"__metadata__":{"a":"1"}}', b"")),
    ("safetensors.key.duplicate", safetensors(f'{{"a":{json.dumps(A)},"\\u0061":{json.dumps(A)}}}', DATA[:16])),
    ("safetensors.header.trailing", safetensors(json.dumps(SOUND) + "\0\0")),
    ("safetensors.entry", safetensors('{"a":{"dtype":"U8","shape":[10],"data_offsets":[0,1e1]}}', bytes(10))),
    ("safetensors.entry", safetensors('{"a":{"dtype":"U8","shape":[10],"data_offsets":[-0,10]}}', bytes(10))),
    ("safetensors.entry", changed(b={**B, "shape": [True, 4]})),
    ("safetensors.entry", changed(b={**B, "shape": [-4]})),
    ("safetensors.entry", changed(b={**B, "more": 1})),
    ("safetensors.entry", changed(b={"dtype": "BF16", "shape": [4]})),
    ("safetensors.entry", changed(b={**B, "data_offsets": [16, 24, 32]})),
    ("safetensors.metadata", changed(__metadata__="pt")),
    ("safetensors.metadata", changed(__metadata__={"format": None})),
    ("safetensors.shape.wrap", changed(b={**B, "shape": [0, 2**63], "data_offsets": [16, 16]}, data=DATA[:16])),
    ("safetensors.shape.size", changed(b={"dtype": "F4", "shape": [3], "data_offsets": [16, 18]}, data=DATA[:18])),
    (
        "safetensors.offsets.gap",
        changed(a={**A, "data_offsets": [1, 17]}, b={**B, "data_offsets": [17, 25]}, data=bytes(25)),
    ),
]
