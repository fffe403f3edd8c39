"""The check: one model or one license, for one organization under one policy, strictest along the chain of bases.

Pure functions over rows, license records and facts. They state which clause asks what of whom; they never say that a
use is lawful, and what nobody looked for is never taken as allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from freehold.catalog.licenses.record import License
from freehold.catalog.model import PROPRIETARY, CatalogModel
from freehold.catalog.openness.freedom import FindLicense
from freehold.catalog.openness.lineage import Find, Gap, trace
from freehold.catalog.policy import firmness, house_rules, limits, passing_on, uses
from freehold.catalog.policy.case import Case, Found
from freehold.catalog.policy.verdict import Duty, Reading, Reason, Risk, RuledOut, Verdict, strictest
from freehold.core.organization import Organization, Policy

RULES: tuple[Callable[[Case], Iterator[Found]], ...] = (
    limits.commercial,
    limits.field,
    limits.territory,
    limits.user_cap,
    limits.revenue_cap,
    uses.outputs,
    uses.guardrails,
    passing_on.hosting,
    passing_on.redistribution,
    passing_on.naming,
    uses.acceptable_use,
    firmness.indemnity,
    firmness.updates,
    firmness.grant,
    firmness.termination,
    firmness.patents,
)
_LOOKED_FOR = (
    *("commercial", "field", "territory", "user_cap", "revenue_cap", "acceptable_use", "outputs", "redistribution"),
    *("naming", "hosting", "termination", "updates"),
)
_ORDER = {"deny": 0, "review": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What a check looks things up in: models by name or hub repository, licenses by id."""

    models: Find
    licenses: FindLicense


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """For whom. `organization` None: nobody said who it is, so every fact is unknown."""

    organization: Organization | None = None
    policy: Policy = field(default_factory=Policy)


def check(
    model: CatalogModel, shelf: Shelf, asker: Asker, *, derived: str | None = None, claims: tuple[str, ...] = ()
) -> Verdict:
    """What the licenses that bind whoever takes `model` ask of the organization, and what its own policy says.

    `derived` names weights that somebody says were made from `model`; `claims` are the licenses that they are then said
    to be under, and count too, unless one of them is a license of the chain.

    Raises CatalogError where the chain of base models runs in a circle.
    """
    lineage = trace(model, shelf.models)
    found: list[Found] = list(house_rules.of_model(model, shelf.models, shelf.licenses, asker.policy))
    for each in (model, *lineage.binding):
        for license_id in (each.license, *each.terms):
            said = list(_of_model(each, license_id, shelf, asker))
            found += _settled(said, each.name, license_id, asker.policy)
    found += [_gap(gap) for gap in lineage.gaps]
    readings = _readings((model, *lineage.binding), shelf)
    subject, chain = derived or model.name, {each.license for each in (model, *lineage.binding)}
    if derived is not None and not chain & set(claims):
        found += house_rules.of_licenses(derived, claims, asker.policy)
        found += [each for claim in claims for each in _of_claim(claim, derived, shelf, asker)]
        readings += tuple(_reading(record, (derived,)) for record in map(shelf.licenses, claims) if record)
    return _verdict(subject, _reviewed(found, (subject, model.name), asker.policy), readings, asker)


def check_claim(subject: str, license_ids: tuple[str, ...], shelf: Shelf, asker: Asker) -> Verdict:
    """For weights whose model is not known: `license_ids` are what the license their source claims can mean.

    A claim without a model is never enough: what it was made from and whose it is remain open.
    """
    found: list[Found] = list(house_rules.of_claim(subject, license_ids, asker.policy))
    text = "which model these weights are is not known, so neither is what they were made from"
    found.append(Reason(decision="review", clause="model", text=text, model=subject))
    if not license_ids:
        text = "no license that is known here is named by the source"
        found.append(Reason(decision="review", clause="license", text=text, model=subject))
    found += [each for license_id in license_ids for each in _of_claim(license_id, subject, shelf, asker)]
    readings = tuple(_reading(each, (subject,)) for each in map(shelf.licenses, license_ids) if each)
    return _verdict(subject, _reviewed(found, (subject,), asker.policy), readings, asker)


def _of_claim(license_id: str, subject: str, shelf: Shelf, asker: Asker) -> list[Found]:
    record = shelf.licenses(license_id)
    said = _of_license(record, subject, None, asker) if record else [_no_record(license_id, subject)]
    return _settled(list(said), subject, license_id, asker.policy)


def _of_model(model: CatalogModel, license_id: str, shelf: Shelf, asker: Asker) -> Iterator[Found]:
    if license_id == PROPRIETARY or model.weights == "withheld":
        yield _closed(model)
        return
    record = shelf.licenses(license_id)
    if record is None:
        yield _no_record(license_id, model.name, model.license_note)
        return
    multimodal = None if not model.modalities else any(each != "text" for each in model.modalities)
    yield from _of_license(record, model.name, multimodal, asker)


