"""One hostile GGUF for each check, named by it: sound but for one thing.

`HOSTILE[check]` writes its files into a folder and says which other checks cannot but see the same thing. Every file
is a few KiB on the disk; what must look large has holes.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.gguf_bytes import ARRAY, BOOL, F32, I32, STRING, U8, U16, U32, U64, tensor, text, value

Keys = dict[str, tuple[int, object]]
Part = bytes | int
"""Bytes, or the length of a hole of zeros."""

F32_TYPE, Q8_0_TYPE = 0, 8
SOUND: Mapping[str, tuple[int, object]] = {
    "general.architecture": (STRING, "llama"),
    "general.name": (STRING, "Sound"),
    "general.license": (STRING, "apache-2.0"),
    "general.file_type": (U32, 7),
    "llama.context_length": (U32, 2048),
    "llama.embedding_length": (U32, 64),
    "llama.block_count": (U32, 2),
    "llama.feed_forward_length": (U32, 128),
    "llama.attention.head_count": (U32, 4),
    "llama.attention.head_count_kv": (U32, 2),
    "llama.attention.layer_norm_rms_epsilon": (F32, 1e-5),
    "llama.rope.dimension_count": (U32, 16),
    "llama.rope.freq_base": (F32, 10000.0),
    "llama.vocab_size": (U32, 4),
    "tokenizer.ggml.model": (STRING, "llama"),
    "tokenizer.ggml.tokens": (ARRAY, (STRING, ["<s>", "<0x0A>", "a", "ä"])),
    "tokenizer.ggml.scores": (ARRAY, (F32, [0.0, 0.0, -1.0, -2.0])),
    "tokenizer.ggml.token_type": (ARRAY, (I32, [3, 6, 1, 1])),
    "tokenizer.ggml.merges": (ARRAY, (STRING, ["a ä", "  b"])),
    "tokenizer.ggml.bos_token_id": (U32, 0),
    "tokenizer.ggml.add_bos_token": (BOOL, True),
    "tokenizer.chat_template": (STRING, "{{ messages[0].content }}"),
}
EMBEDDING = ("token_embd.weight", (64, 4), F32_TYPE, 0)
ATTENTION = ("blk.0.attn_q.weight", (64, 8), Q8_0_TYPE, 1024)
DOWN = ("blk.1.ffn_down.weight", (64, 8), Q8_0_TYPE, 1024 + 544)
TENSORS: Sequence[tuple[str, tuple[int, ...], int, int]] = (EMBEDDING, ATTENTION, DOWN)
DATA_BYTES = 1024 + 544 + 544


def pairs(keys: Mapping[str, tuple[int, object]]) -> bytes:
    return b"".join(text(key) + struct.pack("<I", kind) + value(kind, item) for key, (kind, item) in keys.items())


def start(tensors: int, keys: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


def sound(
    change: Mapping[str, tuple[int, object]] | None = None,
    *,
    tensors: Sequence[tuple[str, tuple[int, ...], int, int]] = TENSORS,
    data_bytes: int = DATA_BYTES,
    more: bytes = b"",
    more_keys: int = 0,
    without: Sequence[str] = (),
    alignment: int = 32,
) -> bytes:
    """A sound file, with some keys changed, or raw `more` of `more_keys` keys after them."""
    keys = {key: item for key, item in {**SOUND, **(change or {})}.items() if key not in without}
    entries = b"".join(tensor(*each) for each in tensors)
    head = start(len(tensors), len(keys) + more_keys) + pairs(keys) + more + entries
    return head + bytes(-len(head) % alignment) + b"\x11" * data_bytes


def key(name: str | bytes, kind: int, raw: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + raw


def placed(*tensors: tuple[str, tuple[int, ...], int, int], data_bytes: int = DATA_BYTES) -> bytes:
    """A sound file with other tensors."""
    return sound(tensors=tensors, data_bytes=data_bytes)


def padded(data: bytes) -> bytes:
    """A sound file with `data` between its header and its tensors."""
    whole = sound({"general.alignment": (U32, 1024)}, tensors=(EMBEDDING,), data_bytes=1024, alignment=1024)
    return whole[: -1024 - len(data)] + data + whole[-1024:]


def embedding(shape: tuple[int, int]) -> bytes:
    """A sound file but for the shape of the token embedding."""
    nbytes = 4 * shape[0] * shape[1]
    rest = (ATTENTION[0], (64, 8), Q8_0_TYPE, nbytes), (DOWN[0], (64, 8), Q8_0_TYPE, nbytes + 544)
    return placed((EMBEDDING[0], shape, F32_TYPE, 0), *rest, data_bytes=nbytes + 2 * 544)


def big_endian() -> bytes:
    pair = struct.pack(">Q", 20) + b"general.architecture" + struct.pack(">IQ", STRING, 5) + b"llama"
    entry = struct.pack(">Q", 8) + b"a.weight" + struct.pack(">IQIQ", 1, 8, F32_TYPE, 0)
    head = b"GGUF" + struct.pack(">IQQ", 3, 1, 1) + pair + entry
    return head + bytes(-len(head) % 32) + bytes(32)


def endless(raw: bytes, hole_bytes: int) -> tuple[Part, ...]:
    """A header of one key that goes on into a hole."""
    return start(0, 1) + raw, hole_bytes


def with_hole(name: str, before: bytes, hole_bytes: int, kind: int = STRING) -> tuple[Part, ...]:
    """A sound file with one more key, whose value has a hole after `before`."""
    keys, entries = pairs(SOUND), b"".join(tensor(*each) for each in TENSORS)
    head = start(len(TENSORS), len(SOUND) + 1) + keys + text(name) + struct.pack("<I", kind) + before
    after = entries + bytes(-(len(head) + hole_bytes + len(entries)) % 32) + b"\x11" * DATA_BYTES
    return head, hole_bytes, after


def long_token(hole_bytes: int) -> tuple[Part, ...]:
    """A sound file whose one token goes into a hole; it has no other lists and no embedding."""
    lists = [name for name in SOUND if name.startswith("tokenizer.ggml.")] + ["llama.vocab_size"]
    keys = pairs({name: item for name, item in SOUND.items() if name not in lists})
    head = start(1, len(SOUND) - len(lists) + 1) + keys + text("tokenizer.ggml.tokens")
    head += struct.pack("<IIQQ", ARRAY, STRING, 1, hole_bytes)
    entry = tensor("blk.0.attn_q.weight", (64, 8), Q8_0_TYPE, 0)
    return head, hole_bytes, entry + bytes(-(len(head) + hole_bytes + len(entry)) % 32) + b"\x11" * 544


def long_key() -> tuple[Part, ...]:
    keys, entries = pairs(SOUND), b"".join(tensor(*each) for each in TENSORS)
    head = start(len(TENSORS), len(SOUND) + 1) + keys + struct.pack("<Q", 65_536)
    after = struct.pack("<II", U32, 1) + entries
    return head, 65_536, after + bytes(-(len(head) + 65_536 + len(after)) % 32) + b"\x11" * DATA_BYTES


def piece(number: int, count: int, said: int | None = None, architecture: str = "llama", name: str = "") -> bytes:
    """One piece of a split build: a tensor of its own each."""
    keys: Keys = {"general.architecture": (STRING, architecture)}
    keys |= {"split.no": (U16, number), "split.count": (U16, count)}
    if said is not None:
        keys["split.tensors.count"] = (I32, said)
    head = start(1, len(keys)) + pairs(keys) + tensor(name or f"blk.{number}.weight", (8,), F32_TYPE, 0)
    return head + bytes(-len(head) % 32) + bytes(32)


def pieces(*files: bytes) -> dict[str, tuple[Part, ...]]:
    """Files named as the pieces of one build, in this order."""
    return {f"m-{number:05}-of-{len(files):05}.gguf": (data,) for number, data in enumerate(files, 1)}


# A directory of one entry, and the record that ends the archive.
ZIP_END = b"PK\1\2" + bytes(42) + b"PK\5\6" + bytes(4) + struct.pack("<HHIIH", 1, 1, 46, 0, 0)
NESTED = struct.pack("<IQ", ARRAY, 1)


@dataclass(frozen=True)
class Hostile:
    """The files of one check, by name. `also`: checks that cannot but see the same thing."""

    files: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)
    also: frozenset[str] = frozenset()
    make: Callable[[Path], Path] | None = None

    def write(self, folder: Path) -> list[Path]:
        """The files, written into `folder`."""
        if self.make is not None:
            return [self.make(folder)]
        return [_written(folder / name, parts) for name, parts in self.files.items()]


def _written(path: Path, parts: tuple[Part, ...]) -> Path:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        for part in parts:
            if isinstance(part, int):
                file.seek(part, os.SEEK_CUR)
            else:
                file.write(part)
        file.truncate(file.tell())
    return path


def one(*parts: Part, also: Sequence[str] = ()) -> Hostile:
    return Hostile({"m.gguf": parts}, frozenset(also))


def changed(change: Keys, *, also: Sequence[str] = (), without: Sequence[str] = ()) -> Hostile:
    """A sound file with these keys changed."""
    return one(sound(change, without=without), also=also)


def added(name: str | bytes, kind: int, raw: bytes) -> Hostile:
    """A sound file with one more key."""
    return one(sound(more=key(name, kind, raw), more_keys=1))


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "m.gguf")
    return folder / "m.gguf"


_LIST = struct.pack("<IQ", U8, 1)
_HUGE = 300 << 20

HOSTILE: dict[str, Hostile] = {
    "gguf.file.kind": Hostile(make=_fifo),
    "gguf.file.unreadable": Hostile(make=lambda folder: folder / "absent.gguf"),
    "gguf.magic": one(b"GGML" + sound()[4:]),
    "gguf.version.old": one(start(0, 0, 1)),
    "gguf.version.unknown": one(start(0, 0, 4)),
    "gguf.byte_order": one(big_endian()),
    "gguf.header.truncated": one(sound()[:20]),
    "gguf.header.size": one(*endless(key("a", STRING, struct.pack("<Q", _HUGE)), _HUGE + 64)),
    "gguf.header.work": one(*endless(key("a", ARRAY, struct.pack("<IQ", STRING, 2_000_001)), 17 << 20)),
    "gguf.count.keys": one(start(0, 2**60) + bytes(64)),
    "gguf.count.tensors": one(start(2**60, 0) + bytes(64)),
    "gguf.key.length": one(*long_key()),
    "gguf.key.ascii": added("ü.b", U32, bytes(4)),
    "gguf.key.name": added("General.Name", U32, bytes(4)),
    "gguf.key.duplicate": added("general.name", STRING, text("Other")),
    "gguf.key.type": changed({"llama.context_length": (STRING, "2048")}),
    "gguf.value.type": added("a", 13, b""),
    "gguf.value.bool": added("a", BOOL, b"\2"),
    "gguf.string.length": added("a", STRING, struct.pack("<Q", 2**63)),
    "gguf.string.utf8": added("general.description", STRING, text(b"\xff\xfe")),
    "gguf.string.nul": added("general.description", STRING, text("kind\0cruel")),
    "gguf.string.long": one(*with_hole("general.description", struct.pack("<Q", (1 << 20) + 1), (1 << 20) + 1)),
    "gguf.array.type": added("a", ARRAY, struct.pack("<IQ", 13, 1)),
    "gguf.array.length": added("a", ARRAY, struct.pack("<IQ", U64, 2**61 + 1)),
    "gguf.array.long": one(*endless(key("a", ARRAY, struct.pack("<IQ", U8, (16 << 20) + 1)), 17 << 20)),
    "gguf.array.item": one(*with_hole("a", struct.pack("<IQQ", STRING, 1, 1 << 20), 1 << 20, ARRAY)),
    "gguf.array.depth": Hostile(added("a", ARRAY, NESTED * 4 + _LIST + b"\1").files, frozenset({"gguf.array.nested"})),
    "gguf.array.nested": added("a", ARRAY, NESTED + _LIST + b"\1"),
    "gguf.tensor.none": one(sound(tensors=(), data_bytes=0)),
    "gguf.tensor.name_length": one(placed(EMBEDDING, ("w" * 65, (64, 8), Q8_0_TYPE, 1024), DOWN)),
    "gguf.tensor.name": one(placed(EMBEDDING, ("a\nweight", (64, 8), Q8_0_TYPE, 1024), DOWN)),
    "gguf.tensor.duplicate": one(placed(EMBEDDING, ATTENTION, (ATTENTION[0], (64, 8), Q8_0_TYPE, 1568))),
    "gguf.tensor.dimensions": one(placed(EMBEDDING, ("a", (1,) * 5, F32_TYPE, 1024), DOWN)),
    "gguf.tensor.shape": one(placed(EMBEDDING, ("a", (64, 0), Q8_0_TYPE, 1024), DOWN)),
    "gguf.tensor.wide": one(placed(EMBEDDING, ("a", (2**31,), F32_TYPE, 1024), DOWN)),
    "gguf.tensor.overflow": one(placed(EMBEDDING, ("a", (2**31 - 32, 2**31, 4), F32_TYPE, 1024), DOWN)),
    "gguf.tensor.total": one(
        placed(*(("a" * n, (2**31 - 1, 2**29), F32_TYPE, 0) for n in range(1, 4)), ("b", (8,), F32_TYPE, 0))
    ),
    "gguf.tensor.type": one(placed(EMBEDDING, ("a", (64, 8), 4, 1024), DOWN)),
    "gguf.tensor.type_new": one(placed(EMBEDDING, ("a", (64, 8), 60, 1024), DOWN)),
    "gguf.tensor.rows": one(placed(EMBEDDING, ("a", (63, 8), Q8_0_TYPE, 1024), DOWN)),
    "gguf.tensor.alignment": one(placed(EMBEDDING, ATTENTION, ("a", (64, 7), Q8_0_TYPE, 1568 + 8), data_bytes=2080)),
    "gguf.tensor.outside": one(sound()[:-32]),
    "gguf.tensor.overlap": one(placed(EMBEDDING, ATTENTION, DOWN, ("a", (8,), F32_TYPE, 1024 + 32))),
    "gguf.tensor.gap": one(placed(EMBEDDING, ATTENTION, (DOWN[0], (64, 8), 8, 1568 + 64), data_bytes=DATA_BYTES + 64)),
    "gguf.tensor.padding": one(padded(b"\x7fELF")),
    "gguf.layout.alignment": changed({"general.alignment": (U32, 48)}),
    "gguf.layout.trailing": one(sound() + b"#!/bin/sh\n" * 8),
    "gguf.layout.archive": one(sound()[: -len(ZIP_END)] + ZIP_END),
    "gguf.arch.missing": one(sound(without=("general.architecture",))),
    "gguf.arch.name": changed({"general.architecture": (STRING, "../llama")}),
    "gguf.arch.blocks": changed({"llama.block_count": (U32, 513)}),
    "gguf.arch.block_number": changed({"llama.block_count": (U32, 1)}),
    "gguf.arch.layer_array": changed({"llama.feed_forward_length": (ARRAY, (U32, [128, 128, 128]))}),
    "gguf.arch.size": changed({"llama.feed_forward_length": (U32, 2**31)}),
    "gguf.arch.heads": changed({"llama.attention.head_count": (U32, 0)}),
    "gguf.arch.head_size": changed({"llama.attention.head_count": (U32, 6)}),
    "gguf.arch.kv_heads": changed({"llama.attention.head_count_kv": (U32, 3)}),
    "gguf.arch.embedding": one(embedding((32, 4))),
    "gguf.arch.vocabulary": one(embedding((64, 3))),
    "gguf.arch.vocab_size": changed({"llama.vocab_size": (U32, 5)}),
    "gguf.arch.rope": changed({"llama.rope.dimension_count": (U32, 18)}),
    "gguf.arch.number": changed({"llama.rope.freq_base": (F32, float("nan"))}),
    "gguf.arch.experts": changed({"llama.expert_count": (U32, 2), "llama.expert_used_count": (U32, 3)}),
    "gguf.arch.context": changed({"llama.context_length": (U64, 2**31)}),
    "gguf.tokenizer.types": changed({"tokenizer.ggml.scores": (ARRAY, (U8, [0, 0, 0, 0]))}),
    "gguf.tokenizer.lengths": changed({"tokenizer.ggml.scores": (ARRAY, (F32, [0.0, 0.0, 0.0]))}),
    "gguf.tokenizer.token_type": changed({"tokenizer.ggml.token_type": (ARRAY, (I32, [3, 6, 1, 7]))}),
    "gguf.tokenizer.duplicate": changed({"tokenizer.ggml.tokens": (ARRAY, (STRING, ["<s>", "<0x0A>", "a", "a"]))}),
    "gguf.tokenizer.token_length": one(*long_token(65_537)),
    "gguf.tokenizer.byte_token": changed({"tokenizer.ggml.tokens": (ARRAY, (STRING, ["<s>", "<0x-1>", "a", "b"]))}),
    "gguf.tokenizer.special": changed({"tokenizer.ggml.bos_token_id": (U32, 4)}),
    "gguf.tokenizer.merges": changed({"tokenizer.ggml.merges": (ARRAY, (STRING, ["a "]))}),
    "gguf.tokenizer.utf8": changed({"tokenizer.ggml.tokens": (ARRAY, (STRING, ["<s>", "<0x0A>", b"\xff", "b"]))}),
    "gguf.tokenizer.charsmap": changed(
        {"tokenizer.ggml.precompiled_charsmap": (ARRAY, (U8, [255, 255, 255, 127, 0, 0]))}
    ),
    "gguf.split.number": one(piece(2, 2)),
    "gguf.split.name": Hostile({"m-00001-of-00002.gguf": (piece(1, 2),), "m-00002-of-00002.gguf": (piece(0, 2),)}),
    "gguf.split.missing": Hostile({"m-00001-of-00002.gguf": (piece(0, 2),)}),
    "gguf.split.twice": Hostile({"a.gguf": (piece(0, 2),), "b.gguf": (piece(1, 2),), "c.gguf": (piece(1, 2),)}),
    "gguf.split.total": Hostile(pieces(piece(0, 2, 3), piece(1, 2, 3))),
    "gguf.split.architecture": Hostile(pieces(piece(0, 2), piece(1, 2, architecture="mamba"))),
    "gguf.split.tensor": Hostile(pieces(piece(0, 2, name="a"), piece(1, 2, name="a"))),
}

# More files, each found by the check named.
MORE: list[tuple[str, bytes]] = [
    ("gguf.split.number", sound({"split.no": (U16, 1)}, without=("general.architecture",))),
    ("gguf.split.number", sound({"split.no": (U16, 7), "split.count": (U16, 1)})),
    ("gguf.key.type", sound({"general.alignment": (STRING, "32")})),
    ("gguf.key.type", sound({"general.alignment": (ARRAY, (U32, [32]))})),
    ("gguf.key.type", sound({"llama.wkv.head_size": (STRING, "64")})),
    ("gguf.arch.size", sound({"llama.wkv.head_size": (U32, 0)})),
    ("gguf.arch.size", sound({"llama.ssm.time_step_rank": (U32, 0)})),
    ("gguf.arch.experts", sound({"llama.expert_used_count": (U32, 2)})),
    ("gguf.arch.number", sound({"llama.rope.factors": (ARRAY, (F32, [1.0, float("inf")]))})),
    ("gguf.tokenizer.special", sound({"tokenizer.ggml.bos_token_id": (I32, -1)})),
    ("gguf.tokenizer.special", sound({"tokenizer.ggml.eog_token_ids": (ARRAY, (U32, [0] * 5000))})),
]
