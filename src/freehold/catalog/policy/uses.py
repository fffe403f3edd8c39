"""Rules on what a model and its outputs may be used for."""

from __future__ import annotations

from collections.abc import Iterator

from freehold.catalog.licenses.record import AcceptableUse, Outputs
from freehold.catalog.policy.case import Case, Found

_AUTOMATED = frozenset(
    {
        "automated decisions on rights",
        "automated decisions on rights or well-being",
        "high-stakes automated decisions",
    }
)
_JUSTICE = frozenset({"justice and law enforcement and migration"})
# Llama's list: conduct that the law forbids in giving people work, credit, housing, benefits, goods and services.
_ACCESS = frozenset({"unlawful harm in employment, credit, housing or essential services"})
_PROFESSION = frozenset({"unlicensed professional practice"})
_INFRASTRUCTURE = frozenset({"critical infrastructure"})

TOUCHED: dict[str, frozenset[str]] = {
    "adult content": frozenset({"sexually explicit content", "sexual exploitation", "sexual solicitation"}),
    "credit": _AUTOMATED | _ACCESS,
    "critical infrastructure": _INFRASTRUCTURE,
    "defense": frozenset({"military", "weapons", "espionage", "arms under export control"}),
    "employment": _AUTOMATED | _ACCESS,
    "energy": _INFRASTRUCTURE | frozenset({"nuclear industry"}),
    "finance": _AUTOMATED | _PROFESSION,
    "healthcare": frozenset({"medical advice"}) | _AUTOMATED | _PROFESSION,
    "housing": _AUTOMATED | _ACCESS,
    "insurance": _AUTOMATED | _ACCESS,
    "justice": _JUSTICE | _AUTOMATED,
    "law enforcement": _JUSTICE | frozenset({"tracking people"}),
    "legal services": _PROFESSION,
    "migration": _JUSTICE,
    "public benefits": _AUTOMATED | _ACCESS,
    "security research": frozenset({"malware", "fraud and malware"}),
    "telecommunications": _INFRASTRUCTURE,
    "transport": _INFRASTRUCTURE | frozenset({"transport technology and heavy machinery"}),
}
"""The topics of lists of forbidden uses that work in a sector may touch; a sector left out touches none we know."""


def acceptable_use(case: Case) -> Iterator[Found]:
    clause = case.clauses.acceptable_use
    if clause is None or not clause.exists or clause.form == "none":
        return
    if clause.form == "law only":
        yield case.duty("acceptable use", "acceptable_use", "use it within the law")
        return
    if clause.topics is None:
        yield case.reason("review", "acceptable_use", "a list of forbidden uses that nobody read for this record")
    else:
        yield from _sectors(case, clause.topics)
    yield case.duty("acceptable use", "acceptable_use", _keep_out(clause))
    passing = case.clauses.redistribution
    said = passing is not None and passing.exists and passing.flow_down
    if clause.flow_down and not said:
        text = "bind whoever receives or uses it to the same list of forbidden uses"
        yield case.if_offered("flow-down", "acceptable_use", text)


def _keep_out(clause: AcceptableUse) -> str:
    where = "in the text" if clause.form == "inline" else "of its own"
    about = f": {', '.join(clause.topics)}" if clause.topics else ""
    return f"keep out of the forbidden uses of a list {where}{about}"


def _sectors(case: Case, topics: tuple[str, ...]) -> Iterator[Found]:
    """A sector is not a use: only whoever knows the use can say whether the list forbids it. So no sector is a no."""
    for sector in case.organization.sectors or ():
        if touched := _named(topics, TOUCHED.get(sector, frozenset())):
            text = f"the list of forbidden uses has {touched}, which work in {sector} may touch"
            yield case.reason("review", "acceptable_use", text, "sectors")


def _named(topics: tuple[str, ...], which: frozenset[str]) -> str:
    return ", ".join(topic for topic in topics if topic in which)


def outputs(case: Case) -> Iterator[Found]:
    clause = case.clauses.outputs
    if clause is None or not clause.exists:
        return
    yield from _training(case, clause)
    yield from _restricted(case, clause)
    if clause.owner == "licensor":
        yield case.duty("outputs", "outputs", "what it writes belongs to the licensor")


def _training(case: Case, clause: Outputs) -> Iterator[Found]:
    trains = case.organization.trains_on_outputs
    if trains is False or clause.train_others == "free":
        return
    if clause.train_others == "forbidden":
        text = "what it writes must not train or improve other models"
        certain = trains is True and not clause.ambiguous
        text += "; the text contradicts itself here" if clause.ambiguous else ""
        yield case.reason("deny" if certain else "review", "outputs", text, "trains_on_outputs")
        return
    when = None if trains else "when what it writes trains another model"
    if clause.train_others == "name duty":
        name = f'"{clause.duty}"' if clause.duty else "the name it asks for"
        text = f"a model trained on what it writes carries {name}"
        yield case.duty("naming", "outputs", text, fact="trains_on_outputs", when=when)
        return
    text = "a model trained on what it writes falls under this license"
    yield case.duty("outputs", "outputs", text, fact="trains_on_outputs", when=when)


def _restricted(case: Case, clause: Outputs) -> Iterator[Found]:
    if clause.restricted_use == "none":
        return
    if clause.restricted_use == "acceptable use":
        yield case.duty("outputs", "outputs", "what it writes keeps to the list of forbidden uses too")
        return
    research = clause.restricted_use == "research only"
    text = "what it writes is for research only" if research else "what it writes is not for commercial use"
    says = case.organization.commercial
    if says is False:
        yield case.duty("outputs", "outputs", text, fact="commercial")
    else:
        yield case.reason("deny" if says else "review", "outputs", text, "commercial")


def guardrails(case: Case) -> Iterator[Found]:
    clause = case.clauses.termination
    if clause is None or not clause.exists or "guardrail bypass" not in clause.on:
        return
    strips = case.organization.strips_guardrails
    if strips is not False:
        text = "the license ends when a guardrail is bypassed or weakened"
        yield case.reason("deny" if strips else "review", "termination", text, "strips_guardrails")
