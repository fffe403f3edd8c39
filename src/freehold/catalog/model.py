"""What the catalog holds of a model: records only, and what was read where.

None is unknown: nobody has read it. It is never a zero, and zero is never unknown: `experts` 0 is a dense model,
`window_tokens` 0 a model known to have no sliding window, `base_models` () one trained from scratch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

State = Literal["open", "restricted", "partial", "absent", "unknown"]
"""`open` published under an open license; `restricted` published, its license is not open; `partial` some of it."""

Evidence = Literal["verified", "cited", "claimed", "none"]
"""`verified` a program saw the file and its license; `cited` a public index of such facts says so; `claimed` the
publisher's card or paper does."""

Kind = Literal["frontier laboratory", "academic laboratory", "product laboratory", "community"]
Weights = Literal["published", "withheld"]
Review = Literal["pass", "would pass with a license change", "fail", "not reviewed"]

PROPRIETARY = "proprietary"
"""The license id of models that are offered as an API only."""

COMPONENTS = (
    "weights_final",
    "weights_base",
    "weights_intermediate",
    "architecture",
    "inference_code",
    "training_code",
    "preprocessing_code",
    "eval_code",
    "eval_data",
    "recipe",
    "datasets",
    "data_information",
    "model_card",
    "data_card",
    "tech_report",
    "eval_results",
)
SKILLS = (
    *("chat", "code", "reasoning", "tools", "vision", "audio", "embedding", "rerank"),
    *("completion", "math", "multilingual"),
)
MODALITIES = ("text", "image", "audio", "video")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact was read: `text` names the file and its commit, `date` is year-month or a day, of the source."""

    key: str
    text: str
    url: str | None = None
    date: str | None = None


@dataclass(frozen=True, slots=True)
class Component:
    """Whether one of COMPONENTS was published, and who says so."""

    state: State
    evidence: Evidence
    source: Source | None = None


NOT_KNOWN = Component("unknown", "none")


@dataclass(frozen=True, slots=True)
class Figure:
    """Somebody else's figure, theirs: `value` out of `of`, as of `date`."""

    value: float
    of: float
    date: str
    source: Source


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who publishes. `key` is the file's name, `country` an ISO 3166 code, `transparency` Stanford's index."""

    key: str
    name: str
    kind: Kind
    country: str | None = None
    transparency: Figure | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers that memory and speed follow from. Sizes count elements.

    `window_layers` is how many of the `layers` see only `window_tokens`, with heads of their own (`window_kv_heads`,
    `window_head_size`) where they differ from the others'. `shared_layers` of the layers, `shared_window_layers` of
    them with the window, read the keys and values of earlier ones; `layer_inputs` is how wide the embedding is that a
    token has for every layer. `experts_used` of `experts` work on a token beside the `shared_experts`; `kv_lora_rank`
    and `rope_head_size` belong to latent attention.

    Where layers carry a state, `attention_layers` attend and `state_layers` carry one: `state_inner` is its width,
    `state_size` of each (of a head in RWKV), in `state_groups` (0 in Mamba's first form) and `state_heads`, behind a
    convolution that sees `state_kernel` tokens.
    """

    architecture: str | None = None
    layers: int | None = None
    hidden: int | None = None
    feed_forward: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    head_size: int | None = None
    value_head_size: int | None = None
    window_tokens: int | None = None
    window_layers: int | None = None
    window_kv_heads: int | None = None
    window_head_size: int | None = None
    shared_layers: int | None = None
    shared_window_layers: int | None = None
    layer_inputs: int | None = None
    experts: int | None = None
    experts_used: int | None = None
    shared_experts: int | None = None
    kv_lora_rank: int | None = None
    rope_head_size: int | None = None
    attention_layers: int | None = None
    state_layers: int | None = None
    state_inner: int | None = None
    state_size: int | None = None
    state_groups: int | None = None
    state_heads: int | None = None
    state_kernel: int | None = None
    vocabulary: int | None = None


@dataclass(frozen=True, slots=True)
class CatalogBuild:
    """One weight file of a model. `source` is a reference string; hash and size are of the joined file."""

    tag: str
    source: str
    file: str
    sha256: str
    size_bytes: int
    quantization: str


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """One model.

    `license` is the id of a license record, PROPRIETARY, or an id without a record: then its clauses are unknown.
    `terms` are ids of further texts that bind whoever takes the weights, such as a use policy that lies beside them.
    `base_models` are names of the catalog or repositories of the hub (org/repo): what it was tuned, merged, distilled
    or quantized from. `parameters` are exact unless `parameters_nominal`. `published` has every one of COMPONENTS.
    `sources` says where a field was read, by the field's name. The first build is the default.
    """

    name: str
    title: str
    publisher: Publisher
    license: str
    family: str = ""
    license_note: str | None = None
    terms: tuple[str, ...] = ()
    gated: bool | None = None
    base_models: tuple[str, ...] | None = None
    skills: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    parameters: int | None = None
    parameters_nominal: bool = False
    active_parameters: int | None = None
    context_tokens: int | None = None
    shape: Shape = field(default_factory=Shape)
    weights_released: date | None = None
    api_released: date | None = None
    weights: Weights = "published"
    published: Mapping[str, Component] = field(default_factory=lambda: dict.fromkeys(COMPONENTS, NOT_KNOWN))
    osi_reviewed: Review = "not reviewed"
    osai: Figure | None = None
    repository: str | None = None
    chat_template: bool | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)
    builds: tuple[CatalogBuild, ...] = ()
