"""One license, looked at for one model and one organization: what every rule is given, and how a rule speaks.

A rule is a function from a Case to what it finds. The principle all of them keep: a fact that could turn the answer
into a no and was not stated gives "review"; a fact that could only add a duty and was not stated gives the duty with
its condition, and one that was stated and rules it out gives what is ruled out. So a missing fact never makes anything
look free, and a stated one is never asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from freehold.catalog.licenses.record import Clause, Clauses, License
from freehold.catalog.policy.verdict import Duty, DutyKind, Grounds, Reason, Risk, RuledOut
from freehold.core.organization import Organization

Found = Reason | Duty | RuledOut | Risk

_OFFERS = ("distributes", "hosts_for_others", "offers_services")
_OFFERED = "when it, or a product with it, is passed on or offered to others"
_SERVED = "if a product or service of yours for others uses it"


class _Where(TypedDict):
    """Where a clause stands: the fields of every statement that follow from it."""

    section: str | None
    note: str | None
    license: str
    text_sha256: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """`multimodal` None: what the model takes and gives is not known."""

    license: License
    model: str
    multimodal: bool | None
    organization: Organization

    @property
    def clauses(self) -> Clauses:
        return self.license.clauses

    def reason(self, decision: Grounds, clause: str, text: str, fact: str | None = None) -> Reason:
        """`fact` is the name of a fact of the organization, or what was stated of one."""
        said = self._fact(fact)
        return Reason(decision=decision, clause=clause, text=text, model=self.model, fact=said, **self._where(clause))

    def duty(self, kind: DutyKind, clause: str, text: str, *, fact: str | None = None, when: str | None = None) -> Duty:
        said = self._fact(fact)
        return Duty(kind=kind, clause=clause, text=text, model=self.model, fact=said, when=when, **self._where(clause))

    def ruled_out(self, kind: DutyKind, clause: str, text: str, fact: str, when: str | None = None) -> RuledOut:
        """The duty that `fact` keeps from binding, and would bind `when`."""
        said = self._fact(fact)
        return RuledOut(
            kind=kind, clause=clause, text=text, model=self.model, fact=said, when=when, **self._where(clause)
        )

    def if_offered(self, kind: DutyKind, clause: str, text: str) -> Duty | RuledOut:
        """The duty of whoever lets the model reach others: binding, on a condition, or ruled out by what was stated."""
        if self.offered is False:
            stated = ", ".join(self.organization.said(name) for name in _OFFERS)
            return self.ruled_out(kind, clause, text, stated, _OFFERED)
        return self.duty(kind, clause, text, fact=self.offering, when=self.offering_when)

    def risk(self, clause: str, text: str) -> Risk:
        return Risk(clause=clause, text=text, model=self.model, **self._where(clause))

    @property
    def offered(self) -> bool | None:
        """Whether the model reaches others, as files, inside a product, as a service or behind one."""
        return either(self.made_available, self.organization.offers_services)

    @property
    def made_available(self) -> bool | None:
        """Whether the model itself reaches others, as files or as a service."""
        return either(self.organization.distributes, self.organization.hosts_for_others)

    @property
    def offering_when(self) -> str | None:
        """The condition of a duty that binds once `offered` is true; None where it is."""
        if self.offered:
            return None
        return _SERVED if self.made_available is False else _OFFERED

    @property
    def offering(self) -> str:
        """The fact that `offered` turns on."""
        stated = {name: getattr(self.organization, name) for name in _OFFERS}
        true = (name for name, value in stated.items() if value)
        unknown = (name for name, value in stated.items() if value is None)
        return (*true, *unknown, "distributes")[0]

    def _fact(self, fact: str | None) -> str | None:
        return self.organization.said(fact) if fact is not None and hasattr(self.organization, fact) else fact

    def _where(self, name: str) -> _Where:
        """`name` is a clause's; anything else stands for the whole text."""
        clause: Clause | None = getattr(self.clauses, name, None)
        policy = self.license.use_policy
        apart = clause is not None and clause.place == "use policy" and policy is not None
        text = policy if apart and policy is not None else self.license.text
        return {
            "section": clause.section if clause else None,
            "note": clause.note if clause else None,
            "license": self.license.id,
            "text_sha256": text.sha256,
        }


def either(first: bool | None, second: bool | None) -> bool | None:
    """Or, where None is unknown."""
    if first or second:
        return True
    return None if first is None or second is None else False
