"""How free the weights' license leaves whoever takes them: F0 to F3, from clauses, strictest along the chain.

F0 no weights. F1 weights that may not be used commercially, or for a closed list of purposes only. F2 commercial use
within terms: a cap, a list of forbidden uses, a territory, a rule on outputs or names, a grant that can be withdrawn,
terms that the licensor may change. F3 any purpose. A clause nobody looked for leaves an interval. Accepting terms
behind a gate is a flag of the model, not a level. Caps and territories are judged for one organization elsewhere: here
their existence counts, not whether they are reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from freehold.catalog.licenses.record import Clauses, License
from freehold.catalog.model import PROPRIETARY, CatalogModel
from freehold.catalog.openness.lineage import Gap, Lineage

FindLicense = Callable[[str], License | None]
FreedomLevel = Literal[0, 1, 2, 3]

FREEDOM_MEANS: dict[FreedomLevel, str] = {
    0: "no weights",
    1: "weights, but not for commercial use, or only for some purposes",
    2: "commercial use within terms",
    3: "any purpose",
}

_TRAINED_ON_OUTPUTS = {
    "derivative": "a model trained on its outputs falls under the license",
    "forbidden": "its outputs must not train other models",
    "name duty": "a model trained on its outputs has to carry a name",
}

_LEAST: FreedomLevel = 1  # weights that somebody can have are at least F1
_COMMERCIAL = ("commercial", "field")  # clauses that can make a license F1
_TERMS = (
    "user_cap",
    "revenue_cap",
    "acceptable_use",
    "territory",
    "outputs",
    "redistribution",
    "naming",
    "hosting",
    "grant",
    "termination",
    "updates",
)


@dataclass(frozen=True, slots=True)
class Restriction:
    """A clause that lowers the level, in our words. `section` is None where the record names none."""

    clause: str
    section: str | None
    what: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one license, or one gap, contributes. `unknown`: clauses nobody looked for, or the gap itself."""

    model: str
    license: str | None
    low: FreedomLevel
    high: FreedomLevel
    restrictions: tuple[Restriction, ...] = ()
    unknown: tuple[str, ...] = ()
    gap: Gap | None = None


@dataclass(frozen=True, slots=True)
class Freedom:
    """The level as an interval. `low_from` and `high_from` are the parts that decided each bound; the model's own comes
    first in `parts` and wins ties, so another name there means that an ancestor was stricter."""

    low: FreedomLevel
    high: FreedomLevel
    parts: tuple[Part, ...]

    @property
    def low_from(self) -> Part:
        return min(self.parts, key=lambda part: part.low)

    @property
    def high_from(self) -> Part:
        return min(self.parts, key=lambda part: part.high)


def freedom(model: CatalogModel, lineage: Lineage, licenses: FindLicense) -> Freedom:
    """The freedom of `model` with the licenses that bind along its `lineage`."""
    return of_parts(_parts(model, lineage, licenses))


def of_parts(parts: tuple[Part, ...]) -> Freedom:
    """The strictest of `parts`, which must not be empty."""
    return Freedom(min(part.low for part in parts), min(part.high for part in parts), parts)


def _parts(model: CatalogModel, lineage: Lineage, licenses: FindLicense) -> tuple[Part, ...]:
    if model.weights == "withheld":
        return (
            Part(model.name, model.license, 0, 0, (Restriction("weights", None, "the weights are not published"),)),
        )
    bound = tuple(part for each in (model, *lineage.binding) for part in license_parts(each, licenses))
    gaps = tuple(Part(gap.of, None, _LEAST, 3, (), (gap.what,), gap) for gap in lineage.gaps)
    return (*bound, *gaps)


def license_parts(model: CatalogModel, licenses: FindLicense) -> tuple[Part, ...]:
    """What the license that `model` itself names allows, and each further text beside it."""
    return tuple(_part(model, license_id, licenses) for license_id in (model.license, *model.terms))


def _part(model: CatalogModel, license_id: str, licenses: FindLicense) -> Part:
    """A license without a record leaves F1 to F3."""
    if license_id == PROPRIETARY:
        none = Restriction("license", None, "there is no public license to these weights")
        return Part(model.name, license_id, _LEAST, _LEAST, (none,))
    record = licenses(license_id)
    if record is None:
        return Part(model.name, license_id, _LEAST, 3, (), ("every clause",))
    low, high, restrictions, unknown = grade(record, multimodal=is_multimodal(model))
    return Part(model.name, record.id, low, high, restrictions, unknown)


def is_multimodal(model: CatalogModel) -> bool:
    """True where the model takes or gives more than text."""
    return any(modality != "text" for modality in model.modalities)


