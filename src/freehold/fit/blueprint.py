"""What memory and speed follow from: one model's layers, and the tensors of one build of it. Records only.

Whatever it was read from (a held file, a header over the network, a row of the catalog), the rest of `fit` sees this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Attention = Literal["full", "window", "latent", "none"]
"""`window`: sees the last `window_tokens` only; `latent`: one compressed key a token and no values (MLA); `none`:
carries a state instead of a cache, or nothing."""

Recurrence = Literal["", "ssm", "rwkv", "shortconv", "delta", "kda"]
"""What a layer that carries a state does with it: a state space (Mamba), RWKV's time mixing, a short convolution
(LFM2), a gated delta rule (Qwen3-Next) or Kimi's delta attention."""

Role = Literal["embedding", "output", "dense", "expert"]
"""`embedding` is read a row a token, `expert` only for the experts a token is sent to, the rest whole. The embedding
of a build that has no matrix for its output is an `output`: it is read whole as well."""

EMBEDDING = "token_embd.weight"
"""What the embedding is called, whichever its role."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One block. Sizes in elements: `key_size` and `value_size` of one head, `state_elements` of one sequence (F32),
    `indexer_size` of the second key that sparse attention chooses by, of one token.

    `query_size` is that of one query head where it is not the key's (latent attention).

    `feed_forward` is how many values of one token its feed-forward network holds at once. Of a recurrent layer,
    `rolling_elements` are the part of its state that a convolution keeps, `inner` is its width, and `mixing` how many
    values of one token it holds at once.

    `cached` False: it reads another layer's cache and has none of its own. A layer may attend and carry a state.
    """

    attention: Attention
    kv_heads: int = 0
    key_size: int = 0
    value_size: int = 0
    window_tokens: int = 0
    state_elements: int = 0
    cached: bool = True
    heads: int = 0
    query_size: int = 0
    indexer_size: int = 0
    feed_forward: int = 0
    recurrence: Recurrence = ""
    rolling_elements: int = 0
    inner: int = 0
    mixing: int = 0


@dataclass(frozen=True, slots=True)
class BuildTensor:
    """One tensor: `shape` fastest dimension first, `type` as ggml names it, `layer` None outside the blocks."""

    name: str
    type: str
    shape: tuple[int, ...]
    size_bytes: int
    role: Role
    layer: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Blueprint:
    """One build of one model; equal to itself alone, so that what follows from it is kept by it. None is unknown.

    `tensors` None: only the shape is known (a row of the catalog), and `weights_bytes` is then no more than the file's
    size where that is known. `quantization` is the build's name for its mix of types.

    `nominal`: `parameters` are the publisher's round number (`fit.counts` says what it may stand for).

    `beside_hidden` is what each layer is given of a token beside its hidden values, all layers together (the embeddings
    that Gemma 4's small models have for every layer); `layer_embeddings` is how many numbers of such embeddings a token
    has in their table, where no tensor tells.

    `layers` is empty where nobody can tell what they are, and `cannot_say` is then the reason.
    """

    name: str
    architecture: str
    layers: tuple[Layer, ...]
    hidden: int
    heads: int
    vocabulary: int
    feed_forward: int | None = None
    experts: int = 0
    experts_used: int = 0
    trained_tokens: int | None = None
    parameters: int | None = None
    nominal: bool = False
    active_parameters: int | None = None
    quantization: str | None = None
    file_bytes: int | None = None
    tensors: tuple[BuildTensor, ...] | None = None
    beside_hidden: int = 0
    layer_embeddings: int = 0
    cannot_say: str | None = None

    @property
    def kinds(self) -> Mapping[Layer, int]:
        """How many layers there are of each kind: most models have fifty layers, and one kind of them or two."""
        return _kinds(self)


@lru_cache(maxsize=1024)
def _kinds(blueprint: Blueprint) -> Mapping[Layer, int]:
    return Counter(blueprint.layers)


@dataclass(frozen=True, slots=True)
class RunShape:
    """How a build is to be run. `context_tokens` is for each of `slots`; types are ggml's names in lower case.

    `checkpoints` is how many states of each slot the engine keeps to go back to, where the model has windows or states.
    """

    context_tokens: int
    slots: int = 1
    batch_tokens: int = 512
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    flash_attention: bool = True
    unified: bool = False
    checkpoints: int = 2
    adapters_bytes: int = 0
    projector_bytes: int = 0
