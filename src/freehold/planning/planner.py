"""Answers what fits: a model on a machine, models for a machine, machines for a model. Holds no state but its parts.

It looks at the store and at this machine, never at a network: builds that only a source has come as headers that
somebody has read. What is denied by the policy is never recommended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from freehold.catalog import Catalog
from freehold.catalog.model import CatalogModel
from freehold.core.errors import CallError
from freehold.core.quantity import Unknown
from freehold.fit.blueprint import Blueprint, RunShape
from freehold.fit.cache import CACHE_TYPES
from freehold.fit.choice import Choice, choose, meets
from freehold.fit.needs import MOST, Need, read_need
from freehold.fit.options import Option
from freehold.fit.placement import Placement
from freehold.fit.plan import BuildPlan, Speedometer, Wanted, plan
from freehold.fit.recommend import ORDERED_BY, Machine, Recommendation, Recommended, in_fewer_bits, recommend, tried
from freehold.fit.speed import Speeds, speeds
from freehold.hardware.calibration import Calibration
from freehold.hardware.measured_speeds import MeasuredSpeed, of_build
from freehold.hardware.rig import Rig
from freehold.planning.report import build_json, rig_json
from freehold.planning.target import Target

if TYPE_CHECKING:
    from freehold.catalog.policy import Verdict
    from freehold.fit.buy import Purchase

Judge = Callable[[CatalogModel], "Verdict"]
"""What the organization's policy says of a model."""


@dataclass(frozen=True, slots=True)
class Question:
    """How a model is to be run and what is needed. None asks for nothing; `need` is a sentence of `fit.needs`."""

    context_tokens: int | None = None
    slots: int | None = None
    cache_type: str = "f16"
    task: str | None = None
    need: str | None = None

    def read(self) -> tuple[Wanted, Need]:
        """The run and the need of it. Raises CallError, also where two parts say different things."""
        self._require_bounds()
        if self.cache_type not in CACHE_TYPES:
            raise CallError(f"There is no cache type {self.cache_type!r}.", hint=f"There are {', '.join(CACHE_TYPES)}.")
        if self.task is not None:
            # Searching the catalog brings the licenses with it: a sixth of the time of a plan that asks for no task.
            from freehold.catalog.find import read_skill

            read_skill(self.task)
        need = read_need(self.need) if self.need is not None else Need()
        for name, option in (("context_tokens", self.context_tokens), ("users", self.slots), ("task", self.task)):
            said = getattr(need, name)
            if option is not None and self.need is not None and said not in (None, option, 1):
                raise CallError(f"The need says {said} and the option {option}.", hint="Say it once.", need=self.need)
        context = self.context_tokens or need.context_tokens
        slots = self.slots or need.users
        need = replace(need, context_tokens=context, users=slots, task=self.task or need.task)
        return Wanted(context, slots, self.cache_type), need

    def _require_bounds(self) -> None:
        for name, value, most in (
            ("context_tokens", self.context_tokens, MOST["context_tokens"]),
            ("slots", self.slots, MOST["users"]),
        ):
            if value is not None and not 1 <= value <= most:
                raise CallError(f"{name} is {value:,}, and nothing runs so.", hint=f"Give 1 to {most:,}, or nothing.")


_NOTHING_TO_RUN = (
    "cannot be run here: its weights are not published, and it answers at its publisher's alone; `freehold find "
    "--open-weights` lists models that you can run"
)


