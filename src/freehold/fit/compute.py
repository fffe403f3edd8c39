"""The engine's compute and output buffers: what one batch needs while it passes through the layers.

ggml lays the tensors of one pass into one buffer and reuses what is no longer needed, so that its size is that of the
widest moment: the logits of every token of a batch, the attention of a layer, its recurrence, or its feed-forward
network. Which tensors live at each of these moments was read off the engine's own figures, for a processor and for
workers that give embeddings as well as logits (so that every token of a batch has an output).

Source: llama.cpp b11549, `llama_context::graph_reserve` and `output_reserve`; the tests ask the engine.
"""

from __future__ import annotations

from freehold.fit.blueprint import Blueprint, Layer, RunShape
from freehold.fit.cache import cells

F32, F16, I64 = 4, 2, 8
LASTING = 5
"""How many vectors of the model's width live through every moment: the batch as it came in three forms, what a layer
was given, and what its norm made of it."""

# Tokens, positions, places in the cache and outputs, of one token.
_NUMBERS_BYTES = 40
_NUMBERS_BYTES_PER_CACHE = 16
# These give no logits where embeddings are asked for.
_NO_LOGITS = ("lfm2", "lfm2moe")
# How many vectors of the model's width more or less live through attention without flash attention: less where the norm
# stands after it or its three matrices are one, more where the mask is made of distances (ALiBi).
_BESIDE_SCORES = {
    **dict.fromkeys(("olmo2", "exaone4", "phi3", "phi2", "jamba", "gptneox", "falcon"), -1),
    **dict.fromkeys(("bloom", "mpt"), 2),
}


def compute_bytes(blueprint: Blueprint, run: RunShape) -> int:
    """The size of the compute buffer of one pass."""
    tokens = min(run.batch_tokens, run.context_tokens * run.slots)
    masks = [tokens * each for each in _mask_bytes(blueprint, run)]
    inputs = sum(masks) + tokens * _numbers_bytes(blueprint, run, len(masks))
    logits = tokens * _logits(blueprint)
    # No mask is needed any more when logits are made, and they take the place of one, and of what the batch came in.
    room = max(masks, default=0) + tokens * blueprint.hidden * F32
    fits = bool(masks) and room >= logits * F32
    widest = max(0 if fits else logits, *(_layer(blueprint, each, run, tokens) for each in blueprint.kinds))
    lasting = tokens * (LASTING * blueprint.hidden + blueprint.beside_hidden)
    return inputs + (lasting + widest) * F32


def output_bytes(blueprint: Blueprint, outputs: int) -> int:
    """Where the answers of a pass are handed over: logits and the embedding of `outputs` tokens."""
    return outputs * (blueprint.vocabulary + blueprint.hidden) * F32


def _mask_bytes(blueprint: Blueprint, run: RunShape) -> list[int]:
    """Of one token: which other tokens it may see, in one mask for each kind of cache."""
    windows = {layer.window_tokens for layer in blueprint.kinds if layer.attention != "none"}
    size = F16 if run.flash_attention else F32
    return [cells(run, window) * size for window in windows]


def _numbers_bytes(blueprint: Blueprint, run: RunShape, caches: int) -> int:
    """Of one token: its numbers. Without flash attention values are kept transposed, and every value of a token has a
    place of its own."""
    width = max((layer.kv_heads * layer.value_size for layer in blueprint.kinds), default=0)
    places = 0 if run.flash_attention else width * I64 * caches
    return _NUMBERS_BYTES + _NUMBERS_BYTES_PER_CACHE * caches + places


def _logits(blueprint: Blueprint) -> int:
    return 0 if blueprint.architecture in _NO_LOGITS else blueprint.vocabulary


def _layer(blueprint: Blueprint, layer: Layer, run: RunShape, tokens: int) -> int:
    """Elements at the widest moment of one layer, beside what lasts."""
    return max(
        tokens * _attention(blueprint, layer, run),
        tokens * layer.feed_forward,
        _recurrence(layer, run.slots, tokens),
    )


def _recurrence(layer: Layer, slots: int, tokens: int) -> int:
    """The states of all slots are written anew beside the old ones; a copy of them takes room of its own where it does
    not fit where another tensor was."""
    state = slots * (layer.state_elements - layer.rolling_elements)
    rolling, room = slots * layer.rolling_elements, tokens * layer.inner
    match layer.recurrence:
        case "delta" | "kda":
            states = 0 if state <= room else rolling + 2 * state
        case "rwkv":
            states = rolling + state + (0 if state < room else state)
        case _:
            again = state - state // slots
            states = rolling + state + (0 if again <= room else again)
    return tokens * layer.mixing + states


def _attention(blueprint: Blueprint, layer: Layer, run: RunShape) -> int:
    if layer.attention == "none":
        return 0
    scores = 0 if run.flash_attention else layer.heads * cells(run, layer.window_tokens)
    query = layer.heads * layer.key_size
    if layer.attention == "latent":
        return scores + 2 * query + layer.heads * layer.query_size
    if run.flash_attention:
        return 2 * query + layer.kv_heads * (layer.key_size + layer.value_size)
    again = query if query > blueprint.hidden and not blueprint.layers[0].state_elements else 0
    return scores + query + again + _BESIDE_SCORES.get(blueprint.architecture, 0) * blueprint.hidden