def grade(
    record: License, *, multimodal: bool
) -> tuple[FreedomLevel, FreedomLevel, tuple[Restriction, ...], tuple[str, ...]]:
    """Low, high, the restrictions and the unknown clauses of one license.

    A license the OSI approved allows any purpose by the OSI's own definition, so clauses nobody looked for in it do not
    lower it; clauses that were found always count.
    """
    clauses = record.clauses
    barred, terms = tuple(_barred(clauses)), tuple(_terms(clauses, multimodal))
    high: FreedomLevel = 1 if barred else 2 if terms else 3
    unknown = () if record.osi_approved or barred else _unlooked(clauses)
    low: FreedomLevel = high
    if any(name in _COMMERCIAL for name in unknown):
        low = 1
    elif unknown:
        low = 2
    return low, high, (*barred, *terms), unknown


def _unlooked(clauses: Clauses) -> tuple[str, ...]:
    return tuple(name for name in (*_COMMERCIAL, *_TERMS) if getattr(clauses, name) is None)


def _barred(clauses: Clauses) -> Iterator[Restriction]:
    commercial, field = clauses.commercial, clauses.field
    if commercial is not None and commercial.exists and commercial.value == "no":
        yield Restriction("commercial", commercial.section, "no commercial use")
    if field is not None and field.exists and field.only:
        yield Restriction("field", field.section, f"only for {', '.join(field.only)}")


def _terms(clauses: Clauses, multimodal: bool) -> Iterator[Restriction]:
    yield from _conditions(clauses)
    yield from _uses(clauses, multimodal)
    yield from _passing_on(clauses, multimodal)
    yield from _firmness(clauses)


def _conditions(clauses: Clauses) -> Iterator[Restriction]:
    commercial = clauses.commercial
    if commercial is not None and commercial.exists and commercial.value == "conditional":
        yield Restriction("commercial", commercial.section, "commercial use under conditions")
    users, revenue = clauses.user_cap, clauses.revenue_cap
    if users is not None and users.exists:
        over = "a number" if users.over is None else f"{users.over:,}"
        yield Restriction("user_cap", users.section, f"a cap of {over} {users.metric}")
    if revenue is not None and revenue.exists:
        over = "" if revenue.over is None else f" of {revenue.over:,} {revenue.currency or ''}".rstrip()
        yield Restriction("revenue_cap", revenue.section, f"a revenue cap{over} a {revenue.period}")


def _uses(clauses: Clauses, multimodal: bool) -> Iterator[Restriction]:
    use, place, outputs = clauses.acceptable_use, clauses.territory, clauses.outputs
    if use is not None and use.exists and use.form in ("inline", "by reference"):
        yield Restriction("acceptable_use", use.section, "a list of forbidden uses")
    if place is not None and place.exists and place.excluded and (multimodal or place.applies_to == "all"):
        yield Restriction("territory", place.section, f"no grant in {', '.join(place.excluded)}")
    if outputs is not None and outputs.exists and outputs.train_others != "free":
        yield Restriction("outputs", outputs.section, _TRAINED_ON_OUTPUTS[outputs.train_others])
    if outputs is not None and outputs.exists and outputs.restricted_use != "none":
        yield Restriction("outputs", outputs.section, f"outputs limited to {outputs.restricted_use}")


def _passing_on(clauses: Clauses, multimodal: bool) -> Iterator[Restriction]:
    passing, naming, hosting = clauses.redistribution, clauses.naming, clauses.hosting
    if passing is not None and passing.exists and passing.allowed != "yes":
        yield Restriction("redistribution", passing.section, f"passing on: {passing.allowed}")
    if naming is not None and naming.exists and (multimodal or naming.applies_to == "all"):
        words = " and ".join(f'"{word}"' for word in (naming.prefix, naming.display) if word)
        yield Restriction("naming", naming.section, f"a duty to use the name {words}".rstrip())
    if hosting is not None and hosting.exists and hosting.allowed != "yes":
        yield Restriction("hosting", hosting.section, f"offering it as a service: {hosting.allowed}")


def _firmness(clauses: Clauses) -> Iterator[Restriction]:
    grant, ending, updates = clauses.grant, clauses.termination, clauses.updates
    if grant is not None and grant.exists and grant.irrevocable == "no":
        yield Restriction("grant", grant.section, "the grant can be withdrawn")
    if grant is not None and grant.exists and grant.duration == "term":
        yield Restriction("grant", grant.section, "the grant ends")
    if ending is not None and ending.exists and "guardrail bypass" in ending.on:
        yield Restriction("termination", ending.section, "ends when a guardrail is bypassed")
    if updates is not None and updates.exists:
        changing = (updates.license_mutable, updates.use_policy_mutable, updates.must_use_latest)
        if any(changing) or updates.remote_restriction:
            yield Restriction("updates", updates.section, "the licensor may change or restrict it later")
