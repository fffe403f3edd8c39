"""What to buy where no model is named: for each size of machine the best model that does what is needed on one, and the
smallest machine that runs it.

Sizes are those of CLASSES, each up to twice the one before. Of a class only the machine with the highest bandwidth is
asked which model is the best: layers of one model lie on one device after the other, so none of its size is faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from freehold.catalog.model import CatalogModel
from freehold.core.quantity import at_least
from freehold.fit.buy import Machine as Buyable
from freehold.fit.buy import Purchase, buy, machines
from freehold.fit.needs import Need
from freehold.fit.plan import Speedometer, Wanted
from freehold.fit.recommend import Machine, recommend, tried
from freehold.hardware import figures
from freehold.hardware.describe import described
from freehold.hardware.devices import Devices
from freehold.hardware.rig import Rig

CLASSES = tuple(24 * 2**doubled * figures.GIB for doubled in range(6))
"""From a card of 24 GiB to eight of 96, in bytes."""


@dataclass(frozen=True, slots=True)
class ModelPurchase:
    """A model that does what is needed, and the smallest machine for it."""

    model: CatalogModel
    purchase: Purchase


def buy_models(
    models: Sequence[CatalogModel],
    need: Need,
    wanted: Wanted,
    speedometer_for: Callable[[Rig], Speedometer],
    allowed: Callable[[CatalogModel], bool],
) -> list[ModelPurchase]:
    """At most one model for each class of machines, the smallest machine first. `allowed` is asked of those only that
    do what is needed."""
    best: dict[str, CatalogModel] = {}
    for machine in _fastest_of_each_class(machines(Devices.load())):
        rig = described(machine.text)
        found = recommend(models, Machine(rig, wanted, speedometer_for(rig)), need, allowed, limit=1).found
        best.update((each.model.name, each.model) for each in found)
    bought = [
        ModelPurchase(model, purchase)
        for model in best.values()
        for purchase in buy(tried(model), need, wanted, speedometer_for, limit=1)
    ]
    return sorted(bought, key=lambda each: each.purchase.machine.memory_bytes)


def _fastest_of_each_class(every: Iterable[Buyable]) -> Iterator[Buyable]:
    known = [machine for machine in every if _bandwidth(machine) > 0]
    for most in CLASSES:
        alike = [machine for machine in known if most // 2 < machine.memory_bytes <= most]
        if alike:
            yield max(alike, key=lambda machine: (_bandwidth(machine), machine.memory_bytes))


def _bandwidth(machine: Buyable) -> float:
    return max(at_least(figures.bandwidth(offer)) or 0.0 for offer in machine.device.offers)
