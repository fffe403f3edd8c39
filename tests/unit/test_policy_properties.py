"""What holds of every license and every organization: restrictions only restrict, and silence permits nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from freehold.catalog import CatalogModel
from freehold.catalog.licenses import Licenses
from freehold.catalog.licenses.record import (
    AcceptableUse,
    Clause,
    Clauses,
    Commercial,
    Field,
    Hosting,
    Indemnity,
    License,
    Naming,
    Outputs,
    Redistribution,
    RevenueCap,
    Termination,
    Territory,
    Updates,
    UserCap,
)
from freehold.catalog.model import Publisher
from freehold.catalog.policy import Asker, Shelf, Verdict, check
from freehold.catalog.policy.verdict import DECISIONS
from freehold.core.organization import PURPOSES, SECTORS, Organization, Policy

LICENSES = Licenses.load()
SOMEBODY = Publisher("somebody", "Somebody", "product laboratory")
FIGURES = st.none() | st.sampled_from([0, 999, 1_000_000, 10_000_001, 25_000_000, 150_000_000, 900_000_000, 2 * 10**10])
FLAGS = st.none() | st.booleans()
COUNTRIES = st.sampled_from(["US", "DE", "GB", "KR", "NO", "JP"])

ORGANIZATIONS = st.builds(
    Organization,
    domicile=st.none() | COUNTRIES,
    uses_in=st.none() | st.lists(COUNTRIES, max_size=2).map(tuple),
    commercial=FLAGS,
    public_sector=FLAGS,
    purposes=st.none() | st.lists(st.sampled_from(PURPOSES), max_size=2).map(tuple),
    sectors=st.none() | st.lists(st.sampled_from(SECTORS), max_size=2).map(tuple),
    monthly_active_users=FIGURES,
    monthly_active_users_peak=FIGURES,
    monthly_active_users_at=st.dictionaries(
        st.sampled_from(["2024-03", "2024-06", "2024-11", "2025-03"]), FIGURES.filter(lambda value: value is not None)
    ),
    product_monthly_active_users=FIGURES,
    revenue_month_usd=FIGURES,
    revenue_year_usd=FIGURES,
    product_revenue_month_usd=FIGURES,
    product_revenue_year_usd=FIGURES,
    hosts_for_others=FLAGS,
    offers_services=FLAGS,
    distributes=FLAGS,
    trains_on_outputs=FLAGS,
    strips_guardrails=FLAGS,
).filter(lambda organization: not list(organization.contradictions()))

SCOPES = st.sampled_from(["product", "licensee", "licensee and affiliates", "unstated"])
EFFECTS = st.sampled_from(["request a license", "pass a review", "display a name", "no rights", "license ends", None])
CLAUSES: dict[str, st.SearchStrategy[Clause]] = {
    "commercial": st.builds(Commercial, value=st.sampled_from(["conditional", "no"])),
    "field": st.builds(Field, only=st.just(("research",)), employer_excluded=st.booleans()),
    "user_cap": st.builds(
        UserCap,
        over=st.sampled_from([None, 1_000_000, 700_000_000]),
        scope=SCOPES,
        measured=st.sampled_from(["release date", "continuing", "unstated"]),
        measured_on=st.sampled_from([None, date(2024, 7, 23)]),
        effect=EFFECTS,
    ),
    "revenue_cap": st.builds(
        RevenueCap,
        over=st.sampled_from([None, 1_000_000, 20_000_000]),
        currency=st.sampled_from(["USD", "EUR"]),
        period=st.sampled_from(["month", "year", "rolling 12 months", "unstated"]),
        scope=SCOPES,
        activity=st.sampled_from(["any", "model as a service"]),
        effect=EFFECTS,
    ),
    "acceptable_use": st.builds(
        AcceptableUse,
        form=st.sampled_from(["law only", "inline", "by reference"]),
        flow_down=st.booleans(),
        topics=st.sampled_from([None, ("military",), ("automated decisions on rights",)]),
    ),
    "territory": st.builds(
        Territory,
        excluded=st.sampled_from([("EU",), ("EU", "GB", "KR")]),
        applies_to=st.sampled_from(["all", "multimodal"]),
        principal_place=st.booleans(),
    ),
    "outputs": st.builds(
        Outputs,
        train_others=st.sampled_from(["name duty", "derivative", "forbidden"]),
        restricted_use=st.sampled_from(["none", "research only", "acceptable use", "noncommercial"]),
        ambiguous=st.booleans(),
    ),
    "redistribution": st.builds(
        Redistribution,
        allowed=st.sampled_from(["yes", "conditional", "no"]),
        copy=st.booleans(),
        flow_down=st.booleans(),
    ),
    "naming": st.builds(
        Naming,
        prefix=st.sampled_from([None, "X"]),
        display=st.sampled_from([None, "Built with X"]),
        display_when=st.sampled_from(["distribution", "improving a model", "above a cap", "publicity"]),
    ),
    "hosting": st.builds(Hosting, allowed=st.sampled_from(["no", "separate license"])),
    "termination": st.builds(Termination, on=st.just(("guardrail bypass",))),
    "updates": st.builds(Updates, must_use_latest=st.booleans()),
    "indemnity": st.builds(Indemnity),
}
ABSENT: dict[str, Clause] = {
    "commercial": Commercial(value="yes", exists=False),
    "field": Field(exists=False),
    "user_cap": UserCap(exists=False),
    "revenue_cap": RevenueCap(exists=False),
    "acceptable_use": AcceptableUse(exists=False),
    "territory": Territory(exists=False),
    "outputs": Outputs(exists=False),
    "redistribution": Redistribution(exists=False),
    "naming": Naming(exists=False),
    "hosting": Hosting(exists=False),
    "termination": Termination(exists=False),
    "updates": Updates(exists=False),
    "indemnity": Indemnity(exists=False),
}


@st.composite
def records(draw: st.DrawFn) -> License:
    """A text in which everything was looked for, and any of the clauses above was found."""
    free = LICENSES.get("cc0-1.0")
    assert free is not None
    found = {name: draw(st.none() | clause) for name, clause in CLAUSES.items()}
    base = {name: value for name, value in free.clauses.items() if value is not None}
    clauses: dict[str, Any] = {**base, **{name: clause for name, clause in found.items() if clause is not None}}
    clauses = {**clauses, **{name: ABSENT[name] for name, clause in found.items() if clause is None}}
    return License(id="x", name="X", kind="other", summary="", text=free.text, clauses=Clauses(**clauses))


def judged(record: License, organization: Organization, policy: Policy | None = None) -> Verdict:
    model = CatalogModel("m", "M", SOMEBODY, "x", base_models=(), modalities=("text", "image"))
    shelf = Shelf(models=lambda _: None, licenses={"x": record}.get)
    return check(model, shelf, Asker(organization=organization, policy=policy or Policy()))


def strictness(verdict: Verdict) -> int:
    return DECISIONS.index(verdict.decision)


@settings(max_examples=150, deadline=None)
@given(records(), ORGANIZATIONS, st.sampled_from(sorted(CLAUSES)), st.data())
def test_adding_a_restriction_never_makes_the_verdict_more_lenient(
    record: License, organization: Organization, name: str, data: st.DataObject
) -> None:
    before = getattr(record.clauses, name)
    assume(not before.exists)
    clause: dict[str, Any] = {name: data.draw(CLAUSES[name])}
    added = replace(record, clauses=replace(record.clauses, **clause))
    assert strictness(judged(added, organization)) >= strictness(judged(record, organization))


@settings(max_examples=150, deadline=None)
@given(records(), ORGANIZATIONS)
def test_a_fact_that_is_not_stated_never_turns_a_denial_into_a_leave(
    record: License, organization: Organization
) -> None:
    if judged(record, organization).decision != "deny":
        return
    for name in Organization.__dataclass_fields__:
        nothing: dict[str, Any] = {name: {} if name == "monthly_active_users_at" else None}
        unsaid = replace(organization, **nothing)
        assert judged(record, unsaid).decision in {"deny", "review"}, name
    assert judged(record, Organization()).decision in {"deny", "review"}


@settings(max_examples=80, deadline=None)
@given(records(), ORGANIZATIONS, st.sampled_from(sorted(CLAUSES)))
def test_a_clause_nobody_looked_for_is_never_taken_as_allowed(
    record: License, organization: Organization, name: str
) -> None:
    unlooked = replace(record, clauses=replace(record.clauses, **{name: None}))
    assume(name != "indemnity")  # a promise to the licensor; nothing turns on it
    assert judged(unlooked, organization).decision in {"deny", "review"}


@settings(max_examples=80, deadline=None)
@given(records(), ORGANIZATIONS)
def test_the_houses_own_denial_stands_over_everything(record: License, organization: Organization) -> None:
    policy = Policy(denied_licenses=("x",), agreements={"x": "ours"}, reviewed={"x": "done", "m": "done"})
    assert judged(record, organization, policy).decision == "deny"


@settings(max_examples=80, deadline=None)
@given(records(), ORGANIZATIONS)
def test_every_reason_has_its_clause_and_no_verdict_is_without_grounds(
    record: License, organization: Organization
) -> None:
    found = judged(record, organization)
    assert (found.decision in {"deny", "review"}) == bool(found.reasons)
    assert (found.decision == "allow") == (not found.reasons and not found.duties)
    assert all(getattr(record.clauses, said.clause).exists for said in (*found.reasons, *found.duties, *found.risks))
