"""What the worker's process takes beside its build and its buffers, and what it maps twice.

Source: workers of llama.cpp b11549 (xllamacpp 2026.10.11549) on x86-64 Linux, Python 3.11; `bench/fit_memory.py` holds
this against real ones. Not counted: the bound of the prompt cache, which the engine's start takes off the machine.
"""

from __future__ import annotations

import math

from freehold.core.quantity import Estimated, Quantity, Unknown
from freehold.fit.blueprint import Blueprint, BuildTensor, Layer, RunShape
from freehold.fit.cache import STATE_BYTES, row_bytes

PROGRAM_BYTES = 52 << 20
"""The interpreter, the engine's library, 64 threads for HTTP, the heap of a server that has answered."""
TOKEN_BYTES = 160
"""Of each token in the table: its text twice, its score, its place in two maps."""
CANDIDATE_BYTES = 12
"""Of each token for each slot that draws one (`llama_token_data`)."""
SPREAD = 0.15
"""How far they may be from other machines and releases; where they were measured they were nearer."""

REPACKED = ("Q4_0", "Q4_K", "IQ4_NL")
"""Types that the engine lays out anew for AVX2 (`ggml_repack_get_optimal_repack_type`)."""


def process_bytes(blueprint: Blueprint, run: RunShape) -> Quantity:
    """Of the process that serves the build on a processor: the program, its tables, a batch in the form that matrices
    are multiplied in, and what it keeps of every slot to go back to."""
    program = PROGRAM_BYTES + blueprint.vocabulary * (TOKEN_BYTES + CANDIDATE_BYTES * run.slots)
    widest = max((layer.feed_forward // 3 for layer in blueprint.kinds), default=0)
    batch = run.batch_tokens * widest * 2
    kept = run.checkpoints * run.slots * checkpoint_bytes(blueprint, run)
    low, high = program * (1 - SPREAD), program * (1 + SPREAD) + batch + kept
    return Estimated(low, high, "workers that were measured", program + batch + kept)


def checkpoint_bytes(blueprint: Blueprint, run: RunShape) -> int:
    """What the engine keeps of one slot to go back to, where it cannot go back otherwise: the windows and the states
    (`common_prompt_checkpoint`). Zero where every layer sees everything."""
    return sum(count * _kept(layer, run) for layer, count in blueprint.kinds.items())


def _kept(layer: Layer, run: RunShape) -> int:
    states = layer.state_elements * STATE_BYTES
    if not layer.window_tokens or not layer.cached:
        return states
    keys = row_bytes(run.cache_type_k, layer.kv_heads * layer.key_size)
    values = row_bytes(run.cache_type_v, layer.kv_heads * layer.value_size)
    return states + (keys + values) * min(layer.window_tokens, run.context_tokens)


def mapped_twice_bytes(blueprint: Blueprint) -> Quantity:
    """Weights that the engine lays out anew for the processor: the file's pages stay mapped beside the copy until the
    kernel wants them back, so that they show in the process and do not count against what fits."""
    if blueprint.tensors is None:
        return Unknown("no tensor of it has been seen")
    again = sum(tensor.size_bytes for tensor in blueprint.tensors if _is_repacked(tensor))
    return Estimated(0, again, "the types that are laid out anew for AVX2", again)


def _is_repacked(tensor: BuildTensor) -> bool:
    return (
        tensor.type in REPACKED
        and tensor.role != "embedding"
        and len(tensor.shape) >= 2
        and math.prod(tensor.shape[1:2]) % 8 == 0
    )
