"""GGUF files that cost the most time and memory that their reader allows: everything a file may repeat, as often as it
may. A program of its own looks at each of them under the kernel's limits and prints what it took."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests.gguf_bytes import ARRAY, BOOL, I32, STRING, U8, U32, U64, tensor, text

MANY = 2_000_000


def array(key: str, of: int, count: int, body: bytes) -> bytes:
    return text(key) + struct.pack("<IIQ", ARRAY, of, count) + body


def header(tensors: int, keys: int, body: bytes) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, keys) + body


def _tokens(token: bytes) -> bytes:
    types = array("tokenizer.ggml.token_type", I32, MANY, struct.pack("<i", 6) * MANY)
    return header(0, 2, array("tokenizer.ggml.tokens", STRING, MANY, text(token) * MANY) + types)


def _entries(name: str, shape: tuple[int, ...]) -> bytes:
    return header(65_536, 0, b"".join(tensor(f"{name}{number}", shape, 3, number) for number in range(65_536)))


def _padded() -> bytes:
    """As many tensors as there may be, with as much between them as is looked at."""
    entries = b"".join(tensor(f"t{number}", (1,), 0, number * 256) for number in range(65_000))
    keys = text("general.architecture") + struct.pack("<I", STRING) + text("llama")
    keys += text("general.alignment") + struct.pack("<II", U32, 256)
    head = header(65_000, 2, keys + entries)
    return head + bytes(-len(head) % 256) + (b"\1" * 256) * 65_000


WORST: dict[str, Callable[[], bytes]] = {
    "malformed byte tokens": lambda: _tokens(b"<0xzz>"),
    "well-formed byte tokens": lambda: _tokens(b"<0x00>"),
    "malformed merges": lambda: header(0, 1, array("tokenizer.ggml.merges", STRING, MANY, text("abc") * MANY)),
    "strings that are not UTF-8": lambda: header(0, 1, array("a", STRING, MANY, text(b"\xff") * MANY)),
    "tokens that differ": lambda: header(
        0, 1, array("tokenizer.ggml.tokens", STRING, MANY, b"".join(text(b"%07d" % n) for n in range(MANY)))
    ),
    "padding between tensors": _padded,
    "arrays in an array": lambda: header(0, 1, array("a", ARRAY, 200_000, struct.pack("<IQ", 0, 0) * 200_000)),
    "long tokens": lambda: header(0, 1, array("tokenizer.ggml.tokens", STRING, 90, text(b"a" * 600_000) * 90)),
    "tensors that overflow": lambda: _entries("\x01", (2**40, 2**40)),
    "tensors of layers that are not": lambda: _entries("blk.99999.", (32,)),
    "keys with many numbers": lambda: header(
        0, 100, b"".join(array(f"k{number}", U64, 4096, b"\xff" * 8 * 4096) for number in range(100))
    ),
    "truth values that are none": lambda: header(0, 3, array("a", BOOL, 16 << 20, b"\2" * (16 << 20)) * 3),
    "token types that are none": lambda: header(
        0, 1, array("tokenizer.ggml.token_type", I32, 4 << 20, b"\xff" * (16 << 20))
    ),
    "long texts": lambda: header(0, 15, b"".join(_text(f"general.t{number}") for number in range(15))),
    "one very long text": lambda: header(0, 1, text("a") + struct.pack("<I", STRING) + text(b"\xc3\xa4" * (40 << 20))),
    "ends of archives": lambda: header(0, 0, b"PK\5\6" * 17_000),
    "numbers of one byte": lambda: header(0, 15, b"".join(_bytes(f"k{number}") for number in range(15))),
}


def _text(key: str) -> bytes:
    return text(key) + struct.pack("<I", STRING) + text(b"\xc3\xa4" * ((1 << 19) - 8))


def _bytes(key: str) -> bytes:
    return array(key, U8, 4096, b"\xff" * 4096)
