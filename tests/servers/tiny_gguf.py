"""Whole, valid GGUF v3 files of a few KiB for sources to serve; the same arguments give the same bytes."""

from __future__ import annotations

from tests.gguf_bytes import KEYS, STRING, U32, gguf


def tiny_gguf(name: str = "tiny", *, rows: int = 64) -> bytes:
    """One small model; `name` makes it differ from others, `rows` sets its size (40 bytes each)."""
    return gguf({**KEYS, "general.name": (STRING, name)}, rows=rows)


def tiny_split(count: int) -> tuple[bytes, ...]:
    """The pieces of one split model, as gguf-split numbers them."""
    shared = {**KEYS, "split.count": (U32, count)}
    return tuple(gguf({**shared, "split.no": (U32, number)}) for number in range(count))
