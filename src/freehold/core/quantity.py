"""What a figure rests on. Four types, so that an estimate can never pass for a measurement, nor a guess for nothing.

`Exact` follows from files or settings by arithmetic; `Measured` was taken on the machine it is said of; `Estimated` is
a range, with the basis it rests on; `Unknown` says why nobody can tell. Values carry the unit that their name says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

Kind = Literal["exact", "measured", "estimated", "unknown"]


@dataclass(frozen=True, slots=True)
class Exact:
    """True of the thing itself: counted or computed, with nothing assumed."""

    kind: ClassVar[Kind] = "exact"
    value: float


@dataclass(frozen=True, slots=True)
class Measured:
    """The median of `runs` repetitions, the lowest and the highest of them, and the day (ISO 8601)."""

    kind: ClassVar[Kind] = "measured"
    value: float
    low: float
    high: float
    runs: int
    on: str


@dataclass(frozen=True, slots=True)
class Estimated:
    """Between `low` and `high`, by `basis`. `value` is the likeliest, None where only the range can be told."""

    kind: ClassVar[Kind] = "estimated"
    low: float
    high: float
    basis: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can tell, and why."""

    kind: ClassVar[Kind] = "unknown"
    reason: str


Quantity = Exact | Measured | Estimated | Unknown


def at_least(quantity: Quantity) -> float | None:
    """The low end; None is unknown."""
    return None if isinstance(quantity, Unknown) else quantity.value if isinstance(quantity, Exact) else quantity.low


def at_most(quantity: Quantity) -> float | None:
    """The high end, which is what must fit; None is unknown."""
    return None if isinstance(quantity, Unknown) else quantity.value if isinstance(quantity, Exact) else quantity.high


def likeliest(quantity: Quantity) -> float | None:
    """The one figure to sort by: the middle of a range that names none. None is unknown."""
    if isinstance(quantity, Unknown):
        return None
    if isinstance(quantity, Estimated) and quantity.value is None:
        return (quantity.low + quantity.high) / 2
    return quantity.value


def total(parts: Iterable[Quantity]) -> Quantity:
    """The sum, as sure as its least sure part: unknown with an unknown part, exact only where all are."""
    listed = tuple(parts)
    for part in listed:
        if isinstance(part, Unknown):
            return part
    if all(isinstance(part, Exact) for part in listed):
        return Exact(sum(likeliest(part) or 0 for part in listed))
    low = sum(at_least(part) or 0 for part in listed)
    high = sum(at_most(part) or 0 for part in listed)
    bases = dict.fromkeys(part.basis for part in listed if isinstance(part, Estimated))
    measured = [part for part in listed if isinstance(part, Measured)]
    if not bases:
        middle = sum(likeliest(part) or 0 for part in listed)
        return Measured(middle, low, high, min(part.runs for part in measured), max(part.on for part in measured))
    known = not any(isinstance(part, Estimated) and part.value is None for part in listed)
    return Estimated(low, high, "; ".join(bases), sum(likeliest(part) or 0 for part in listed) if known else None)


def as_json(quantity: Quantity) -> dict[str, Any]:
    """Stable keys: `kind` and `value` always (null where there is none), and what else the kind has."""
    data: dict[str, Any] = {"kind": quantity.kind, "value": None}
    for name in quantity.__slots__:
        data[name] = getattr(quantity, name)
    return data
