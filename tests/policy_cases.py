"""Verdicts for tests: real license records, made-up texts, and one small organization of which everything is known."""

from __future__ import annotations

from typing import Any

from freehold.catalog import CatalogModel
from freehold.catalog.licenses import Licenses
from freehold.catalog.licenses.record import Clauses, License
from freehold.catalog.model import Publisher
from freehold.catalog.policy import Asker, Shelf, Verdict, check
from freehold.core.organization import Organization, Policy

LICENSES = Licenses.load()
SOMEBODY = Publisher("somebody", "Somebody", "product laboratory")
OTHERS = Publisher("others", "Others", "frontier laboratory")
SMALL: dict[str, Any] = {
    "commercial": True,
    "domicile": "US",
    "sectors": (),
    "monthly_active_users": 1_000,
    "monthly_active_users_peak": 2_000,
    "revenue_year_usd": 500_000,
    "hosts_for_others": False,
    "offers_services": False,
    "distributes": False,
    "trains_on_outputs": False,
    "strips_guardrails": False,
}


def row(license_id: str, *, name: str = "m", modalities: tuple[str, ...] = ("text",), **facts: Any) -> CatalogModel:
    given: dict[str, Any] = {"base_models": (), "publisher": SOMEBODY} | facts
    return CatalogModel(name, name, license=license_id, modalities=modalities, **given)


def verdict(model: CatalogModel | str, *bases: CatalogModel, policy: Policy | None = None, **facts: Any) -> Verdict:
    """The verdict on `model` (or one under that license) for an organization of which `facts` alone are known."""
    asked = row(model) if isinstance(model, str) else model
    shelf = Shelf(models={base.name: base for base in bases}.get, licenses=LICENSES.get)
    organization = Organization(**facts) if facts else None
    return check(asked, shelf, Asker(organization=organization, policy=policy or Policy()))


def small(**facts: Any) -> dict[str, Any]:
    return {**SMALL, **facts}


def grounds(found: Verdict) -> set[tuple[str, str]]:
    return {(reason.decision, reason.clause) for reason in found.reasons}


def kinds(found: Verdict, *, binding: bool = False) -> set[str]:
    return {duty.kind for duty in found.duties if not binding or duty.when is None}


def bound(found: Verdict) -> set[tuple[str, str, bool, str | None]]:
    """Each duty: its kind, its words, whether it binds already, the fact it turns on."""
    return {(duty.kind, duty.text, duty.when is None, duty.fact) for duty in found.duties}


def of_clauses(**given: Any) -> Verdict:
    """The verdict on a text whose clauses are all absent but those given; other names are facts."""
    names = {name for name, _ in Clauses().items()}
    mit = LICENSES.get("mit")
    assert mit is not None
    absent = {name: value for name, value in mit.clauses.items() if name != "redistribution"}
    clauses = Clauses(**{**absent, "redistribution": mit.clauses.hosting, **_picked(given, names)})
    record = License(id="x", name="X", kind="other", summary="", text=mit.text, clauses=clauses)
    shelf = Shelf(models=lambda _: None, licenses={"x": record}.get)
    return check(
        row("x"),
        shelf,
        Asker(organization=Organization(**small(**_picked(given, set(Organization.__dataclass_fields__))))),
    )


def _picked(given: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in names}
