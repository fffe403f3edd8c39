"""Where a header says of a model what the shapes of its tensors deny: nothing is reckoned from such a file.

One table: which tensor has which of its dimensions from which numbers of the header. An engine makes every tensor of
the header's numbers and refuses a file that holds another shape (llama.cpp b11549, `create_tensor`: "has wrong
shape"), so that no build that runs is refused here. What is not stated is not judged, nor is a layer that the
architecture builds in another way.

What it does not find: numbers that no tensor shows, as windows, contexts, experts used and RWKV's heads; and numbers
that lie together, as twice the heads of half the size. Source of the table: llama.cpp b11549, `src/models`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from freehold.fit.architectures import ARCHITECTURES, Rules
from freehold.fit.blueprint import BuildTensor, Layer
from freehold.fit.feed_forward import expert_width
from freehold.fit.stated import Stated


class Said(NamedTuple):
    """What the header says, in words, and how large a dimension is then."""

    what: str
    size: int


@dataclass(frozen=True, slots=True)
class Claims:
    """What a header claims: its numbers, the layers that follow from them, the size of its vocabulary (0: it does not
    say)."""

    architecture: str
    stated: Stated
    layers: Sequence[Layer]
    vocabulary: int

    @property
    def rules(self) -> Rules:
        return ARCHITECTURES[self.architecture]


def contradiction(claims: Claims, tensors: Sequence[BuildTensor]) -> str | None:
    """What the header says that a tensor denies; None where they agree."""
    count, bare = len(claims.layers), _bare(claims, tensors)
    if bare is not None:
        return f"by its header it has {count} layers, and it holds nothing of layer {bare}: no engine runs that"
    for tensor in tensors:
        if tensor.layer is not None and tensor.layer >= count:
            continue
        for place, says in _TABLE.get(_kind(tensor), ()):
            said = says(claims, tensor.layer or 0)
            held = tensor.shape[place] if place < len(tensor.shape) else 1
            if said is not None and held != said.size:
                where = "it" if tensor.layer is None else f"layer {tensor.layer}"
                return f"by its header {where} has {said.what}, and {tensor.name} holds {held:,}: no engine runs that"
    return None


def _bare(claims: Claims, tensors: Sequence[BuildTensor]) -> int | None:
    """The first layer that has no tensor; None in a file whose tensors are of other names than the table's."""
    if not any(tensor.layer is not None and _kind(tensor) in _TABLE for tensor in tensors):
        return None
    here = {tensor.layer for tensor in tensors}
    return next((index for index in range(len(claims.layers)) if index not in here), None)


def _kind(tensor: BuildTensor) -> str:
    """Its name within its layer."""
    return tensor.name if tensor.layer is None else tensor.name.removeprefix(f"blk.{tensor.layer}.")


def _width(claims: Claims, _: int) -> Said | None:
    return _plain("a width of {:,}", claims.stated.one("embedding_length"))


def _vocabulary(claims: Claims, _: int) -> Said | None:
    return _plain("a vocabulary of {:,}", claims.vocabulary)


def _queries(claims: Claims, index: int) -> Said | None:
    layer = claims.layers[index]
    size = layer.query_size or layer.key_size
    if layer.attention == "none" or not size:
        return None
    beside = " and a gate of that size" if claims.rules.gated_queries else ""
    both = 2 if claims.rules.gated_queries else 1
    return Said(_heads(layer.heads, "queries", size) + beside, both * layer.heads * size)


def _keys(claims: Claims, index: int) -> Said | None:
    layer = claims.layers[index]
    if layer.attention not in ("full", "window"):
        return None
    return Said(_heads(layer.kv_heads, "keys", layer.key_size), layer.kv_heads * layer.key_size)


def _values(claims: Claims, index: int) -> Said | None:
    layer = claims.layers[index]
    if layer.attention not in ("full", "window"):
        return None
    return Said(_heads(layer.kv_heads, "values", layer.value_size), layer.kv_heads * layer.value_size)


