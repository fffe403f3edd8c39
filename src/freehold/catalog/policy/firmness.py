"""What may end or change a permission that holds today, and the duties that come with the grant itself."""

from __future__ import annotations

from collections.abc import Iterator

from freehold.catalog.policy.case import Case, Found


def grant(case: Case) -> Iterator[Found]:
    clause = case.clauses.grant
    if clause is None or not clause.exists:
        return
    if clause.irrevocable == "no":
        yield case.risk("grant", "the licensor can withdraw the grant")
    if clause.duration == "term":
        yield case.risk("grant", "the grant is for a term")


def termination(case: Case) -> Iterator[Found]:
    clause = case.clauses.termination
    if clause is None or not clause.exists or not clause.on:
        return
    cure = f", unless it is mended within {clause.cure_days} days" if clause.cure_days else ""
    delete = {
        "none": "",
        "model": "; the model must then be deleted",
        "model and derivatives": "; the model and everything made from it must then be deleted",
    }[clause.delete]
    yield case.risk("termination", f"the license ends on {', '.join(clause.on)}{cure}{delete}")


def updates(case: Case) -> Iterator[Found]:
    clause = case.clauses.updates
    if clause is None or not clause.exists:
        return
    if clause.license_mutable:
        yield case.risk("updates", "the licensor may change the license")
    if clause.use_policy_mutable:
        yield case.risk("updates", "the licensor may change the list of forbidden uses")
    if clause.remote_restriction:
        yield case.risk("updates", "the licensor may restrict use, from afar")
    if clause.must_use_latest:
        yield case.duty("updates", "updates", "keep to the latest version, of the model or of its terms")


def patents(case: Case) -> Iterator[Found]:
    clause = case.clauses.patents
    if clause is None or not clause.exists:
        return
    if clause.grant is False:
        yield case.risk("patents", "no patent license is granted")
    if clause.retaliation == "all rights":
        yield case.risk("patents", "whoever files a patent suit loses every right")


def indemnity(case: Case) -> Iterator[Found]:
    clause = case.clauses.indemnity
    if clause is not None and clause.exists:
        yield case.duty("indemnity", "indemnity", "hold the licensor harmless")