class Planner:
    """Plans for `rig`. `calibration` is what was measured on it, or why nothing was; `measured` how fast builds ran
    there. Speeds are those with half of the context used."""

    def __init__(
        self, catalog: Catalog, rig: Rig, calibration: Calibration | Unknown, measured: Sequence[MeasuredSpeed] = ()
    ) -> None:
        self._catalog = catalog
        self._rig = rig
        self._calibration = calibration
        self._measured = measured

    def of_target(self, target: Target, question: Question) -> dict[str, Any]:
        """Every build of `target` on the machine, which of them to take and why, and machines where none does."""
        wanted, need = question.read()
        plans = self._plans(target.options, wanted)
        chosen = choose(plans, need)
        bought = self._machines(target, need, wanted) if question.need is not None and chosen.fits is False else []
        return {
            "model": target.name,
            "title": target.model.title if target.model else None,
            "taken_for": target.asked,
            "machine": rig_json(self._rig),
            "need": asdict(need),
            "builds": [build_json(each, self._rig, self._ran(each)) for each in plans],
            "fits": chosen.fits,
            "recommended": chosen.build.tag if chosen.build else None,
            "reason": chosen.reason if target.options else _NOTHING_TO_RUN,
            "machines": [_purchase(each, target.name) for each in bought],
        }

    def of_catalog(self, question: Question, judge: Judge, *, limit: int = 10) -> dict[str, Any]:
        """The models to run on the machine, for a task and a need; where none does what is needed, for the best models
        that would the machines to buy."""
        wanted, need = question.read()
        machine = Machine(self._rig, wanted, self._speedometer(self._rig))
        verdicts: dict[str, Verdict] = {}

        def allowed(model: CatalogModel) -> bool:
            verdicts[model.name] = judge(model)
            return verdicts[model.name].decision != "deny"

        found = recommend(self._catalog.models, machine, need, allowed, limit=limit)
        return {
            "machine": rig_json(self._rig),
            "need": asdict(need) | {"task": need.task or "chat"},
            "ordered_by": ORDERED_BY,
            "models": [self._recommendation(each, verdicts[each.model.name]) for each in found.found],
            "looked_at": found.looked_at,
            "untold": sum(found.untold.values()),
            "untold_because": dict(found.untold),
            "denied": found.denied,
            "machines": self._machines_for_models(need, wanted, allowed) if self._misses(found, question) else [],
            "fits": bool(found.found) or (None if found.untold else False),
        }

    def _misses(self, found: Recommended, question: Question) -> bool:
        """Whether a need is not met here. That of a machine which was not measured may be: nobody looked."""
        unmeasured = self._rig.here and isinstance(self._calibration, Unknown)
        return question.need is not None and not found.found and not (unmeasured and found.untold)

    def _machines_for_models(
        self, need: Need, wanted: Wanted, allowed: Callable[[CatalogModel], bool]
    ) -> list[dict[str, Any]]:
        from freehold.fit.buy_models import buy_models

        bought = buy_models(self._catalog.models, need, wanted, self._speedometer, allowed)
        return [_purchase(each.purchase, each.model.name) for each in bought]

    def _recommendation(self, each: Recommendation, verdict: Verdict) -> dict[str, Any]:
        # Openness and the licenses come with it: a tenth of the time of a plan for one model, which needs neither.
        from freehold.catalog.openness.lineage import inherited_licenses, trace

        inherited = inherited_licenses(each.model, trace(each.model, self._catalog.get))
        return {**_recommendation(each, verdict, inherited), "build": build_json(each.build, self._rig)}

    def brief(self, held: Mapping[str, Sequence[Option]] | None = None) -> dict[str, Any]:
        """`in_brief` of every model of the catalog that can be had. `held` are the builds at hand, by model: of a model
        that has some, what is said is of them, and of others only where none of them fits."""
        published = [model for model in self._catalog.models if model.weights == "published"]
        told = {model.name: self._at_hand_first(model, (held or {}).get(model.name, ())) for model in published}
        return {"machine": rig_json(self._rig), "models": told}

    def _at_hand_first(self, model: CatalogModel, held: Sequence[Option]) -> dict[str, Any]:
        """As `in_brief`, with `held`: which build at hand is spoken of, whether it fits and why not; null: there is
        none."""
        if not held:
            return {**self.in_brief(model), "held": None}
        plans = self._plans(held, Wanted())
        fitting = [each for each in plans if meets(each, Need())]
        if not fitting:
            first = plans[0]
            said = {"tag": first.tag, "fits": first.fits, "why_not": first.placement.why_not}
            return {**self.in_brief(model), "held": said}
        chosen = choose(fitting)
        best = chosen.build or fitting[0]
        reason = chosen.reason if chosen.build else f"{best.tag}: held, and it fits"
        return {
            **{"fits": True, "tag": best.tag, "reason": reason},
            "held": {"tag": best.tag, "fits": True, "why_not": None},
        }

    def in_brief(self, model: CatalogModel) -> dict[str, Any]:
        """Whether `model` fits, in which build, and why not. Where none of those fits that are tried first, those in
        fewer bits are looked at as well, as they are for `of_target`."""
        plans = self._plans(tried(model), Wanted())
        chosen = choose(plans)
        if chosen.fits is False:
            chosen = choose([*plans, *self._plans(in_fewer_bits(model), Wanted())])
        return {"fits": chosen.fits, "tag": chosen.build.tag if chosen.build else None, "reason": chosen.reason}

    def best(self, target: Target, wanted: Wanted | None = None) -> Choice:
        """Which build of `target` to take here."""
        return choose(self._plans(target.options, wanted or Wanted()))

    def _ran(self, each: BuildPlan) -> tuple[MeasuredSpeed, ...]:
        return of_build(self._measured, each.digest) if each.digest is not None else ()

    def _plans(self, options: Iterable[Option], wanted: Wanted) -> list[BuildPlan]:
        return plan(options, self._rig, wanted, self._speedometer(self._rig))

    def _speedometer(self, rig: Rig) -> Speedometer:
        def measure(blueprint: Blueprint, run: RunShape, placement: Placement) -> Speeds:
            used, slots = max(1, run.context_tokens // 2), run.slots
            return speeds(
                blueprint, run, rig, self._calibration, used_tokens=used, concurrency=slots, placement=placement
            )

        return measure

    def _machines(self, target: Target, need: Need, wanted: Wanted) -> list[Purchase]:
        from freehold.fit.buy import buy  # it brings the table of devices

        return buy(target.options, need, wanted, self._speedometer)


def _recommendation(each: Recommendation, verdict: Verdict, inherited: Iterable[str]) -> dict[str, Any]:
    model = each.model
    return {
        "name": model.name,
        "title": model.title,
        "publisher": model.publisher.name,
        "parameters": model.parameters,
        "active_parameters": model.active_parameters,
        "license": model.license,
        "inherited_licenses": list(inherited),
        "skills": list(model.skills),
        "repository": model.repository,
        "pullable": bool(model.builds),
        "verdict": verdict.decision,
        "duties": [duty.text for duty in verdict.duties],
        "questions": [reason.text for reason in verdict.reasons],
    }


def _purchase(each: Purchase, model: str) -> dict[str, Any]:
    machine = each.machine
    return {
        "model": model,
        "on": machine.text,
        "device": machine.device.key,
        "name": machine.device.name,
        "count": machine.count,
        "memory_bytes": machine.memory_bytes,
        "power_w": machine.power_w,
        "build": build_json(each.choice.build, each.rig) if each.choice.build else None,
    }
