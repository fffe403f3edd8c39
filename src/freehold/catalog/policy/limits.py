"""Rules on who may use a model at all: commercial use, purposes, caps of users and revenue, places."""

from __future__ import annotations

from collections.abc import Iterator

from freehold.catalog.licenses.record import Effect, RevenueCap, Territory, UserCap
from freehold.catalog.policy import measure
from freehold.catalog.policy.case import Case, Found
from freehold.catalog.policy.measure import Measured
from freehold.core.organization import EEA, EU, Organization

_ABOVE: dict[Effect, str] = {
    "request a license": "there are no rights without a license that the licensor grants on request",
    "pass a review": "the licensor's review has to be passed first",
    "no rights": "there are no rights at all",
    "license ends": "the license ends",
}


def commercial(case: Case) -> Iterator[Found]:
    clause = case.clauses.commercial
    if clause is None or not clause.exists or clause.value == "yes":
        return
    says = case.organization.commercial
    if clause.value == "conditional":
        if says is not False:
            text = "commercial use is allowed under conditions: keep to those that are named here"
            yield case.duty("condition", "commercial", text)
    elif says:
        yield case.reason("deny", "commercial", "commercial use is not allowed", "commercial")
    elif says is None:
        yield case.reason("review", "commercial", "only use that is not commercial is allowed", "commercial")
    else:
        yield case.duty("purpose", "commercial", "do not use it commercially", fact="commercial")


def field(case: Case) -> Iterator[Found]:
    clause = case.clauses.field
    if clause is None or not clause.exists:
        return
    if clause.only:
        yield _purposes(case, clause.only)
    if clause.employer_excluded and not case.organization.public_sector:
        text = "use by people who work for a company is outside the grant"
        companies = case.organization.commercial
        yield case.reason("deny" if companies else "review", "field", text, "commercial" if companies else None)


def _purposes(case: Case, only: tuple[str, ...]) -> Found:
    allowed, given = ", ".join(only), case.organization.purposes
    if not given:
        return case.reason("review", "field", f"the grant is for {allowed} only", "purposes")
    if any(purpose not in only for purpose in given):
        return case.reason("deny", "field", f"the grant is for {allowed} only", "purposes")
    return case.duty("purpose", "field", f"use it for {allowed} only", fact="purposes")


def user_cap(case: Case) -> Iterator[Found]:
    clause = case.clauses.user_cap
    if clause is None or not clause.exists:
        return
    yield from _cap(case, "user_cap", clause, measure.users(clause, case.organization))


def revenue_cap(case: Case) -> Iterator[Found]:
    clause = case.clauses.revenue_cap
    if clause is None or not clause.exists:
        return
    if clause.activity == "model as a service" and case.organization.hosts_for_others is False:
        return
    if clause.currency not in ("USD", None) or clause.period == "unstated":
        text = "a revenue cap that cannot be compared: its currency or period is another than those stated here"
        yield case.reason("review", "revenue_cap", text)
        return
    measured = measure.revenue(clause, case.organization)
    found = list(_cap(case, "revenue_cap", clause, measured))
    if clause.activity == "model as a service" and case.organization.hosts_for_others is None:
        # Above the cap it still turns on whether the model is offered as a service.
        found = [_asks(case, each) for each in found]
    yield from found


def _asks(case: Case, found: Found) -> Found:
    denied = getattr(found, "decision", None) == "deny"
    text = "whoever offers the model as a service is bound by a revenue cap, and it is exceeded"
    return case.reason("review", "revenue_cap", text, "hosts_for_others") if denied else found


