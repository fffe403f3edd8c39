"""What the micro-benchmark measures, in which order. The base type and attention with a plain
cache are always measured; of the others, those at the end where there is time. What is held here stands first, then
what people run most.

Data only. Every model is larger than the processor's caches, because the weights of those that people run are; the
two small ones that isolate a pass and a look of attention are the exception.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from freehold.engines.llamacpp.gauge.shapes import Shape

TYPES = (
    *("Q8_0", "Q4_0", "Q4_K", "Q6_K", "F16", "Q4_1", "Q5_0", "Q5_K", "Q5_1", "BF16", "IQ4_NL", "MXFP4", "Q3_K"),
    *("Q2_K", "IQ4_XS", "F32", "IQ3_S", "IQ3_XXS", "IQ2_S", "IQ2_XS", "IQ2_XXS", "TQ2_0", "TQ1_0"),
)
AT_ONCE = (1, 2, 4, 8, 32, 128)
"""Tokens that share one reading of the weights: sequences that generate together, and batches of prompts."""
MANY = 128
"""Tokens at once where many are told from one."""
LEAST_BYTES = 64 << 20
CACHES = 2
"""How many times a model is as large as the largest cache of the processor."""
LARGEST_BYTES = 1 << 29
MOST_LAYERS = 512
"""LLAMA_MAX_LAYERS of llama.cpp (src/llama-hparams.h): a model with more ends the process."""
LOOKED_AT = 1023
"""Held tokens that heads look at, where attention is timed: with the one that looks they fill the cells it reads."""
PLAIN_CACHE, FIRST_LOOK, OTHER_LOOKS = "f16", 64, (128, 256)
QUANTIZED_LOOKS = (("q8_0", 64), ("q8_0", 128), ("q4_0", 64), ("q4_0", 128))
LOOKS = (*((PLAIN_CACHE, size) for size in (FIRST_LOOK, *OTHER_LOOKS)), *QUANTIZED_LOOKS)
"""Types of the cache and sizes of a head."""
BASE = "Q8_0"
"""The type that everything but the types themselves is measured with."""
OTHERS_BETWEEN = 8
"""Types after which what every prediction rests on is timed again: the narrow probe, the base type, the first look. A
machine that has neighbors is another one a minute later."""

SMALL = Shape(BASE, layers=1, hidden=256, feed_forward=512)
SPOKEN = {
    count: Shape(BASE, layers=1, hidden=32, feed_forward=32, heads=1, kv_heads=1, head_size=32, vocabulary=count)
    for count in (2048, 131_072)
}
"""Next to no arithmetic: what the server itself takes for a step, with few and with many tokens to choose from."""
SPOKEN_TOGETHER = (1, 4)


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass that is timed: `tokens` new ones after `held`."""

    tokens: int
    held: int = 0


def ordered(first: Iterable[str]) -> tuple[str, ...]:
    """TYPES with those of `first` before the others; the base type leads, because it is measured always."""
    wanted = {BASE, *first}
    return tuple(sorted(TYPES, key=lambda kind: kind not in wanted))


def wide(kind: str, cache_bytes: int) -> Shape:
    """Matrices as wide as those of models of a billion parameters; as many layers as make it large enough."""
    return _filled(Shape(kind, 1, 1024, 4096, heads=16, kv_heads=8), cache_bytes)


def narrow(cache_bytes: int) -> Shape:
    """Many layers with little in them: what an operation costs beside its arithmetic."""
    return _filled(Shape(BASE, 1, 256, 512), cache_bytes)


def looking(head_size: int) -> Shape:
    """Attention and hardly anything else."""
    return Shape(BASE, layers=4, hidden=256, feed_forward=256, heads=16, kv_heads=4, head_size=head_size)


def _filled(one: Shape, cache_bytes: int) -> Shape:
    """As many layers of `one` as make it large enough, and wider ones where the engine does not take so many."""
    wanted = min(max(LEAST_BYTES, CACHES * cache_bytes), LARGEST_BYTES)
    while (layers := math.ceil(wanted / one.layer_bytes)) > MOST_LAYERS:
        one = replace(one, feed_forward=2 * one.feed_forward)
    return replace(one, layers=layers)
