"""What a check answers: a decision, why, what must be done, what may still change, and in which texts that was read.

Nothing here says that a use is lawful. Every statement names the clause and section it comes from, and the readings
say of which text the records are our reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Decision = Literal["allow", "allow with duties", "review", "deny"]
Grounds = Literal["review", "deny"]
DutyKind = Literal[
    "condition",
    "cap",
    "display",
    "naming",
    "notices",
    "flow-down",
    "acceptable use",
    "outputs",
    "purpose",
    "updates",
    "indemnity",
    "agreement",
    "reviewed",
]

DECISIONS: tuple[Decision, ...] = ("allow", "allow with duties", "review", "deny")
"""From the most lenient to the strictest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Where a statement comes from: the clause and its section, of which license, in which text, for which model.

    `license` None: it comes from the house's own policy or from a gap in what is known. `text_sha256` None: the text
    has no hash here, or was not seen. `fact` is the fact of the organization that it turned on, as it was stated.
    `note` is what the record adds to the clause.
    """

    clause: str
    text: str
    model: str
    section: str | None = None
    license: str | None = None
    text_sha256: str | None = None
    fact: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason(Said):
    """Why a model is denied, or cannot be decided."""

    decision: Grounds

    @property
    def ground(self) -> str:
        """The same for the same reason, whatever the wording: what an override covers."""
        return "|".join(
            (self.decision, self.model, self.license or "", self.clause, self.section or "", self.text_sha256 or "")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty(Said):
    """Something that has to be done. `when` is the condition under which, None where it binds already."""

    kind: DutyKind
    when: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuledOut(Said):
    """What the text asks of others, `when`, and not of this organization: `fact` rules it out."""

    kind: DutyKind
    when: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk(Said):
    """Something that may end or change what is allowed today."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The text that the clauses of one license are a reading of; the use policy is the separate list of uses. `live` is
    said where the words may be others today."""

    license: str
    name: str
    models: tuple[str, ...]
    source: str | None
    seen: bool
    sha256: str | None
    use_policy_source: str | None = None
    use_policy_sha256: str | None = None
    live: str | None = None

    @property
    def words(self) -> str:
        """On whose word it stands, as it is to be printed."""
        if not self.seen:
            return "the text was not seen"
        return f"by our reading of text sha256:{self.sha256}" if self.sha256 else f"by our reading of {self.source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer for one model and one organization. `organization` None: nobody said who it is. `overridden_by` is who
    takes it all the same, where it came through a door that way; it is no part of the reading."""

    subject: str
    decision: Decision
    organization: str | None
    reasons: tuple[Reason, ...]
    duties: tuple[Duty, ...]
    risks: tuple[Risk, ...]
    readings: tuple[Reading, ...]
    ruled_out: tuple[RuledOut, ...] = ()
    overridden_by: str | None = None

    @property
    def grounds(self) -> tuple[str, ...]:
        """What an override of this verdict has to cover."""
        return tuple(sorted({reason.ground for reason in self.reasons}))

    @property
    def line(self) -> str:
        """The verdict in one line, for those who are in the middle of something else."""
        names = ", ".join(reading.name for reading in self.readings) or "no license that we know"
        return f"{self.subject} ({names}): {self._what()}. See: freehold license check {self.subject}"

    def _what(self) -> str:
        if self.overridden_by is not None:
            return f"overridden by {self.overridden_by}"
        count = len(self.duties)
        duties = f"{count} {'duty' if count == 1 else 'duties'}"
        facts = sum(reason.decision == "review" for reason in self.reasons)
        return {
            "allow": "allowed, by our reading",
            "allow with duties": f"allowed with {duties}, by our reading",
            "review": f"{facts} {'question' if facts == 1 else 'questions'} open and {duties}, by our reading",
            "deny": f"denied: {self.reasons[0].text if self.reasons else ''}",
        }[self.decision]

    def as_json(self) -> dict[str, Any]:
        """For programs; these keys are stable, null is unknown."""
        return {
            **{name: value for name, value in asdict(self).items() if name != "overridden_by"},
            "readings": [{**asdict(reading), "words": reading.words} for reading in self.readings],
        }


def strictest(reasons: Iterable[Reason], duties: Sequence[Duty]) -> Decision:
    """The decision that reasons and duties add up to."""
    kinds = {reason.decision for reason in reasons}
    if "deny" in kinds:
        return "deny"
    if "review" in kinds:
        return "review"
    return "allow with duties" if duties else "allow"
