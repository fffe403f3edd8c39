"""How large a mix of types makes a model: llama.cpp's own rules over the matrices that follow from the model's shape.

"Q4_K_M" names a recipe, not a type: which matrix of which layer is kept in which type is decided by its place, by how
many query heads share a key and by the number of experts. Nominal bits miss by up to a fifth; the rules do not. What
stays open (whether the quantizer had an importance matrix, whether the output shares the embedding) makes the range.

Not followed: recipes of other quantizers and their variants of these names, and latent attention, whose small matrices
are counted with the feed-forward network's.
Source: llama.cpp, src/llama-quant.cpp, `llama_tensor_get_type` and `llama_model_quantize_impl`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

from freehold.core.quantity import Estimated
from freehold.fit.blueprint import Blueprint
from freehold.fit.counts import Count, Part, attentions, counts, gated
from freehold.weights.tensor_types import TENSOR_TYPES

BASE = {
    **{name: name for name in ("F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_0", "Q5_1", "Q4_0", "Q4_1")},
    **{name: name for name in ("Q2_K", "IQ4_NL", "IQ4_XS", "IQ3_S", "IQ3_XXS", "IQ2_XXS")},
    **dict.fromkeys(("Q5_K_S", "Q5_K_M"), "Q5_K"),
    **dict.fromkeys(("Q4_K_S", "Q4_K_M"), "Q4_K"),
    **dict.fromkeys(("Q3_K_S", "Q3_K_M", "Q3_K_L"), "Q3_K"),
    **{"IQ3_M": "IQ3_S", "IQ2_M": "IQ2_S"},
}
"""The type of most weights of each recipe that is known here."""

_SIZES = {kind.name: kind.block_bytes / kind.block_weights for kind in TENSOR_TYPES.values()}
_BLOCKS = {kind.name: kind.block_weights for kind in TENSOR_TYPES.values()}
_NARROWER = {
    **dict.fromkeys(("IQ2_XXS", "IQ2_S", "IQ3_XXS", "IQ3_S", "Q2_K", "Q3_K", "IQ4_XS"), "IQ4_NL"),
    **{"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"},
}
"""What takes a type's place where a row is no multiple of its block."""
_FUSED = frozenset({"phi2", "phi3", "falcon", "gptneox", "starcoder", "bloom", "mpt"})
"""Architectures that keep queries, keys and values in one matrix."""
_PLAIN = frozenset({"F32", "F16", "BF16"})
_BESIDE = 0.005
"""Norms, biases and routers, which stay in 32 bits; and what the shape does not say."""
_BY_LAYER: tuple[Part, ...] = ("v", "down")
"""Parts whose type depends on which layer they are of."""
_MINDS_IMATRIX = frozenset({"IQ3_XXS", "IQ4_NL", "IQ4_XS", "Q4_0", "Q5_0"})
_SHARED_BY_MANY = 4
_EIGHT = 8


