"""How many weights a model has: its publisher's count where that is exact, else what its shape says or a range.

A publisher's round number is no count: "40 B" is said of 41.3 and of 41.8 billion. Where every matrix follows from the
shape, they are counted, with the table of the vocabulary once (embedding and output share it) and twice; else the
number stands for what rounds to the digits that were given.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from freehold.fit.blueprint import Blueprint, Layer

Part = Literal["q", "k", "v", "o", "gate", "up", "down"]


@dataclass(frozen=True, slots=True)
class Count:
    """One count that may be. `tables`: how many tables of the vocabulary are in it, an embedding or an output too."""

    parameters: int
    tables: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Every end of what a model's count may be; `said` is what a basis adds about it, nothing where it is exact."""

    possible: tuple[Count, ...]
    said: str = ""

    @property
    def least(self) -> int:
        return min(count.parameters for count in self.possible)

    @property
    def most(self) -> int:
        return max(count.parameters for count in self.possible)


@lru_cache(maxsize=1024)
def counts(blueprint: Blueprint) -> Counts | None:
    """What the count of `blueprint`'s weights may be; None where nobody says one."""
    said = blueprint.parameters
    if not said:
        return None
    shaped = _by_shape(blueprint)
    if not blueprint.nominal:
        return Counts(tuple(Count(said, tables) for tables in _tables(blueprint, said, shaped)))
    low, high = rounded(said)
    ends = f"{low / 1e9:,.4g} to {high / 1e9:,.4g} billion"
    if shaped is not None and any(low <= count.parameters <= high for count in shaped):
        return Counts(shaped, f", its parameters counted by it, because {said / 1e9:,.4g} billion is a round number")
    whole = tuple(Count(end, tables) for end in (low, high) for tables in (1, 2))
    basis = f"; its {said / 1e9:,.4g} billion parameters are a round number: {ends}"
    return Counts((*whole, *(shaped or ())), basis)


def rounded(number: int) -> tuple[int, int]:
    """What a round number may stand for: half a unit of its last digit that is not zero, to both sides."""
    unit = 1
    while number % (unit * 10) == 0:
        unit *= 10
    return number - unit // 2, number + unit // 2


def _by_shape(blueprint: Blueprint) -> tuple[Count, ...] | None:
    """Both counts that the shape leaves; None where it does not say how large every matrix is."""
    width = blueprint.feed_forward
    table = blueprint.vocabulary * blueprint.hidden
    if blueprint.experts or not width or not table or not blueprint.layers or blueprint.layer_embeddings:
        return None
    if any(each.attention in {"none", "latent"} or not each.heads or each.state_elements for each in blueprint.kinds):
        return None
    feeds = 3 if gated(blueprint.layers[0], width) else 2
    layers = attentions(blueprint).total() + feeds * blueprint.hidden * width * len(blueprint.layers)
    return Count(layers + table, 1), Count(layers + 2 * table, 2)


def _tables(blueprint: Blueprint, parameters: int, shaped: tuple[Count, ...] | None) -> tuple[int, ...]:
    """How many tables of the vocabulary the parameters leave room for beside layers whose width is known, or either."""
    if shaped is None:
        return 1, 2
    middle = shaped[0].parameters + blueprint.vocabulary * blueprint.hidden / 2
    return (2,) if parameters > middle else (1,)


def gated(layer: Layer, width: int) -> bool:
    """A layer holds three vectors of a gated network at once, and one of any other (`fit.feed_forward`)."""
    return layer.feed_forward >= 3 * width


def attentions(blueprint: Blueprint) -> Counter[Part]:
    """The weights of each part of attention over all layers."""
    found: Counter[Part] = Counter()
    for layer, count in blueprint.kinds.items():
        found.update({part: weights * count for part, weights in _attention(blueprint.hidden, layer).items()})
    return found


def _attention(hidden: int, layer: Layer) -> dict[Part, int]:
    if layer.attention == "latent":
        return {}
    keys, values = layer.kv_heads * layer.key_size, layer.kv_heads * layer.value_size
    q, o = layer.heads * layer.key_size * hidden, layer.heads * layer.value_size * hidden
    return {"q": q, "o": o, **({"k": keys * hidden, "v": values * hidden} if layer.cached else {})}
