"""What the engine keeps of the tokens it has read: keys and values, and the states of recurrent layers. Exact.

Source: llama.cpp b11549, `llama_kv_cache`, `llama_kv_cache_iswa`, `llama_memory_recurrent`; the tests ask the engine.
"""

from __future__ import annotations

from freehold.fit.blueprint import Blueprint, Layer, RunShape

CELLS = 256
"""A cache has a multiple of so many cells (`n_ctx` and `n_ctx_seq` are padded to it)."""

# ggml type -> (values in a block, bytes of a block): the types that a cache may have here. The engine also takes f32,
# and copies it to 16 bits a layer at a time.
CACHE_TYPES: dict[str, tuple[int, int]] = {
    "f16": (1, 2),
    "bf16": (1, 2),
    "q8_0": (32, 34),
    "q5_1": (32, 24),
    "q5_0": (32, 22),
    "q4_1": (32, 20),
    "q4_0": (32, 18),
    "iq4_nl": (32, 18),
}
_ROWS = {**CACHE_TYPES, "f32": (1, 4)}
STATE_BYTES = 4


def cells(run: RunShape, window_tokens: int = 0) -> int:
    """How many tokens one stream of the cache holds; a unified cache has one stream for all slots.

    A window needs the tokens it sees, for each slot that shares the stream, and the batch that is being read.
    """
    shared = run.slots if run.unified else 1
    whole = padded(run.context_tokens * shared)
    if not window_tokens:
        return whole
    return min(whole, padded(window_tokens * shared + run.batch_tokens))


def streams(run: RunShape) -> int:
    """How many of them there are."""
    return 1 if run.unified else run.slots


def cache_bytes(blueprint: Blueprint, run: RunShape) -> int:
    """Keys and values of all layers that have a cache of their own."""
    return sum(count * layer_cache_bytes(blueprint, layer, run) for layer, count in blueprint.kinds.items())


def layer_cache_bytes(blueprint: Blueprint, layer: Layer, run: RunShape) -> int:
    """Keys and values of one layer; zero where it has no cache of its own."""
    if layer.attention == "none" or not layer.cached:
        return 0
    key = layer.kv_heads * layer.key_size
    value = _value_width(blueprint, layer, run)
    each = row_bytes(run.cache_type_k, key) + row_bytes(run.cache_type_v, value)
    indexer = row_bytes(run.cache_type_k, layer.indexer_size)
    return (each + indexer) * cells(run, layer.window_tokens) * streams(run)


def state_bytes(blueprint: Blueprint, run: RunShape) -> int:
    """The states of all recurrent layers, for every slot; always 32-bit floats."""
    return sum(count * layer.state_elements for layer, count in blueprint.kinds.items()) * STATE_BYTES * run.slots


def padded(tokens: int) -> int:
    return -(-tokens // CELLS) * CELLS


def _value_width(blueprint: Blueprint, layer: Layer, run: RunShape) -> int:
    """Without flash attention values are kept transposed, and then as wide as the widest layer's."""
    own = layer.kv_heads * layer.value_size
    if run.flash_attention or not own:
        return own
    return max(each.kv_heads * each.value_size for each in blueprint.kinds)


def row_bytes(kind: str, width: int) -> int:
    """What `width` values of one token take in a cache of type `kind`."""
    values, size_bytes = _ROWS[kind]
    return width * size_bytes // values
