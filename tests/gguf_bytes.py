"""Small GGUF files built byte by byte, whole and wrong in every way a test needs; written apart from the reader."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

U8, U16, U32, I32, F32, BOOL, STRING, ARRAY, U64 = 0, 2, 4, 5, 6, 7, 8, 9, 10
_CODES = {U8: "B", U16: "H", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q"}

KEYS: Mapping[str, tuple[int, object]] = {
    "general.architecture": (STRING, "llama"),
    "general.file_type": (U32, 3),
    "llama.context_length": (U32, 2048),
    "llama.embedding_length": (U32, 64),
    "llama.block_count": (U32, 2),
    "llama.attention.head_count": (U32, 4),
    "tokenizer.ggml.tokens": (ARRAY, (STRING, ["<s>", "a", "b"])),
}


def text(value: str | bytes) -> bytes:
    """A string as GGUF writes it."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def value(kind: int, item: object) -> bytes:
    """A value without its type; bytes that are no string are written as they are."""
    if isinstance(item, bytes) and kind != STRING:
        return item
    if kind == STRING:
        assert isinstance(item, str | bytes)
        return text(item)
    if kind == ARRAY:
        assert isinstance(item, tuple)
        of, items = item
        return struct.pack("<IQ", of, len(items)) + b"".join(value(of, each) for each in items)
    return struct.pack("<" + _CODES[kind], item)


def tensor(name: str, shape: Sequence[int], kind: int, offset: int) -> bytes:
    """The entry of one tensor."""
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def header(keys: Mapping[str, tuple[int, object]], tensors: Sequence[bytes], *, version: int = 3) -> bytes:
    """Everything before the tensor data, without padding."""
    pairs = b"".join(text(key) + struct.pack("<I", kind) + value(kind, item) for key, (kind, item) in keys.items())
    return b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys)) + pairs + b"".join(tensors)


def gguf(keys: Mapping[str, tuple[int, object]] = KEYS, *, rows: int = 8, fill: bytes = b"\x11") -> bytes:
    """A whole small file: one Q4_1 tensor of 64 by `rows` weights (40 bytes a row) and one F32 tensor of 32.

    The tensors of a later piece of a split build (`split.no`) are named apart from those of the first.
    """
    number = keys.get("split.no", (U32, 0))[1]
    apart = f"piece{number}." if number else ""
    quantized_bytes = 40 * rows
    second = -(-quantized_bytes // 32) * 32
    head = header(
        keys, [tensor(f"{apart}blk.0.weight", (64, rows), 3, 0), tensor(f"{apart}norm.weight", (32,), 0, second)]
    )
    padding = b"\0" * (-len(head) % 32)
    return head + padding + (fill * quantized_bytes).ljust(second, b"\0") + fill * 128
