"""From the numbers of a header to what each layer keeps: heads, windows, states, shared caches.

Pure. Every default is the engine's own, so that a header which leaves something out is read as the engine reads it.
Source: llama.cpp b11549, `llama_model_base::load_hparams` and `llama-hparams.cpp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from freehold.fit.architectures import ARCHITECTURES, Rules
from freehold.fit.blueprint import Attention, Layer

Numbers = Mapping[str, tuple[int, ...]]


def layers_of(architecture: str, numbers: Numbers) -> tuple[Layer, ...] | str:
    """The layers that the engine makes of `numbers`, or why they cannot be told."""
    rules = ARCHITECTURES.get(architecture)
    if rules is None:
        return f"how the layers of the architecture {architecture!r} keep what they have read is not known here"
    stated = _Stated(numbers)
    count = (stated.one("block_count") or 0) - (stated.one("nextn_predict_layers") or 0)
    hidden = stated.one("embedding_length")
    if count < 1 or not hidden:
        return "its header does not say how many layers it has, or how wide they are"
    windows = _windows(stated, rules, count)
    return tuple(_layer(stated, rules, count, index, windows[index]) for index in range(count))


@dataclass(frozen=True, slots=True)
class _Stated:
    """The numbers of a header by key."""

    numbers: Numbers

    def one(self, key: str) -> int | None:
        """The number of `key`; of one a layer the largest; None where there is none."""
        return max(self.numbers.get(key, ()), default=None)

    def at(self, key: str, index: int) -> int | None:
        """The number of `key` for a layer."""
        found = self.numbers.get(key, ())
        if len(found) == 1:
            return found[0]
        return found[index] if index < len(found) else None


def _windows(stated: _Stated, rules: Rules, count: int) -> list[int]:
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


def _layer(stated: _Stated, rules: Rules, count: int, index: int, window: int) -> Layer:
    heads = stated.at("attention.head_count", index) or 0
    kv_heads = stated.at("attention.head_count_kv", index)
    kv_heads = heads if kv_heads is None else kv_heads
    recurrent = _is_recurrent(stated, rules, index, kv_heads)
    state = _state_elements(stated, rules) if recurrent else 0
    if (recurrent and not rules.both) or not kv_heads:
        return Layer("none", state_elements=state)
    latent = bool(stated.one("attention.kv_lora_rank") and stated.one("attention.key_length_mla"))
    key, value = _head_sizes(stated, window=bool(window))
    attention: Attention = "latent" if latent else "window" if window else "full"
    return Layer(
        attention,
        kv_heads=kv_heads,
        key_size=key,
        value_size=0 if latent else value,
        window_tokens=window,
        state_elements=state,
        cached=_is_cached(stated, rules, count, index),
        heads=heads,
    )


def _head_sizes(stated: _Stated, *, window: bool) -> tuple[int, int]:
    """Of a key and of a value. Layers with a window may have sizes of their own."""
    heads = max(stated.at("attention.head_count", 0) or 0, 1)
    each = (stated.one("embedding_length") or 0) // (stated.one("attention.head_count") or heads)
    key = stated.one("attention.key_length") or each
    value = stated.one("attention.value_length") or each
    if window:
        key = stated.one("attention.key_length_swa") or key
        value = stated.one("attention.value_length_swa") or value
    return key, value


def _is_cached(stated: _Stated, rules: Rules, count: int, index: int) -> bool:
    if rules.shared_from is None:
        return True
    if rules.shared_from == "stated":
        return index < count - (stated.one("attention.shared_kv_layers") or 0)
    return index < rules.shared_from


def _is_recurrent(stated: _Stated, rules: Rules, index: int, kv_heads: int) -> bool:
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


def _state_elements(stated: _Stated, rules: Rules) -> int:
    """Of one sequence in one layer: the rolling part and the state (`n_embd_r` + `n_embd_s`)."""
    hidden = stated.one("embedding_length") or 0
    rolling = max(0, (stated.one("ssm.conv_kernel") or 0) - 1)
    match rules.state:
        case "ssm":
            inner, size = stated.one("ssm.inner_size") or 0, stated.one("ssm.state_size") or 0
            groups = stated.one("ssm.group_count") or 0
            return rolling * (inner + 2 * groups * size) + size * inner
        case "rwkv":
            shifts = stated.one("token_shift_count") or 2
            return shifts * hidden + hidden * (stated.one("wkv.head_size") or 0)
        case "shortconv":
            return hidden * ((stated.one("shortconv.l_cache") or 1) - 1)
        case "kda":
            size, heads = stated.one("kda.head_dim") or 0, stated.one("attention.head_count") or 0
            return 3 * rolling * heads * size + size * size * heads
        case "":
            return 0
