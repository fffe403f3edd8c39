"""The house's own rules on which models it takes, whatever their licenses allow. No agreement settles them."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from freehold.catalog.model import CatalogModel
from freehold.catalog.openness import LABELS, assess
from freehold.catalog.openness.freedom import FREEDOM_MEANS, FindLicense
from freehold.catalog.openness.lineage import Find, trace
from freehold.catalog.policy.verdict import Reason
from freehold.core.organization import Policy

HOUSE = "house rule"


def of_model(model: CatalogModel, find: Find, licenses: FindLicense, policy: Policy) -> Iterator[Reason]:
    """What `policy` says against `model`, its licenses and its openness."""
    yield from _named(model.name, (model.name, model.repository or ""), policy)
    for each in (model, *trace(model, find).binding):
        yield from _license(each.name, each.license, policy)
        yield from (reason for terms in each.terms for reason in _denied(each.name, terms, policy))
    if policy.minimum_freedom is None and policy.minimum_openness is None:
        return
    opened = assess(model, find, licenses)
    freedom, least = opened.freedom.low, policy.minimum_freedom
    if least is not None and freedom < least:
        text = f"its freedom is at least F{freedom} ({FREEDOM_MEANS[freedom]}), and F{least} is asked for"
        yield _reason(model.name, text, f"policy.minimum_freedom = F{least}")
    lowest = policy.minimum_openness
    if lowest is not None and opened.label.low < lowest:
        text = f"its label is at least {opened.label.name}, and {LABELS[lowest]} is asked for"
        yield _reason(model.name, text, f"policy.minimum_openness = {LABELS[lowest]}")


def of_claim(subject: str, license_ids: tuple[str, ...], policy: Policy) -> Iterator[Reason]:
    """The same for weights whose model is not known: their openness cannot be shown."""
    yield from _named(subject, (subject, subject.partition(":")[0]), policy)
    yield from of_licenses(subject, license_ids or ("unknown",), policy)
    if policy.minimum_freedom or policy.minimum_openness:
        yield _reason(subject, "a least freedom or openness is asked for, and that of these weights is not known", None)


def of_licenses(subject: str, license_ids: tuple[str, ...], policy: Policy) -> Iterator[Reason]:
    """What `policy` says against weights under any of these licenses."""
    for license_id in license_ids:
        yield from _license(subject, license_id, policy)


def of_unverified(subject: str, policy: Policy) -> Iterator[Reason]:
    """Against a build whose hash nobody had named before it came."""
    if policy.require_verified:
        text = "nobody named the hash of its files before they came, so nobody vouches for them"
        yield _reason(subject, text, "policy.require_verified = true")


def _named(subject: str, names: tuple[str, ...], policy: Policy) -> Iterator[Reason]:
    for pattern in policy.denied_models:
        if any(fnmatchcase(name.lower(), pattern.lower()) for name in names):
            yield _reason(subject, "your policy denies this model", f"policy.denied_models has {pattern}")


def _denied(model: str, license_id: str, policy: Policy) -> Iterator[Reason]:
    if license_id in policy.denied_licenses:
        text = f"your policy denies the license {license_id}"
        yield _reason(model, text, f"policy.denied_licenses has {license_id}")


def _license(model: str, license_id: str, policy: Policy) -> Iterator[Reason]:
    yield from _denied(model, license_id, policy)
    if policy.allowed_licenses and license_id not in policy.allowed_licenses:
        allowed = ", ".join(policy.allowed_licenses)
        yield _reason(
            model, f"your policy does not have the license {license_id}", f"policy.allowed_licenses: {allowed}"
        )


def _reason(model: str, text: str, fact: str | None) -> Reason:
    return Reason(decision="deny", clause=HOUSE, text=text, model=model, fact=fact)
