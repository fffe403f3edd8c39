"""Rules on giving a model to others, as files, inside a product or as a service, and on the names one has to use."""

from __future__ import annotations

from collections.abc import Iterator

from freehold.catalog.licenses.record import Redistribution
from freehold.catalog.policy.case import Case, Found

_PASSED_ON = "when it is passed on"
_OFFERED = "when it, or a product with it, is passed on or offered to others"


def redistribution(case: Case) -> Iterator[Found]:
    clause = case.clauses.redistribution
    if clause is None or not clause.exists:
        return
    gives = case.organization.distributes
    if clause.allowed != "yes" and gives is not False:
        no = clause.allowed == "no"
        text = "passing it on is not allowed" if no else "passing it on is allowed under conditions only"
        yield case.reason("deny" if no and gives else "review", "redistribution", text, "distributes")
    if clause.allowed != "no":
        yield from _handing_over(case, clause)


def _handing_over(case: Case, clause: Redistribution) -> Iterator[Found]:
    # Several texts count a hosted service as distribution: where there is a clause on hosting, it hands over too.
    hosting = case.clauses.hosting
    counts = hosting is not None and hosting.exists and hosting.allowed == "yes"
    gives = case.offered if counts else case.organization.distributes
    asked = ", ".join(_papers(clause))
    if asked and gives is not False:
        when = None if gives else (_OFFERED if counts else _PASSED_ON)
        fact = case.offering if counts else "distributes"
        yield case.duty("notices", "redistribution", f"give {asked}", fact=fact, when=when)
    if clause.flow_down and case.offered is not False:
        text = "bind whoever receives it to the same restrictions"
        when = None if case.offered else _OFFERED
        yield case.duty("flow-down", "redistribution", text, fact=case.offering, when=when)


def _papers(clause: Redistribution) -> Iterator[str]:
    if clause.copy:
        yield "a copy of the license"
    if clause.notice:
        yield "its notice"
    if clause.mark_changes:
        yield "a word on what was changed"


def naming(case: Case) -> Iterator[Found]:
    clause = case.clauses.naming
    if clause is None or not clause.exists or (clause.applies_to == "multimodal" and case.multimodal is False):
        return
    when = None if case.offered else _OFFERED
    if clause.prefix and case.organization.distributes is not False:
        condition = "when a model made from it is passed on"
        text = f'begin its name with "{clause.prefix}"'
        yield case.duty("naming", "naming", text, fact="distributes", when=condition)
    if clause.display is None or clause.display_when == "above a cap":
        return  # above a cap it is the cap's duty
    where = f" in {clause.where}" if clause.where else ""
    text = f'show "{clause.display}"{where}'
    if clause.display_when == "publicity":
        yield case.duty("display", "naming", text, when="in public statements")
    elif case.offered is not False:
        improved = "when it, or what it writes, made another model that is passed on or offered"
        at = improved if clause.display_when == "improving a model" else when
        yield case.duty("display", "naming", text, fact=case.offering, when=at)


def hosting(case: Case) -> Iterator[Found]:
    clause = case.clauses.hosting
    if clause is None or not clause.exists or clause.allowed == "yes":
        return
    hosts = case.organization.hosts_for_others
    if hosts is not False:
        no = clause.allowed == "no"
        text = f"offering it as a service {'is not allowed' if no else 'needs a separate license'}"
        yield case.reason("deny" if hosts else "review", "hosting", text, "hosts_for_others")
