"""The builds of one model on one machine: whether each fits and why not, where it lies, how long a context it can have,
how fast it is, how much of the model it is expected to lose.

Pure. The machine is what `rig` says, measured or described; nothing here looks at a disk or asks an engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from freehold.core.quantity import Quantity
from freehold.fit.blueprint import Blueprint, RunShape
from freehold.fit.options import Distance, Option, Origin
from freehold.fit.placement import Placement, place
from freehold.fit.speed import Speeds
from freehold.hardware.rig import Rig

COMMON_CONTEXT_TOKENS = 8192
"""What is planned for where nobody says: a long conversation, or a document of twenty pages."""

Speedometer = Callable[[Blueprint, RunShape, Placement], Speeds]
"""How fast a build is where it is placed, with as many requests at once as there are slots."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a model is to be run. `context_tokens` is for each of `slots`, None: COMMON_CONTEXT_TOKENS, or what it was
    trained with if that is less."""

    context_tokens: int | None = None
    slots: int = 1
    cache_type: str = "f16"

    def run(self, blueprint: Blueprint) -> RunShape:
        """The shape of a run of `blueprint`. A context longer than it was trained with is cut to that, as the engine
        does: it would hold the memory and use none of it."""
        asked = self.context_tokens or COMMON_CONTEXT_TOKENS
        context = min(asked, blueprint.trained_tokens or asked)
        return RunShape(context, self.slots, cache_type_k=self.cache_type, cache_type_v=self.cache_type)


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """One build on the machine. `loss` is in nats a token; `digest`, `distance` and `refused` as in Option."""

    tag: str
    origin: Origin
    blueprint: Blueprint
    run: RunShape
    placement: Placement
    speeds: Speeds
    loss: Quantity
    digest: str | None = None
    distance: Distance | None = None
    refused: str | None = None

    @property
    def fits(self) -> bool | None:
        """None: it cannot be told."""
        return self.placement.fits


def plan(options: Iterable[Option], rig: Rig, wanted: Wanted, speedometer: Speedometer) -> list[BuildPlan]:
    """What becomes of each of `options` on `rig`, in their order."""
    return [plan_build(each, rig, wanted, speedometer) for each in options]


def plan_build(each: Option, rig: Rig, wanted: Wanted, speedometer: Speedometer) -> BuildPlan:
    """What becomes of one build on `rig`."""
    run = wanted.run(each.blueprint)
    placement = place(each.blueprint, run, rig)
    if each.refused is not None:
        placement = Placement(False, placement.need, why_not=each.refused)
    return BuildPlan(
        tag=each.tag,
        origin=each.origin,
        blueprint=each.blueprint,
        run=run,
        placement=placement,
        speeds=speedometer(each.blueprint, run, placement),
        loss=each.loss,
        digest=each.digest,
        distance=each.distance,
        refused=each.refused,
    )
