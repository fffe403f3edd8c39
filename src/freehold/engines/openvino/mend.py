"""Makes a model that OpenVINO's GGUF reader gave exact again, and tells whether it is.

The reader stores 4-bit weights as `(code - zero) * scale` with a zero of 4 bits: exact for Q4_0 (zero 8), rounded for
types whose blocks have a minimum of their own. Seen with 2026.4 on SmolLM2, Q4_1: every weight of a block off by up to
half a step, perplexity 91 in place of 68. So every compressed constant is found again in the file, by its codes, and
its zero replaced by the exact one as a 16-bit float (KL divergence 1e-5 from float32 arithmetic on the same weights).
A constant that is not found, or that cannot be made exact, ends the conversion.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from freehold.engines.openvino.gguf_parts import Blocks, GgufParts

# Greater ones have no 16-bit float; a block like that has a minimum thousands of steps away from zero.
_LARGEST_ZERO = 60_000.0


class InexactError(Exception):
    """The converted model is not the one in the file; what is wrong, as the end of a sentence."""


def mend(model: Any, parts: GgufParts) -> int:
    """Make every compressed constant of `model` exact; how many there were. Raises InexactError."""
    import openvino.opset13 as ops

    table: dict[bytes, list[Blocks]] = defaultdict(list)
    for blocks in _blocks(parts):
        table[_digest(blocks.codes)].append(blocks)
    count = 0
    for subtract in model.get_ordered_ops():
        found = _compressed(subtract)
        if found is None:
            continue
        blocks = _original(found, table)
        scale, zero = _exact(blocks)
        if not (np.array_equal(found.scales, scale) and np.array_equal(found.zeros, zero)):
            subtract.input(1).replace_source_output(ops.constant(zero).output(0))
            found.scale_input.replace_source_output(ops.constant(scale).output(0))
        count += 1
    model.validate_nodes_and_infer_types()
    return count


@dataclass(frozen=True, slots=True)
class _Compressed:
    """Weights as the graph has them, and where in it their scale goes in."""

    codes: Any
    zeros: Any
    scales: Any
    scale_input: Any


def _blocks(parts: GgufParts) -> Iterator[Blocks]:
    """Every tensor whose blocks are looked into, with its rows in the order in which the reader has them."""
    for name in parts.tensors:
        found = parts.blocks(name)
        if found is None:
            continue
        yield found
        heads = parts.number("attention.head_count_kv" if "attn_k." in name else "attention.head_count")
        # Files of the architecture "llama" have the two halves of every head's rotary pairs interleaved.
        if parts.architecture == "llama" and heads and (".attn_q." in name or ".attn_k." in name):
            rows = np.arange(found.codes.shape[0]).reshape(heads, -1, 2).swapaxes(1, 2).reshape(-1)
            yield Blocks(found.codes[rows], found.scale[rows], found.minimum[rows])


def _compressed(subtract: Any) -> _Compressed | None:
    """The weights behind a node, where it is the `Subtract` of `(codes - zeros) * scales`."""
    if subtract.get_type_name() != "Subtract":
        return None
    codes, zeros = (_values(subtract.input(place).get_source_output().get_node()) for place in (0, 1))
    if codes is None or zeros is None or codes.dtype != np.uint8:
        return None
    multiply = next(iter(subtract.output(0).get_target_inputs())).get_node()
    for scale_input in multiply.inputs():
        constant = scale_input.get_source_output().get_node()
        if constant.get_type_name() == "Constant":
            scales = np.asarray(constant.data)
            return _Compressed(codes, zeros, scales, scale_input)
    raise InexactError("has weights without a scale")


def _original(found: _Compressed, table: Mapping[bytes, Sequence[Blocks]]) -> Blocks:
    """The tensor of the file that these weights are: codes and scales are the same."""
    for blocks in table.get(_digest(found.codes), ()):
        if np.array_equal(blocks.scale.astype(np.float16), found.scales.astype(np.float16)):
            return blocks
    raise InexactError(f"has weights of the shape {found.codes.shape} that are not in the file")


def _values(node: Any) -> Any:
    """The numbers of a constant of 4, 8 or 16 bits, behind a conversion or not; None for any other node."""
    node = node.input(0).get_source_output().get_node() if node.get_type_name() == "Convert" else node
    if node.get_type_name() != "Constant":
        return None
    kind = node.get_element_type().get_type_name()
    if kind in {"u8", "f16"}:
        return np.asarray(node.data)
    if kind != "u4":
        return None
    packed = np.frombuffer(bytes(node.data), np.uint8)
    pairs = np.stack([packed & 15, packed >> 4], axis=-1).reshape(-1)
    shape = tuple(node.shape)
    return pairs[: int(np.prod(shape))].reshape(shape)


def _digest(codes: Any) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(codes, dtype=np.uint8).tobytes()).digest()


def _exact(blocks: Blocks) -> tuple[Any, Any]:
    """Scales and zeros with which `(code - zero) * scale` is the file's weight. Raises InexactError."""
    flat = blocks.scale == 0
    if np.any(flat & (blocks.minimum != 0) & blocks.codes.any(axis=-1, keepdims=True)):
        raise InexactError("has a block that is all one value and has codes all the same")
    # A block without a scale is one value: that value is the scale then, and its zero one step off.
    scale = np.where(flat & (blocks.minimum != 0), np.abs(blocks.minimum), blocks.scale)
    stored = scale.astype(np.float16).astype(np.float32)
    zero = np.divide(-blocks.minimum, stored, out=np.zeros_like(stored), where=stored != 0)
    if not np.all(np.isfinite(stored)) or np.max(np.abs(zero), initial=0) > _LARGEST_ZERO:
        raise InexactError("has blocks whose values 16-bit floats cannot hold")
    return stored.astype(np.float16), zero.astype(np.float16)
