"""What a layer that carries a state from token to token keeps, and what it holds while it works.

Source: llama.cpp b11549, `llama_hparams::n_embd_r` and `n_embd_s`, and the graphs of `src/models`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from freehold.fit.blueprint import Layer, Recurrence
from freehold.fit.stated import Stated


@dataclass(frozen=True, slots=True)
class Carried:
    """Elements: `rolling` of the convolution and `state`, of one sequence; `inner` and `mixing` of one token."""

    kind: Recurrence
    rolling: int
    state: int
    inner: int
    mixing: int


def carried(kind: Recurrence, stated: Stated) -> Carried | None:
    """What a layer of `kind` carries; None where it carries nothing."""
    match kind:
        case "ssm" | "delta":
            return _state_space(kind, stated)
        case "rwkv":
            return _rwkv(stated)
        case "shortconv":
            hidden, length = stated.one("embedding_length") or 0, stated.one("shortconv.l_cache") or 1
            return Carried(kind, hidden * (length - 1), 0, hidden, 6 * hidden)
        case "kda":
            return _kda(stated)
        case "":
            return None


def carrying(layer: Layer, state: Carried) -> Layer:
    """`layer` with the `state` that it carries."""
    return replace(
        layer,
        state_elements=state.rolling + state.state,
        recurrence=state.kind,
        rolling_elements=state.rolling,
        inner=state.inner,
        mixing=state.mixing,
    )


def _state_space(kind: Recurrence, stated: Stated) -> Carried:
    inner, size = stated.one("ssm.inner_size") or 0, stated.one("ssm.state_size") or 0
    groups = stated.one("ssm.group_count") or 0
    convolved = inner + 2 * groups * size
    if kind == "delta":
        mixing = inner + 2 * convolved
    else:
        mixing = 2 * inner + 3 * convolved + (stated.one("ssm.time_step_rank") or 0) if groups else 5 * inner
    return Carried(kind, _rows(stated) * convolved, size * inner, inner, mixing)


def _rwkv(stated: Stated) -> Carried:
    hidden, shifts = stated.one("embedding_length") or 0, stated.one("token_shift_count") or 2
    return Carried("rwkv", shifts * hidden, hidden * (stated.one("wkv.head_size") or 0), hidden, 15 * hidden)


def _kda(stated: Stated) -> Carried:
    size, heads = stated.one("kda.head_dim") or 0, stated.one("attention.head_count") or 0
    inner = size * heads
    return Carried("kda", 3 * _rows(stated) * inner, size * inner, inner, 6 * inner)


def _rows(stated: Stated) -> int:
    """How many earlier tokens a convolution looks back on."""
    return max(0, (stated.one("ssm.conv_kernel") or 0) - 1)
