"""The engine's compute and output buffers: what one batch needs while it passes through the layers.

ggml lays the tensors of one pass into one buffer and reuses what is no longer needed, so that its size is that of the
widest moment: the logits of every token of a batch, the attention of a layer, or its feed-forward network.
Source: llama.cpp b11549, `llama_context::graph_reserve`, `output_reserve`; fitted to and tested against its figures.
"""

from __future__ import annotations

from freehold.fit.blueprint import Blueprint, RunShape
from freehold.fit.cache import cells, streams

F32, F16 = 4, 2


def compute_bytes(blueprint: Blueprint, run: RunShape) -> int:
    """The size of the compute buffer of one pass, where every token of the batch gives logits."""
    tokens = min(run.batch_tokens, run.context_tokens * run.slots)
    inputs = tokens * blueprint.hidden * F32 + masks_bytes(blueprint, run, tokens)
    widest = max(_logits(blueprint, tokens), _attention(blueprint, run, tokens), _feed_forward(blueprint, tokens))
    return inputs + widest


def output_bytes(blueprint: Blueprint, run: RunShape) -> int:
    """Where the answers of a pass are handed over: logits and the embedding of one token for every slot."""
    return run.slots * (blueprint.vocabulary + blueprint.hidden) * F32


def masks_bytes(blueprint: Blueprint, run: RunShape, tokens: int) -> int:
    """Which token may see which: one mask for all layers without a window, one for all with."""
    kinds = {layer.window_tokens for layer in blueprint.layers if layer.attention != "none"}
    size = F16 if run.flash_attention else F32
    return sum(cells(run, window) for window in kinds) * tokens * size


def _logits(blueprint: Blueprint, tokens: int) -> int:
    return tokens * (blueprint.vocabulary + blueprint.hidden) * F32


def _attention(blueprint: Blueprint, run: RunShape, tokens: int) -> int:
    widest = 0
    for layer in blueprint.layers:
        query = layer.heads * layer.key_size
        own = layer.kv_heads * (layer.key_size + layer.value_size)
        scores = 0 if run.flash_attention else layer.heads * cells(run, layer.window_tokens) * streams(run)
        widest = max(widest, 2 * blueprint.hidden + 2 * query + own + scores)
    return widest * tokens * F32


def _feed_forward(blueprint: Blueprint, tokens: int) -> int:
    width = (blueprint.feed_forward or 0) * max(1, blueprint.experts_used)
    return tokens * (2 * blueprint.hidden + 2 * width) * F32
