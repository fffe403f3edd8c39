"""How free a license leaves its taker: each clause alone, clauses nobody looked for, and texts nobody read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from freehold.catalog.licenses import record as clause
from freehold.catalog.licenses.record import Clauses, License, TextRef
from tests.openness_rows import CARD, REPORT, assessed, row


def _license(clauses: Mapping[str, clause.Clause | None] | None = None, *, approved: bool | None = None) -> License:
    every: dict[str, clause.Clause | None] = {
        "commercial": clause.Commercial(value="yes"),
        "user_cap": clause.UserCap(exists=False),
        "revenue_cap": clause.RevenueCap(exists=False),
        "acceptable_use": clause.AcceptableUse(exists=False),
        "field": clause.Field(exists=False),
        "territory": clause.Territory(exists=False),
        "outputs": clause.Outputs(exists=False),
        "redistribution": clause.Redistribution(copy=True),
        "naming": clause.Naming(exists=False),
        "hosting": clause.Hosting(exists=False),
        "grant": clause.Grant(irrevocable="yes"),
        "termination": clause.Termination(on=("breach", "patent suit")),
        "updates": clause.Updates(exists=False),
    }
    text = TextRef(source="a test", retrieved=None, seen=True)
    return License(
        id="x",
        name="X",
        kind="other",
        summary="",
        text=text,
        clauses=Clauses(**{**every, **(clauses or {})}),  # type: ignore[arg-type]  # one dict of many clause types
        osi_approved=approved,
    )


def _freedom(record: License, modalities: tuple[str, ...] = ("text",)) -> tuple[int, int]:
    found = assessed(replace(row("m", "x", CARD), modalities=modalities), licenses={"x": record})
    return found.freedom.low, found.freedom.high


RESTRICTING: list[tuple[str, clause.Clause]] = [
    ("commercial", clause.Commercial(value="conditional")),
    ("user_cap", clause.UserCap(over=700_000_000)),
    ("revenue_cap", clause.RevenueCap(over=20_000_000, currency="USD", period="month", effect="no rights")),
    ("acceptable_use", clause.AcceptableUse(form="inline")),
    ("acceptable_use", clause.AcceptableUse(form="by reference")),
    ("territory", clause.Territory(excluded=("EU",))),
    ("outputs", clause.Outputs(train_others="forbidden")),
    ("outputs", clause.Outputs(train_others="name duty")),
    ("outputs", clause.Outputs(train_others="derivative")),
    ("outputs", clause.Outputs(restricted_use="research only")),
    ("redistribution", clause.Redistribution(allowed="no")),
    ("naming", clause.Naming(prefix="Llama")),
    ("naming", clause.Naming(display="Kimi K2", display_when="above a cap")),
    ("hosting", clause.Hosting(allowed="separate license")),
    ("grant", clause.Grant(irrevocable="no")),
    ("grant", clause.Grant(duration="term")),
    ("termination", clause.Termination(on=("guardrail bypass",))),
    ("updates", clause.Updates(license_mutable=True)),
    ("updates", clause.Updates(use_policy_mutable=True)),
    ("updates", clause.Updates(must_use_latest=True)),
    ("updates", clause.Updates(remote_restriction=True)),
]


@pytest.mark.parametrize(("name", "value"), RESTRICTING, ids=lambda value: str(value)[:40])
def test_every_restricting_clause_alone_makes_a_free_license_f2(name: str, value: clause.Clause) -> None:
    assert _freedom(_license()) == (3, 3)
    assert _freedom(_license({name: value})) == (2, 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [("commercial", clause.Commercial(value="no")), ("field", clause.Field(only=("research", "personal")))],
)
def test_no_commerce_or_a_closed_list_of_purposes_is_f1(name: str, value: clause.Clause) -> None:
    assert _freedom(_license({name: value, "acceptable_use": None})) == (1, 1)


def test_a_use_list_that_repeats_the_law_restricts_nothing() -> None:
    assert _freedom(_license({"acceptable_use": clause.AcceptableUse(form="law only")})) == (3, 3)


def test_a_clause_for_multimodal_models_leaves_text_models_alone() -> None:
    record = _license({"territory": clause.Territory(excluded=("EU",), applies_to="multimodal")})
    name = _license({"naming": clause.Naming(display="Built on NVIDIA Cosmos", applies_to="multimodal")})
    for each in (record, name):
        assert _freedom(each) == (3, 3)
        assert _freedom(each, ("text", "image")) == (2, 2)


def test_a_clause_nobody_looked_for_leaves_an_interval() -> None:
    assert _freedom(_license({"outputs": None})) == (2, 3)
    assert _freedom(_license({"commercial": None})) == (1, 3)
    assert _freedom(_license({"commercial": None, "user_cap": clause.UserCap(over=1)})) == (1, 2)
    assert _freedom(_license({"outputs": None, "user_cap": clause.UserCap(over=1)})) == (2, 2)


def test_what_the_osi_approved_is_free_also_where_nobody_looked() -> None:
    assert _freedom(_license({"outputs": None, "commercial": None}, approved=True)) == (3, 3)


def test_a_license_without_a_record_is_asked_for() -> None:
    found = assessed(row("model", "nobody-read-this", REPORT))
    assert (found.freedom.low, found.freedom.high) == (1, 3)
    assert [(each.kind, each.what) for each in found.evidence] == [("license", "nobody-read-this")]