def _cap(case: Case, name: str, clause: UserCap | RevenueCap, measured: Measured) -> Iterator[Found]:
    if clause.over is None or clause.effect is None:
        yield case.reason("review", name, "there is a cap; how high it is, or what it does, is not in the record")
        return
    above = measured.above(clause.over)
    if clause.effect == "display a name":
        yield from _display(case, name, clause, above, measured)
    elif above:
        text = f"above {limit(clause)} {_ABOVE[clause.effect]}"
        # Caps bind commercial use; whether one binds anybody else is a question for counsel.
        certain = case.organization.commercial is not False
        yield case.reason("deny" if certain else "review", name, text, measured.fact)
    elif above is None:
        text = f"above {limit(clause)} {_ABOVE[clause.effect]}"
        yield case.reason("review", name, text, f"{measured.missing} is not stated")
    elif not (isinstance(clause, UserCap) and clause.measured == "release date"):
        text = f"check again when the figures change: above {limit(clause)} {_ABOVE[clause.effect]}"
        yield case.duty("cap", name, text, fact=measured.fact)


def _display(
    case: Case, name: str, clause: UserCap | RevenueCap, above: bool | None, measured: Measured
) -> Iterator[Found]:
    naming = case.clauses.naming
    shown = naming.display if naming is not None and naming.exists and naming.display else "the name it asks for"
    where = f" in {naming.where}" if naming is not None and naming.exists and naming.where else ""
    text, when = f'show "{shown}"{where}', f"above {limit(clause)}"
    if above is None:
        yield case.duty("display", name, text, fact=f"{measured.missing} is not stated", when=when)
    elif above:
        yield case.duty("display", name, text, fact=measured.fact)
    else:
        yield case.ruled_out("display", name, text, measured.fact, when)


def limit(clause: UserCap | RevenueCap) -> str:
    """The cap in words: how much, of whom, counted when."""
    over = "a number not known" if clause.over is None else f"{clause.over:,}"
    whose = {"product": " of the product", "licensee": " of the licensee"}.get(clause.scope, "")
    whose = " of the licensee and its affiliates" if clause.scope == "licensee and affiliates" else whose
    if isinstance(clause, UserCap):
        once = clause.measured == "release date"
        counted = f", counted once, in the month before {clause.measured_on or 'the release'}" if once else ""
        return f"{over} {clause.metric}{whose}{counted}"
    period = f" in {clause.period}" if "rolling" in clause.period else f" a {clause.period}"
    return f"{over} {clause.currency or 'USD'}{period}{whose}"


def territory(case: Case) -> Iterator[Found]:
    clause = case.clauses.territory
    if clause is None or not clause.exists or not clause.excluded:
        return
    if clause.applies_to == "multimodal" and case.multimodal is False:
        return
    text, fact, inside = _place(clause, case.organization)
    if inside is False:
        return
    if clause.applies_to == "multimodal" and case.multimodal is None:
        yield case.reason("review", "territory", f"{text}; what it takes and gives is not known", fact)
    else:
        yield case.reason("deny" if inside else "review", "territory", text, fact)


def _place(clause: Territory, organization: Organization) -> tuple[str, str, bool | None]:
    """The clause in words, the fact it turns on, and whether the organization is inside (None: not stated)."""
    places = ", ".join("the EU" if place == "EU" else place for place in clause.excluded)
    what = ", where the model takes or gives more than text" if clause.applies_to == "multimodal" else ""
    home = organization.domicile
    at_home = None if home is None else within(home, clause.excluded)
    if clause.principal_place:
        text = f"nothing is granted to people and companies of {places}{what}"
        return text, _home_fact(organization), at_home
    text = f"use in {places} is not granted{what}"
    if organization.uses_in is not None:
        return text, "uses_in", any(within(country, clause.excluded) for country in organization.uses_in)
    # Where nobody said in which countries it is used, it is used at home; elsewhere it may be used too.
    return (text, _home_fact(organization), True) if at_home else (text, "uses_in", None)


def _home_fact(organization: Organization) -> str:
    said = organization.said("domicile")
    return f"{said}, in the EU" if organization.domicile in EU else said


def within(country: str, places: tuple[str, ...]) -> bool:
    """Whether an ISO 3166 country is one of `places`: country codes, "EU" or "EEA"."""
    return country in places or ("EU" in places and country in EU) or ("EEA" in places and country in EEA)
