"""From the numbers of a header to what each layer keeps: heads, windows, states, shared caches.

Pure. Every default is the engine's own, so that a header which leaves something out is read as the engine reads it.
Source: llama.cpp b11549, `llama_model_base::load_hparams` and `llama-hparams.cpp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from freehold.fit.architectures import ARCHITECTURES, Rules
from freehold.fit.blueprint import Attention, Layer
from freehold.fit.feed_forward import expert_width, held, waiting
from freehold.fit.recurrence import carried, carrying
from freehold.fit.stated import Stated

Numbers = Mapping[str, tuple[int, ...]]

_EVERY_LAYER = "embedding_length_per_layer_input"
_UNSTATED_EVERY_LAYER = 256


def layers_of(architecture: str, numbers: Numbers) -> tuple[Layer, ...] | str:
    """The layers that the engine makes of `numbers`, or why they cannot be told."""
    rules = ARCHITECTURES.get(architecture)
    if rules is None:
        return f"how the layers of the architecture {architecture!r} keep what they have read is not known here"
    stated = Stated(numbers)
    count = (stated.one("block_count") or 0) - (stated.one("nextn_predict_layers") or 0)
    hidden = stated.one("embedding_length")
    if count < 1 or not hidden:
        return "its header does not say how many layers it has, or how wide they are"
    windows = _windows(stated, rules, count)
    return tuple(_layer(stated, rules, count, index, windows[index]) for index in range(count))


def lasting_inputs(architecture: str, numbers: Numbers) -> int:
    """What of a token lasts through the whole pass beside its hidden values: its embeddings for every layer."""
    rules, stated = ARCHITECTURES.get(architecture), Stated(numbers)
    if rules is None or rules.every_layer != "lasting":
        return 0
    return (stated.one(_EVERY_LAYER) or 0) * (stated.one("block_count") or 0)


def _windows(stated: Stated, rules: Rules, count: int) -> list[int]:
    """How many tokens each layer sees; 0 sees all."""
    tokens = stated.one("attention.sliding_window")
    tokens = rules.window_tokens or 0 if tokens is None else tokens
    if rules.full_every is None or not tokens:
        return [0] * count
    pattern = stated.numbers.get("attention.sliding_window_pattern", ())
    if len(pattern) > 1:
        return [tokens if index < len(pattern) and pattern[index] else 0 for index in range(count)]
    every = pattern[0] if pattern else rules.full_every
    full = 0 if rules.full_first else every - 1
    return [0 if every and index % every == full else tokens for index in range(count)]


def _layer(stated: Stated, rules: Rules, count: int, index: int, window: int) -> Layer:
    heads = stated.at("attention.head_count", index) or 0
    kv_heads = stated.at("attention.head_count_kv", index)
    kv_heads = heads if kv_heads is None else kv_heads
    width = _feed_forward(stated, rules, count, index)
    recurrent = _is_recurrent(stated, rules, index, kv_heads)
    state = carried(rules.state, stated) if recurrent else None
    layer = Layer("none", feed_forward=width)
    layer = carrying(layer, state) if state else layer
    if (recurrent and not rules.both) or not kv_heads:
        return layer
    latent = bool(stated.one("attention.kv_lora_rank") and stated.one("attention.key_length_mla"))
    key, value = _head_sizes(stated, window=bool(window))
    attention: Attention = "latent" if latent else "window" if window else "full"
    return replace(
        layer,
        attention=attention,
        heads=heads,
        kv_heads=kv_heads,
        key_size=key,
        value_size=0 if latent else value,
        query_size=stated.one("attention.key_length_mla") or 0 if latent else 0,
        window_tokens=window,
        cached=_is_cached(stated, rules, count, index),
    )


def _feed_forward(stated: Stated, rules: Rules, count: int, index: int) -> int:
    hidden = stated.one("embedding_length") or 0
    dense = stated.at("feed_forward_length", index) or 0
    beside = waiting(rules, hidden, count, stated.one(_EVERY_LAYER) or _UNSTATED_EVERY_LAYER)
    if not stated.one("expert_count") or index < (stated.one("leading_dense_block_count") or 0):
        return held(dense, hidden, gated=rules.gated) + beside
    width = expert_width(stated, index, share=rules.experts_share)
    return held(width, hidden, gated=rules.gated, routed=stated.one("expert_used_count") or 1) + beside


def _head_sizes(stated: Stated, *, window: bool) -> tuple[int, int]:
    """Of a key and of a value. Layers with a window may have sizes of their own."""
    heads = max(stated.at("attention.head_count", 0) or 0, 1)
    each = (stated.one("embedding_length") or 0) // (stated.one("attention.head_count") or heads)
    key = stated.one("attention.key_length") or each
    value = stated.one("attention.value_length") or each
    if window:
        key = stated.one("attention.key_length_swa") or key
        value = stated.one("attention.value_length_swa") or value
    return key, value


def _is_cached(stated: Stated, rules: Rules, count: int, index: int) -> bool:
    if rules.shared_from is None:
        return True
    if rules.shared_from == "stated":
        return index < count - (stated.one("attention.shared_kv_layers") or 0)
    return index < rules.shared_from


def _is_recurrent(stated: Stated, rules: Rules, index: int, kv_heads: int) -> bool:
    match rules.recurrent:
        case "none":
            return False
        case "all":
            return True
        case "no heads":
            return kv_heads == 0
        case "bare":
            return kv_heads == 0 and not stated.at("feed_forward_length", index)
        case "interval":
            return (index + 1) % (stated.one("full_attention_interval") or rules.full_interval) != 0
