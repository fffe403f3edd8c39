"""How much was published beside the weights: T0 to T4, as an interval, and each component's state along the chain.

T0 nothing but marketing. T1 model card and architecture. T2 also a report or paper, and evaluation results. T3 also
training code, the code that prepared the data, the recipe and information about the data: the parts that the Open
Source AI Definition asks for, so that its verdict and this level never contradict each other. T4 also the datasets and
intermediate checkpoints. The license plays no part here: what can be read is published, open or restricted, so that
the two axes stay apart. Part of a document is a document (T1, T2); part of what one needs to repeat the training is
not enough (T3, T4). Unknown is neither: the lower bound takes it as absent, the upper as open.

A model made from another publisher's was trained by both, so of each component of the training the worst of the two
counts; documents it does not have an answer for are its base's. Such a T is marked as derived. A publisher's row speaks
for the bases it made itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from freehold.catalog.model import COMPONENTS, CatalogModel, State
from freehold.catalog.openness.lineage import Lineage

PublishedLevel = Literal[0, 1, 2, 3, 4]

REQUIRED: Mapping[PublishedLevel, tuple[str, ...]] = {
    1: ("model_card", "architecture"),
    2: ("tech_report", "eval_results"),
    3: ("training_code", "preprocessing_code", "recipe", "data_information"),
    4: ("datasets", "weights_intermediate"),
}
"""What each level asks for beyond the one below it."""

PUBLISHED_MEANS: Mapping[PublishedLevel, str] = {
    0: "nothing beyond an announcement",
    1: "model card and architecture",
    2: "also a report and evaluation results",
    3: "also the code for data and training, the recipe and information about the data",
    4: "also the data itself and intermediate checkpoints",
}

OF_THE_TRAINING = frozenset((*REQUIRED[3], *REQUIRED[4], "data_card"))
"""Components that describe how the weights came about: a model and its base have to have both."""

_PART_IS_ENOUGH = frozenset((*REQUIRED[1], *REQUIRED[2]))
_OF_WEIGHTS = ("weights_final", "weights_intermediate")
_WORST_FIRST: tuple[State, ...] = ("absent", "partial", "restricted", "open")


@dataclass(frozen=True, slots=True)
class Range:
    """The state of one component: the same twice where it is known, the worst and the best possible where it is not."""

    low: State
    high: State

    @property
    def known(self) -> bool:
        return self.low == self.high


@dataclass(frozen=True, slots=True)
class Published:
    """The level as an interval. `components` has every one of COMPONENTS; `derived`: bases of others count in it."""

    low: PublishedLevel
    high: PublishedLevel
    components: Mapping[str, Range]
    derived: bool


def published(model: CatalogModel, lineage: Lineage) -> Published:
    """What was published of `model` and of the bases of other publishers in its `lineage`."""
    ranges = own_components(model)
    others = tuple(each for each in lineage.ancestors if each.foreign)
    for base in others:
        of_base = {} if base.model is None else own_components(base.model)
        ranges = {name: _with_base(name, own, of_base.get(name)) for name, own in ranges.items()}
    return of_components(ranges, derived=bool(others))


def own_components(model: CatalogModel) -> dict[str, Range]:
    """The components of `model` by its own row alone. Where weights are withheld there are no checkpoints either."""
    found = {name: _range(model.published[name].state if name in model.published else "unknown") for name in COMPONENTS}
    if model.weights == "withheld":
        found.update(dict.fromkeys(_OF_WEIGHTS, Range("absent", "absent")))
    return found


def of_components(components: Mapping[str, Range], *, derived: bool = False) -> Published:
    """The levels that `components` reach."""
    low = _level({name: each.low for name, each in components.items()})
    high = _level({name: each.high for name, each in components.items()})
    return Published(low, high, components, derived)


def counts(component: str, state: State) -> bool:
    """Whether `state` of `component` is enough for the level that asks for it."""
    return state in ("open", "restricted") or (state == "partial" and component in _PART_IS_ENOUGH)


def unknown_that_matter(found: Published) -> Iterator[str]:
    """The components whose state, once known, can narrow the interval; those of lower levels first."""
    for level, names in REQUIRED.items():
        for name in names:
            each = found.components[name]
            if level <= found.high and counts(name, each.low) != counts(name, each.high):
                yield name


def _level(states: Mapping[str, State]) -> PublishedLevel:
    reached: PublishedLevel = 0
    for level, names in REQUIRED.items():
        if not all(counts(name, states[name]) for name in names):
            break
        reached = level
    return reached


def _range(state: State) -> Range:
    return Range("absent", "open") if state == "unknown" else Range(state, state)


def _with_base(name: str, own: Range, base: Range | None) -> Range:
    other = base or _range("unknown")
    if name in OF_THE_TRAINING:
        return Range(_worse(own.low, other.low), _worse(own.high, other.high))
    return own if own.known else _better_known(own, other)


def _better_known(own: Range, base: Range) -> Range:
    return base if base.known else own


def _worse(one: State, other: State) -> State:
    return min(one, other, key=_WORST_FIRST.index)
