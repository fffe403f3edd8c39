"""Rules on giving a model to others, as files, inside a product or as a service, and on the names one has to use."""

from __future__ import annotations

from collections.abc import Iterator

from freehold.catalog.licenses.record import Redistribution
from freehold.catalog.policy.case import Case, Found

_PASSED_ON = "when it is passed on"
_MADE_AVAILABLE = "when it is passed on or offered as a service"


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
    gives, fact, when = _giving(case)
    # Without files, a text whose notice goes with copies asks for none.
    files = case.organization.distributes is not False
    asked = ", ".join(_papers(clause, notice=files or not clause.notice_with_copies_only))
    if asked and gives is not False:
        yield case.duty("notices", "redistribution", f"give {asked}", fact=fact, when=None if gives else when)
    elif asked:
        yield case.ruled_out("notices", "redistribution", f"give {asked}", fact, when)
    if clause.flow_down:
        yield case.if_offered(
            "flow-down", "redistribution", "bind whoever receives or uses it to the same restrictions"
        )


def _giving(case: Case) -> tuple[bool | None, str, str | None]:
    """Whether the organization does what this text calls giving the model to others, by which fact, and when."""
    organization, hosting, named = case.organization, case.clauses.hosting, case.clauses.naming
    if hosting is not None and hosting.exists and hosting.allowed == "yes":
        # Texts with such a clause count a hosted service as distribution.
        return case.offered, case.offering, case.offering_when
    if named is not None and named.exists and named.display and named.display_when == "distribution":
        # Texts that bind on "distribute or make available", as the name to be shown does; the copy goes with the model.
        hosts = organization.distributes is False or (organization.hosts_for_others and not organization.distributes)
        return case.made_available, "hosts_for_others" if hosts else "distributes", _MADE_AVAILABLE
    return organization.distributes, "distributes", _PASSED_ON


def _papers(clause: Redistribution, *, notice: bool) -> Iterator[str]:
    if clause.copy:
        yield "a copy of the license"
    if clause.notice and notice:
        yield "its notice"
    if clause.mark_changes:
        yield "a word on what was changed"


def naming(case: Case) -> Iterator[Found]:
    clause = case.clauses.naming
    if clause is None or not clause.exists or (clause.applies_to == "multimodal" and case.multimodal is False):
        return
    if clause.prefix and case.offered is not False:
        condition = "when a model made from it is passed on or offered"
        text = f'begin its name with "{clause.prefix}"'
        yield case.duty("naming", "naming", text, fact=case.offering, when=condition)
    if clause.display is None or clause.display_when == "above a cap":
        return  # above a cap it is the cap's duty
    where = f" in {clause.where}" if clause.where else ""
    text = f'show "{clause.display}"{where}'
    if clause.display_when == "publicity":
        yield case.duty("display", "naming", text, when="in public statements")
    elif clause.display_when != "improving a model":
        yield case.if_offered("display", "naming", text)
    elif case.offered is not False:
        improved = "when it, or what it writes, made another model that is passed on or offered"
        yield case.duty("display", "naming", text, fact=case.offering, when=improved)


def hosting(case: Case) -> Iterator[Found]:
    clause = case.clauses.hosting
    if clause is None or not clause.exists or clause.allowed == "yes":
        return
    hosts = case.organization.hosts_for_others
    if hosts is not False:
        no = clause.allowed == "no"
        text = f"offering it as a service {'is not allowed' if no else 'needs a separate license'}"
        yield case.reason("deny" if hosts else "review", "hosting", text, "hosts_for_others")
