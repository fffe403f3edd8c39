"""Which models of the catalog to run on a machine, for a task: those that fit, are fast enough and are not denied.

The catalog holds no measurement of how well a model answers, so none is claimed: models are ordered by size and age.
A mixture of experts counts as the geometric mean of all and of active parameters, and a year of age as half the size.
Both are rules of thumb: the first is a common one, the second is slower than what was published (Xiao et al. 2024,
"Densing Law of LLMs", arXiv 2412.04315: half the parameters for the same results every 3.3 months). The order is a
place to begin looking, and `freehold bench` or your own questions decide.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from freehold.catalog.model import CatalogModel
from freehold.core.quantity import Unknown, at_least
from freehold.fit.blueprint import Blueprint
from freehold.fit.choice import READING_TOKENS_PER_S, meets
from freehold.fit.needs import Need
from freehold.fit.options import NATIVE, Option, offered_options, option
from freehold.fit.plan import BuildPlan, Speedometer, Wanted, plan_build
from freehold.fit.read_catalog import blueprint_of_model
from freehold.hardware.rig import Rig

ORDERED_BY = (
    "size and age: the larger and the newer first, a year of age counted as half the size; how well they answer is not "
    "measured here"
)
TRIED = ("Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS")
"""From the least lossy down: with fewer bits than these, a smaller model answers better."""
LEAST_BITS = 4.25
_DAYS = 365.25
_UNDATED = date(2020, 1, 1)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A model, and the build of it to run."""

    model: CatalogModel
    build: BuildPlan


@dataclass(frozen=True, slots=True)
class Recommended:
    """What was found, best first. `untold` counts the models of which it cannot be said whether they do what is
    needed, by the reason."""

    found: tuple[Recommendation, ...]
    looked_at: int
    untold: Mapping[str, int]
    denied: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What is planned for: the rig, how a model is to be run on it, and how fast it would be."""

    rig: Rig
    wanted: Wanted
    speedometer: Speedometer


def recommend(
    models: Iterable[CatalogModel],
    machine: Machine,
    need: Need,
    allowed: Callable[[CatalogModel], bool],
    *,
    limit: int = 10,
) -> Recommended:
    """At most `limit` models for the task of `need`, one of each family. `allowed` is asked of those only that fit."""
    ranked = sorted(_suited(models, need), key=_worth, reverse=True)
    found: list[Recommendation] = []
    families: set[str] = set()
    untold: Counter[str] = Counter()
    denied = 0
    for model in ranked:
        if len(found) == limit or (model.family or model.name) in families or not _may_fit(model, machine.rig):
            continue
        best = _best(model, machine, need)
        if isinstance(best, str):
            untold[best] += 1
        if best is None or isinstance(best, str):
            continue
        if not allowed(model):
            denied += 1
            continue
        families.add(model.family or model.name)
        found.append(Recommendation(model, best))
    return Recommended(tuple(found), len(ranked), untold, denied)


def _suited(models: Iterable[CatalogModel], need: Need) -> Iterator[CatalogModel]:
    for model in models:
        context = model.context_tokens
        long_enough = need.context_tokens is None or context is None or context >= need.context_tokens
        if model.weights == "published" and (need.task or "chat") in model.skills and model.parameters and long_enough:
            yield model


def _worth(model: CatalogModel) -> float:
    """The logarithm of its size as ORDERED_BY counts it."""
    size = float(model.parameters or 1)
    if model.shape.experts and model.active_parameters:
        size = math.sqrt(size * model.active_parameters)
    released = model.weights_released or model.api_released or _UNDATED
    return math.log2(size) + (released - _UNDATED).days / _DAYS


def _may_fit(model: CatalogModel, rig: Rig) -> bool:
    """False where its weights alone are more than the machine has, at the fewest bits that are tried."""
    if not rig.accelerators and not rig.host_is_known:
        return True
    there = sum(place.usable_bytes for place in rig.places)
    return (model.parameters or 0) * LEAST_BITS / 8 <= there


def _best(model: CatalogModel, machine: Machine, need: Need) -> BuildPlan | str | None:
    """The least lossy build that meets the need and writes as fast as people read; None: there is none; else why that
    cannot be said."""
    untold: str | None = None
    for each in tried(model):
        planned = plan_build(each, machine.rig, machine.wanted, machine.speedometer)
        answer = meets(planned, need)
        if answer and _is_fast(planned):
            return planned
        if answer is None:
            untold = untold or _why_untold(planned)
        if planned.blueprint.cannot_say:
            break
    return untold


def _why_untold(planned: BuildPlan) -> str:
    if planned.fits is None:
        return planned.placement.why_not or "whether it fits is not known"
    speeds = (planned.speeds.generation_tokens_per_s, planned.speeds.prompt_tokens_per_s)
    unknown = next((each.reason for each in speeds if isinstance(each, Unknown)), None)
    return unknown or "the estimate of its speed is above and below what was asked"


def tried(model: CatalogModel) -> Iterator[Option]:
    """The builds of `model` that are looked at: those of the catalog, and TRIED, or what it was published in."""
    built = {build.quantization.upper(): build.tag for build in model.builds}
    names = (*built, *NATIVE.get(model.shape.architecture or "", TRIED))
    for name in dict.fromkeys(names):
        blueprint: Blueprint = blueprint_of_model(model, name)
        yield option(built.get(name, name.lower()), "catalog" if name in built else "offered", blueprint)


def in_fewer_bits(model: CatalogModel) -> list[Option]:
    """The builds of `model` that hubs commonly offer below TRIED, the largest first."""
    offered = offered_options(model)
    names = [each.blueprint.quantization for each in offered]
    return offered[names.index(TRIED[-1]) + 1 :] if TRIED[-1] in names else []


def _is_fast(planned: BuildPlan) -> bool:
    """Whether it writes as fast as people read. Where nobody knows its speed: unless part of it lies with the host of a
    machine that has accelerators, which is the slow part."""
    speed = at_least(planned.speeds.generation_tokens_per_s)
    if speed is not None:
        return speed >= READING_TOKENS_PER_S
    placed = planned.placement
    return len(placed.shares) == 1 or (
        placed.offloaded_layers == len(planned.blueprint.layers) and not placed.host_experts
    )