def _joined(claims: Claims, index: int) -> Said | None:
    """Queries, keys and values in one matrix."""
    parts = [says(claims, index) for says in (_queries, _keys, _values)]
    told = [part for part in parts if part is not None]
    if len(told) < len(parts):
        return None
    return Said(", ".join(part.what for part in told), sum(part.size for part in told))


def _latent_key(claims: Claims, index: int) -> Said | None:
    layer = claims.layers[index]
    return _plain("a compressed key of {:,} numbers", layer.key_size) if layer.attention == "latent" else None


def _feed_forward(claims: Claims, index: int) -> Said | None:
    return _plain("a feed-forward network of {:,}", claims.stated.at("feed_forward_length", index))


def _expert_width(claims: Claims, index: int) -> Said | None:
    return _plain("experts of {:,}", expert_width(claims.stated, index, share=claims.rules.experts_share))


def _experts(claims: Claims, _: int) -> Said | None:
    return _plain("{:,} experts", claims.stated.one("expert_count"))


def _kernel(claims: Claims, _: int) -> Said | None:
    return _plain("a convolution over {:,} tokens", claims.stated.one("ssm.conv_kernel"))


def _inner(claims: Claims, _: int) -> Said | None:
    return _plain("a recurrent width of {:,}", claims.stated.one("ssm.inner_size"))


def _convolved(claims: Claims, _: int) -> Said | None:
    stated = claims.stated
    inner, state, groups = (stated.one(f"ssm.{key}") or 0 for key in ("inner_size", "state_size", "group_count"))
    return Said(f"states of {state} in {groups} groups", inner + 2 * groups * state) if groups else _inner(claims, 0)


def _state(claims: Claims, _: int) -> Said | None:
    """Of the first Mamba, whose states are in no groups."""
    stated = claims.stated
    alone = claims.rules.state == "ssm" and not stated.one("ssm.group_count")
    return _plain("states of {:,}", stated.one("ssm.state_size")) if alone else None


def _delta_head(claims: Claims, _: int) -> Said | None:
    return _plain("heads of {:,} that carry a state", claims.stated.one("kda.head_dim"))


def _delta_heads(claims: Claims, index: int) -> Said | None:
    size, heads = claims.stated.one("kda.head_dim"), claims.stated.at("attention.head_count", index)
    return Said(_heads(heads, "states", size), heads * size) if size and heads else None


def _short_convolution(claims: Claims, _: int) -> Said | None:
    return _plain("a short convolution over {:,} tokens", claims.stated.one("shortconv.l_cache"))


def _plain(what: str, number: int | None) -> Said | None:
    return Said(what.format(number), number) if number else None


def _heads(count: int, of: str, size: int) -> str:
    return f"{count} heads of {of} with {size} numbers each"


_TABLE: Mapping[str, tuple[tuple[int, Callable[[Claims, int], Said | None]], ...]] = {
    "token_embd.weight": ((0, _width), (1, _vocabulary)),
    "output.weight": ((0, _width), (1, _vocabulary)),
    "attn_norm.weight": ((0, _width),),
    "attn_q.weight": ((1, _queries),),
    "attn_q_b.weight": ((1, _queries),),
    "attn_k.weight": ((1, _keys),),
    "attn_v.weight": ((1, _values),),
    "attn_qkv.weight": ((1, _joined),),
    "attn_kv_a_mqa.weight": ((1, _latent_key),),
    "ffn_down.weight": ((0, _feed_forward),),
    "ffn_down_exps.weight": ((0, _expert_width), (2, _experts)),
    "ssm_conv1d.weight": ((0, _kernel), (1, _convolved)),
    "ssm_conv1d_q.weight": ((0, _kernel),),
    "ssm_out.weight": ((0, _inner),),
    "ssm_a": ((0, _state),),
    "ssm_f_b.weight": ((0, _delta_head), (1, _delta_heads)),
    "shortconv.conv.weight": ((0, _short_convolution),),
}
"""By the tensor's name within its layer: its dimensions, fastest first, and what the header says of each."""
