"""What the engine does with the layers of each architecture it knows, as far as it changes what is kept in memory.

Data only. An architecture is here when a test has asked the engine about a model of it and both agreed; one that is
not here gets no figure but that of its tensors. What a header states wins over what stands here.

Source: llama.cpp b11549, `llama_model_*::load_arch_hparams` and `llama_hparams`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from freehold.fit.blueprint import Recurrence

Which = Literal["none", "all", "no heads", "interval", "bare"]
"""Which layers carry a state: `no heads`: those without key heads; `interval`: all but each nth; `bare`: those without
key heads and without a feed-forward network."""


@dataclass(frozen=True, slots=True)
class Rules:
    """`full_every` is the pattern of windows: each nth layer sees everything, 0 none does, None has no windows.

    `full_first`: the first of each n, not the last. `window_tokens` is taken where the header states none: None means
    that such a model has no windows. `both`: recurrent layers attend too. `shared_from`: layers from there on read the
    cache of earlier ones; "stated" where the header says how many of the last do. `gated` is the feed-forward network,
    `beside` how many vectors of the model's width wait while it works (attention beside it, an expert that all tokens
    share, other versions of the layer). `every_layer`: tokens have an embedding for every layer, which waits as well,
    or lasts through the whole pass. `gated_queries`: a gate of their size lies with the queries.
    `experts_share`: experts whose width is not stated have that of the network together, those of one token.
    """

    full_every: int | None = None
    full_first: bool = False
    window_tokens: int | None = None
    state: Recurrence = ""
    recurrent: Which = "none"
    full_interval: int = 4
    both: bool = False
    shared_from: int | Literal["stated"] | None = None
    gated: bool = True
    beside: int = 0
    every_layer: Literal["", "passing", "lasting"] = ""
    gated_queries: bool = False
    experts_share: bool = False


_PLAIN = (
    *("llama", "mistral3", "qwen2", "qwen3", "gemma", "phi3", "granite"),
    *("granitemoe", "olmo", "olmoe", "smollm3", "deepseek2", "glm4", "internlm2", "exaone", "stablelm"),
    *("seed_oss", "minimax-m2", "glm4moe", "hunyuan-dense", "baichuan", "dbrx", "phimoe"),
)
_PLAIN_WITHOUT_GATE = (*("gptneox", "starcoder", "starcoder2", "apertus", "bloom", "mpt", "nemotron"),)
ARCHITECTURES: Mapping[str, Rules] = {
    **dict.fromkeys(_PLAIN, Rules()),
    **dict.fromkeys(_PLAIN_WITHOUT_GATE, Rules(gated=False)),
    **dict.fromkeys(("qwen2moe", "qwen3moe"), Rules(experts_share=True)),
    "command-r": Rules(beside=1),
    "phi2": Rules(gated=False, beside=1),
    "falcon": Rules(gated=False, beside=1),
    "gemma2": Rules(full_every=2, window_tokens=4096),
    "gemma3": Rules(full_every=6),
    "gemma3n": Rules(full_every=5, shared_from=20, beside=5, every_layer="passing"),
    "gemma4": Rules(full_every=6, shared_from="stated", every_layer="lasting"),
    "cohere2": Rules(full_every=4, window_tokens=4096, beside=1),
    "llama4": Rules(full_every=4, window_tokens=8192, beside=1),
    "gpt-oss": Rules(full_every=2),
    "olmo2": Rules(full_every=4),
    "exaone4": Rules(full_every=4),
    "mamba": Rules(state="ssm", recurrent="all"),
    "mamba2": Rules(state="ssm", recurrent="all"),
    "rwkv7": Rules(state="rwkv", recurrent="all"),
    "falcon-h1": Rules(state="ssm", recurrent="all", both=True),
    "jamba": Rules(state="ssm", recurrent="no heads"),
    "granitehybrid": Rules(state="ssm", recurrent="no heads"),
    "nemotron_h": Rules(state="ssm", recurrent="bare", gated=False),
    "nemotron_h_moe": Rules(state="ssm", recurrent="bare", gated=False),
    "lfm2": Rules(state="shortconv", recurrent="no heads"),
    "lfm2moe": Rules(state="shortconv", recurrent="no heads"),
    "qwen3next": Rules(state="delta", recurrent="interval", gated_queries=True, experts_share=True),
    "qwen35": Rules(state="delta", recurrent="interval", gated_queries=True),
    "qwen35moe": Rules(state="delta", recurrent="interval", gated_queries=True, experts_share=True),
    "kimi-linear": Rules(state="kda", recurrent="no heads"),
}
