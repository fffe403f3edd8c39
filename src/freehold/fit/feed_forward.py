"""How many values of one token a feed-forward network holds at its widest moment.

A gated one holds its two halves and their product; one without a gate the vector that its activation works on. Of a
mixture every expert that the token is sent to holds them, and what the experts give goes where their halves were, if it
fits there. Source: llama.cpp b11549, `llm_graph_context::build_ffn` and `build_moe_ffn`, and ggml's allocator.
"""

from __future__ import annotations

from freehold.fit.architectures import Rules
from freehold.fit.stated import Stated

# One layer's part of the embeddings for every layer is in work, in three forms.
_MORE_THAN_LAYERS = 3


def held(width: int, hidden: int, *, gated: bool, routed: int = 0) -> int:
    """`width` of the network, or of one expert; `hidden` of the model; `routed`: the experts of one token, 0 where the
    network is dense."""
    vectors = 3 if gated else 1
    if not routed:
        return vectors * width
    fits = (vectors - 1) * width >= hidden
    return routed * (vectors * width + (0 if fits else hidden))


def waiting(rules: Rules, hidden: int, layers: int, inputs: int) -> int:
    """What of one token waits beside the network while it works. `inputs`: how wide the embedding is that a token has
    for each of the `layers`."""
    passing = (layers + _MORE_THAN_LAYERS) * inputs if rules.every_layer == "passing" else 0
    return rules.beside * hidden + passing


def expert_width(stated: Stated, index: int, *, share: bool) -> int:
    """The width of one expert of a layer. Where none is stated it is that of the feed-forward network; `share`: the
    experts of one token have that together."""
    if width := stated.one("expert_feed_forward_length"):
        return width
    whole = stated.at("feed_forward_length", index) or 0
    return whole // (stated.one("expert_used_count") or 1) if share else whole
