"""Writes a build without its weights: a header made anew from numbers that were checked, and a hole where tensors lie.

No byte of the file it stands for is in it: no name that the file gives the model, no token, no template, no text of any
kind but the architecture's name and the tensors' names, which were checked. So an engine can be asked about a build
without opening a stranger's file. It is as long as the build and takes some tens of kilobytes of disk.
"""

from __future__ import annotations

import struct
from pathlib import Path

from freehold.weights.gguf.header import MAGIC
from freehold.weights.gguf.layout import DEFAULT_ALIGNMENT
from freehold.weights.gguf.outline import Outline
from freehold.weights.gguf.tensors import Tensor
from freehold.weights.gguf.values import ARRAY, NUMBERS, STRING, U32, Array, Entry
from freehold.weights.tensor_types import TYPE_NUMBERS

_VERSION = 3


def write_skeleton(outline: Outline, path: Path) -> None:
    """Write the skeleton of `outline` to `path`, which must not exist. All tensors go into one file."""
    keys = _keys(outline)
    entries, offset = [], 0
    for tensor in outline.tensors:
        entries.append(_entry(tensor, offset))
        offset += _aligned(tensor.size_bytes)
    head = MAGIC + struct.pack("<IQQ", _VERSION, len(entries), len(keys)) + b"".join(keys) + b"".join(entries)
    with path.open("xb") as file:
        file.write(head)
        file.truncate(_aligned(len(head)) + offset)


def _keys(outline: Outline) -> list[bytes]:
    own = outline.architecture
    keys = [
        _text("general.architecture") + _of_kind(STRING) + _text(own),
        _text("tokenizer.ggml.model") + _of_kind(STRING) + _text("no_vocab"),
    ]
    entries = dict(outline.entries)
    if outline.tokens:  # which counts for an engine, whatever size the header states
        entries.pop(f"{own}.vocab_size", None)
        keys.append(_text(f"{own}.vocab_size") + _of_kind(U32) + struct.pack("<I", outline.tokens))
    return keys + [_text(key) + _value(entry) for key, entry in entries.items()]


def _value(entry: Entry) -> bytes:
    if isinstance(entry.value, Array):
        numbers = entry.value.numbers or ()
        code = NUMBERS[entry.value.kind][0]
        return _of_kind(ARRAY) + struct.pack(f"<IQ{len(numbers)}{code}", entry.value.kind, len(numbers), *numbers)
    return _of_kind(entry.kind) + struct.pack(f"<{NUMBERS[entry.kind][0]}", entry.value)


def _entry(tensor: Tensor, offset: int) -> bytes:
    kind = TYPE_NUMBERS[tensor.type.name] if tensor.type else 0
    shape = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
    return _text(tensor.name) + shape + struct.pack("<IQ", kind, offset)


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def _of_kind(kind: int) -> bytes:
    return struct.pack("<I", kind)


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // DEFAULT_ALIGNMENT) * DEFAULT_ALIGNMENT