def _of_license(record: License, model: str, multimodal: bool | None, asker: Asker) -> Iterator[Found]:
    case = Case(record, model, multimodal, asker.organization or Organization())
    unknown = [name for name in _LOOKED_FOR if getattr(record.clauses, name) is None]
    if unknown and not record.osi_approved:
        names = ", ".join(name.replace("_", " ") for name in unknown)
        yield case.reason("review", "unknown clauses", f"nobody looked in the text for: {names}")
    if not record.text.seen:
        yield case.reason("review", "text", "the text was not seen: what is known of it is from memory")
    for rule in RULES:
        yield from rule(case)


def _closed(model: CatalogModel) -> Reason:
    if model.weights == "withheld":
        text = "the weights are not published: it is a service under its publisher's terms, which are not read here"
        return Reason(decision="review", clause="weights", text=text, model=model.name, license=model.license)
    text = "there is no public license to these weights"
    return Reason(decision="deny", clause="license", text=text, model=model.name, license=model.license)


def _no_record(license_id: str, model: str, note: str | None = None) -> Reason:
    text = f"there is no record of the license {license_id}: all of its clauses are unknown"
    return Reason(decision="review", clause="license", text=text, model=model, license=license_id, note=note)


def _gap(gap: Gap) -> Reason:
    text = {
        "base models": f"what {gap.of} was made from is not known",
        "base model": f"{gap.of} was made from {gap.what}, whose license is not known",
        "terms": f"{gap.of} was made from {gap.what}, whose terms are private",
    }[gap.kind]
    return Reason(decision="review", clause="lineage", text=text, model=gap.of)


def _settled(found: list[Found], model: str, license_id: str, policy: Policy) -> list[Found]:
    """An agreement with the licensor takes the place of its public license; a review of the license settles what could
    not be decided in it, and no more."""
    agreement = policy.agreements.get(license_id)
    if agreement is None:
        return _reviewed(found, (license_id,), policy)
    text = f"keep to your own agreement with the licensor instead of the public license: {agreement}"
    fact = f"policy.agreements has {license_id}"
    return [Duty(kind="agreement", clause="agreement", text=text, model=model, license=license_id, fact=fact)]


def _reviewed(found: list[Found], names: tuple[str, ...], policy: Policy) -> list[Found]:
    settled = {name: policy.reviewed[name] for name in names if name in policy.reviewed}
    open_ones = [each for each in found if isinstance(each, Reason) and each.decision == "review"]
    if not settled or not open_ones:
        return found
    kept = [each for each in found if each not in open_ones]
    for name, words in settled.items():
        text = f"{len(open_ones)} open questions were settled by your own review, keep to it: {words}"
        fact = f"policy.reviewed has {name}"
        kept.append(Duty(kind="reviewed", clause="review", text=text, model=open_ones[0].model, fact=fact))
    return kept


def _verdict(subject: str, found: Iterable[Found], readings: tuple[Reading, ...], asker: Asker) -> Verdict:
    every = tuple(dict.fromkeys(found))
    reasons = sorted((each for each in every if isinstance(each, Reason)), key=lambda each: _ORDER[each.decision])
    asked = [each for each in every if isinstance(each, Duty)]
    bound = {_same(each) for each in asked if each.when is None}
    # A duty that binds already is not said again with another condition, nor that another one is not met.
    duties = tuple(each for each in asked if each.when is None or _same(each) not in bound)
    return Verdict(
        subject=subject,
        decision=strictest(reasons, duties),
        organization=(asker.organization.name or "this organization") if asker.organization else None,
        reasons=tuple(reasons),
        duties=duties,
        risks=tuple(each for each in every if isinstance(each, Risk)),
        readings=readings,
        ruled_out=tuple(each for each in every if isinstance(each, RuledOut) and _same(each) not in bound),
    )


def _same(asked: Duty | RuledOut) -> tuple[str, str | None, str, str]:
    """What makes two of them one and the same, whatever makes each of them bind."""
    return (asked.model, asked.license, asked.kind, asked.text)


def _readings(models: Iterable[CatalogModel], shelf: Shelf) -> tuple[Reading, ...]:
    by_license: dict[str, list[str]] = {}
    for model in models:
        for license_id in (model.license, *model.terms):
            by_license.setdefault(license_id, []).append(model.name)
    records = {license_id: shelf.licenses(license_id) for license_id in by_license}
    return tuple(_reading(record, tuple(by_license[name])) for name, record in records.items() if record)


def _reading(record: License, models: tuple[str, ...]) -> Reading:
    policy = record.use_policy
    return Reading(
        license=record.id,
        name=record.name,
        models=models,
        source=record.text.source,
        seen=record.text.seen,
        sha256=record.text.sha256,
        use_policy_source=policy.source if policy else None,
        use_policy_sha256=policy.sha256 if policy else None,
        live=record.live,
    )