@dataclass(frozen=True, slots=True)
class _Recipe:
    """One recipe on one model. `sharing` is how many query heads read one key head."""

    name: str
    layers: int
    sharing: int
    experts: int
    seventy: bool
    falcon: bool
    fused: bool
    imatrix: bool

    @property
    def base(self) -> str:
        return BASE[self.name]

    def output(self) -> str:
        if self.base in _PLAIN:
            return self.base
        if self.falcon or self.base == "Q8_0":
            return "Q8_0"
        return "Q5_K" if self.name in {"IQ2_XXS", "IQ2_M", "IQ3_XXS"} else "Q6_K"

    def embedding(self) -> str:
        return {"IQ2_XXS": "Q2_K", "IQ2_M": "IQ3_S", "IQ3_XXS": "IQ3_S"}.get(self.name, self.base)

    def of(self, part: Part, layer: int) -> str:
        if self.fused and part in {"q", "k", "v"}:
            return {"Q3_K_M": "Q4_K", "Q3_K_L": "Q4_K", "IQ3_M": "Q4_K", "Q4_K_M": "Q5_K", "Q5_K_M": "Q6_K"}.get(
                self.name, self.base
            )
        if self.name in {"IQ2_XXS", "IQ2_M"}:
            return self._two_bits(part, layer)
        match part:
            case "v":
                return self._values(layer)
            case "q" | "k":
                if part == "k" and self.experts == _EIGHT and self.base not in _PLAIN:
                    return "Q8_0"
                return "IQ2_S" if self.name == "IQ3_XXS" else self.base
            case "o":
                return self._attention_output()
            case "down":
                return self._down(layer)
        return self.base

    def _two_bits(self, part: Part, layer: int) -> str:
        more = "IQ3_S" if self.name == "IQ2_M" else "Q2_K"
        if part == "v":
            return "Q4_K" if self.sharing >= _SHARED_BY_MANY or self.experts >= _SHARED_BY_MANY else more
        if part == "k" and self.experts == _EIGHT:
            return "Q4_K"
        if part == "down" and layer < self.layers // 8:
            return more
        if part == "o" and self.experts == _EIGHT:
            return "Q5_K"
        return "IQ3_S" if part == "o" and self.name == "IQ2_M" else self.base

    def _values(self, layer: int) -> str:
        many = self.sharing >= _SHARED_BY_MANY
        kind = self.base
        if self.name == "Q2_K":
            kind = "Q4_K" if many else "Q3_K"
        elif self.name == "IQ3_XXS":
            kind = "Q4_K" if many else self.base if self.imatrix else "IQ3_S"
        elif self.name == "IQ3_M" or (self.name == "IQ3_S" and many):
            kind = "Q4_K"
        elif self.name == "Q3_K_M":
            kind = "Q5_K" if layer < 2 else "Q4_K"
        elif self.name == "Q3_K_L" or (self.name in {"IQ4_NL", "IQ4_XS"} and many):
            kind = "Q5_K"
        elif self.name in {"Q4_K_M", "Q5_K_M"} and self._more_bits(layer):
            kind = "Q6_K"
        elif self.name == "Q4_K_S" and layer < 4:
            kind = "Q5_K"
        if self.seventy and kind in {"Q3_K", "Q4_K"}:
            kind = "Q5_K"
        return "Q8_0" if self.experts == _EIGHT and self.base not in _PLAIN else kind

    def _attention_output(self) -> str:
        if self.falcon:
            return "Q4_K" if self.name == "Q3_K_L" else self.base
        if self.experts == _EIGHT:
            spared = {"Q3_K_L", "Q5_K_S", "Q5_K_M", "Q6_K", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", *_PLAIN}
            return self.base if self.name in spared else "Q5_K"
        raised = {"Q2_K": "Q3_K", "IQ3_XXS": "IQ3_S", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K", "IQ3_M": "Q4_K"}
        return raised.get(self.name, self.base)

    def _down(self, layer: int) -> str:
        early = layer < self.layers // 8
        match self.name:
            case "Q2_K":
                return "Q3_K"
            case "IQ3_XXS" if not self.imatrix:
                return "Q4_K" if early else "Q3_K"
            case "Q3_K_M":
                raised = not self.falcon or self._more_bits(layer)
                return "Q5_K" if layer < self.layers // 16 else "Q4_K" if raised else "Q3_K"
            case "IQ3_M" if early or (self.experts == _EIGHT and self._more_bits(layer)):
                return "Q4_K"
            case "Q3_K_L":
                return "Q4_K" if self.falcon else "Q5_K"
            case "Q4_K_M" if self.falcon:
                return "Q6_K" if layer < self.layers // 16 else "Q5_K" if self._more_bits(layer) else "Q4_K"
            case "Q4_K_M" | "Q5_K_M" if self._more_bits(layer):
                return "Q6_K"
            case "IQ4_NL" | "IQ4_XS" if early and not self.imatrix:
                return "Q5_K"
            case "Q4_K_S" if early and not self.falcon:
                return "Q5_K"
            case "Q4_0" | "Q5_0" if early and self.imatrix:
                return "Q4_1" if self.name == "Q4_0" else "Q5_1"
        return self.base

    def _more_bits(self, layer: int) -> bool:
        eighth = self.layers // 8
        return layer < eighth or layer >= 7 * self.layers // 8 or (layer - eighth) % 3 == 2


def mixed_bytes(blueprint: Blueprint) -> Estimated | None:
    """The weights of `blueprint` under its recipe; None where the recipe, or too much of the shape, is not known."""
    name = (blueprint.quantization or "").upper()
    if name not in BASE or not blueprint.vocabulary * blueprint.hidden or not blueprint.layers:
        return None
    counted = counts(blueprint)
    if counted is None or any(layer.attention == "none" for layer in blueprint.layers):
        return None
    sizes = [
        _bytes(blueprint, _recipe(blueprint, name, imatrix=imatrix), count)
        for count in counted.possible
        for imatrix in ((False, True) if name in _MINDS_IMATRIX else (False,))
    ]
    low, high = min(sizes), max(sizes)
    basis = f"llama.cpp's recipe of {name} over the matrices of the model's shape{counted.said}"
    return Estimated(low * (1 - _BESIDE), high * (1 + _BESIDE), basis, (low + high) / 2)


@dataclass(frozen=True, slots=True)
class Tables:
    """Bytes of one table of the vocabulary as output, and as an embedding beside it."""

    output: int
    embedding: int


def table_bytes(blueprint: Blueprint) -> Tables | None:
    """The tables of `blueprint` under its recipe; None where the recipe, or the shape, is not known."""
    name, table = (blueprint.quantization or "").upper(), blueprint.vocabulary * blueprint.hidden
    if name not in BASE or not table or not blueprint.layers:
        return None
    recipe = _recipe(blueprint, name, imatrix=False)
    output, embedding = (_bytes_each(kind, blueprint.hidden) for kind in (recipe.output(), recipe.embedding()))
    return Tables(int(table * output), int(table * embedding))


def _recipe(blueprint: Blueprint, name: str, *, imatrix: bool) -> _Recipe:
    first = blueprint.layers[0]
    return _Recipe(
        name=name,
        layers=len(blueprint.layers),
        sharing=(first.heads // first.kv_heads) if first.kv_heads else 1,
        experts=blueprint.experts,
        seventy=len(blueprint.layers) == 80 and blueprint.architecture in {"llama", "qwen2"},
        falcon=blueprint.architecture == "falcon",
        fused=blueprint.architecture in _FUSED,
        imatrix=imatrix,
    )


def _bytes(blueprint: Blueprint, recipe: _Recipe, count: Count) -> float:
    hidden, first = blueprint.hidden, blueprint.layers[0]
    width = blueprint.feed_forward or hidden
    matrices = attentions(blueprint)
    table = blueprint.vocabulary * hidden
    left = max(0, count.parameters - count.tables * table - matrices.total())
    feeds: tuple[Part, ...] = ("gate", "up", "down") if blueprint.experts or gated(first, width) else ("up", "down")
    matrices.update({part: left // len(feeds) for part in feeds})
    inputs: dict[Part, int] = {"down": width, "o": first.heads * first.value_size}
    whole = table * _bytes_each(recipe.output(), hidden)
    whole += table * _bytes_each(recipe.embedding(), hidden) if count.tables > 1 else 0
    for part, weights in matrices.items():
        for kind, share in _shares(recipe, part):
            whole += weights * share * _bytes_each(kind, inputs.get(part, hidden))
    return whole


@cache
def _shares(recipe: _Recipe, part: Part) -> tuple[tuple[str, float], ...]:
    """The types of one part's matrices, and the share of the layers that have each."""
    layers = range(recipe.layers) if part in _BY_LAYER else range(1)
    kinds = Counter(recipe.of(part, layer) for layer in layers)
    return tuple((kind, count / len(layers)) for kind, count in kinds.items())


def _bytes_each(kind: str, inputs: int) -> float:
    """Bytes of one weight of a matrix whose rows have `inputs` numbers."""
    return _SIZES[kept_as(kind, inputs)]


def bits_each(kind: str) -> float:
    """Bits of one weight of a type."""
    return 8 * _SIZES[kind]


def kept_as(kind: str, inputs: int) -> str:
    """The type that a matrix meant for `kind` gets where its rows have `inputs` numbers: blocks do not span rows."""
    if inputs % _BLOCKS[kind]:
        kind = _NARROWER.get(kind, kind)
        kind = kind if inputs % _BLOCKS[kind] == 0 else "F16"
    return kind
