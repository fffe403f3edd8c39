"""The models that the micro-benchmark runs: made for it, of a shape that isolates one cost, with no meaning.

`written` makes a whole GGUF file of one, which the engine loads as it loads any. Weights are a block of numbers that
was quantized once and repeated, because what they say does not change how long they take; no product of them overflows.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from freehold.weights.tensor_types import TENSOR_TYPES

_ALIGNMENT = 32
_NUMBERS = {name: number for number, (name, _, _) in TENSOR_TYPES.items()}
_U32, _I32, _F32, _STRING, _ARRAY = 4, 5, 6, 8, 9
_UNKNOWN, _CONTROL, _BYTE, _NORMAL = 2, 3, 6, 1


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder as Llama's, with `type` for every matrix of its layers and its output, and a vocabulary of its own."""

    type: str
    layers: int
    hidden: int
    feed_forward: int
    heads: int = 4
    kv_heads: int = 2
    head_size: int = 64
    vocabulary: int = 512

    @property
    def layer_weights(self) -> int:
        """Weights of the matrices of one layer."""
        return sum(math.prod(shape) for _, shape in _matrices(self, 0))

    @property
    def layer_bytes(self) -> int:
        """Bytes of the matrices of one layer."""
        return sum(_size_bytes(self.type, sides) for _, sides in _matrices(self, 0))

    @property
    def widths(self) -> int:
        """Numbers that go into and come out of the matrices of one layer."""
        return sum(sum(shape) for _, shape in _matrices(self, 0))

    @property
    def output_weights(self) -> int:
        return self.hidden * self.vocabulary


def written(path: Path, shape: Shape, blocks: Mapping[str, bytes], *, words: bool = False) -> None:
    """Write `shape` to `path`; `blocks` hold whole rows of each type it needs, F32 among them.

    With `words` it has a vocabulary that can be spoken, as a server needs one.
    """
    tensors = list(_tensors(shape))
    head, offset = [], 0
    for name, sides, kind in tensors:
        head.append(_text(name) + struct.pack(f"<I{len(sides)}QIQ", len(sides), *sides, _NUMBERS[kind], offset))
        offset += _padded(_size_bytes(kind, sides))
    keys = list(_keys(shape, words=words))
    start = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys) + b"".join(head)
    with path.open("wb") as file:
        file.write(start.ljust(_padded(len(start)), b"\0"))
        for _, sides, kind in tensors:
            size_bytes, block = _size_bytes(kind, sides), blocks[kind]
            for _ in range(size_bytes // len(block)):
                file.write(block)
            file.write(
                block[: size_bytes % len(block)].ljust(
                    _padded(size_bytes) - size_bytes // len(block) * len(block), b"\0"
                )
            )


def _matrices(shape: Shape, layer: int) -> Iterator[tuple[str, tuple[int, int]]]:
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    sides = {
        "attn_q": (shape.hidden, queries),
        "attn_k": (shape.hidden, keys),
        "attn_v": (shape.hidden, keys),
        "attn_output": (queries, shape.hidden),
        "ffn_gate": (shape.hidden, shape.feed_forward),
        "ffn_up": (shape.hidden, shape.feed_forward),
        "ffn_down": (shape.feed_forward, shape.hidden),
    }
    yield from ((f"blk.{layer}.{name}.weight", each) for name, each in sides.items())


def _tensors(shape: Shape) -> Iterator[tuple[str, Sequence[int], str]]:
    yield "token_embd.weight", (shape.hidden, shape.vocabulary), "F32"
    yield "output_norm.weight", (shape.hidden,), "F32"
    yield "output.weight", (shape.hidden, shape.vocabulary), shape.type
    for layer in range(shape.layers):
        for norm in ("attn_norm", "ffn_norm"):
            yield f"blk.{layer}.{norm}.weight", (shape.hidden,), "F32"
        yield from ((name, sides, shape.type) for name, sides in _matrices(shape, layer))


def _keys(shape: Shape, *, words: bool) -> Iterator[bytes]:
    yield _key("general.architecture", _STRING) + _text("llama")
    numbers = {
        "context_length": 1 << 20,
        "embedding_length": shape.hidden,
        "block_count": shape.layers,
        "feed_forward_length": shape.feed_forward,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "attention.key_length": shape.head_size,
        "attention.value_length": shape.head_size,
        "rope.dimension_count": shape.head_size,
        "vocab_size": shape.vocabulary,
    }
    yield from (_key(f"llama.{name}", _U32) + struct.pack("<I", number) for name, number in numbers.items())
    yield _key("llama.attention.layer_norm_rms_epsilon", _F32) + struct.pack("<f", 1e-5)
    yield from _spoken(shape.vocabulary) if words else (_key("tokenizer.ggml.model", _STRING) + _text("no_vocab"),)


def _spoken(count: int) -> Iterator[bytes]:
    """A vocabulary of SentencePiece's kind: three control tokens, every byte, and words of no meaning."""
    texts = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    texts += [f"w{number}" for number in range(count - len(texts))]
    kinds = [_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256, *[_NORMAL] * (count - 259)]
    yield _key("tokenizer.ggml.model", _STRING) + _text("llama")
    yield _key("tokenizer.ggml.tokens", _ARRAY) + struct.pack("<IQ", _STRING, count) + b"".join(map(_text, texts))
    yield _key("tokenizer.ggml.scores", _ARRAY) + struct.pack(f"<IQ{count}f", _F32, count, *[0.0] * count)
    yield _key("tokenizer.ggml.token_type", _ARRAY) + struct.pack(f"<IQ{count}i", _I32, count, *kinds)


def _key(name: str, kind: int) -> bytes:
    return _text(name) + struct.pack("<I", kind)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _size_bytes(kind: str, sides: Sequence[int]) -> int:
    _, block_weights, block_bytes = TENSOR_TYPES[_NUMBERS[kind]]
    return math.prod(sides) // block_weights * block_bytes


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // _ALIGNMENT) * _ALIGNMENT
