"""The checks of everything that is no GGUF: their stable names, what each is for, and what a finding of it means.

A check that finds something says so through `Findings`, which looks severity and public records up here. The GGUF
checks have a list of their own, in `gguf`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, get_args

from freehold.weights.report import Finding, Severity

Outcome = Literal["refuse", "review", "note", "undecided"]
MOST_PER_CHECK = 10


@dataclass(frozen=True, slots=True)
class Check:
    """One check: `text` is what a file passes by it, `hint` what to do where one does not, `cves` public records of
    such damage being exploited."""

    name: str
    outcome: Outcome
    text: str
    hint: str = ""
    cves: tuple[str, ...] = ()


@cache
def checks() -> Mapping[str, Check]:
    """Every check by name, in the order of `checks.toml`, which belongs to this package."""
    import tomllib

    rows = tomllib.loads(resources.files("freehold.weights").joinpath("checks.toml").read_text(encoding="utf-8"))
    return {name: _check(name, row) for name, row in rows.items()}


def _check(name: str, row: Mapping[str, object]) -> Check:
    outcome: Outcome = next(known for known in get_args(Outcome) if known == row["outcome"])
    cves = row.get("cves", ())
    return Check(
        name, outcome, str(row["text"]), str(row.get("hint", "")), tuple(cves) if isinstance(cves, list) else ()
    )


class Findings:
    """Collects what the checks of one file find, at most `MOST_PER_CHECK` of one kind, so that a hostile file cannot
    bury one finding under a million others."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[Finding] = []
        self.undecided: list[Finding] = []
        self._counts: Counter[str] = Counter()

    def add(self, check: str, message: str, *, offset: int | None = None) -> None:
        """Check `check` found what `message` says, at byte `offset` where that is known."""
        row = checks()[check]
        self._counts[check] += 1
        if self._counts[check] > MOST_PER_CHECK:
            return
        if self._counts[check] == MOST_PER_CHECK:
            message += " Further findings of this check are not listed."
        severity: Severity = "review" if row.outcome == "undecided" else row.outcome
        finding = Finding(check, severity, self.file, message, row.hint, offset, row.cves)
        (self.undecided if row.outcome == "undecided" else self.found).append(finding)
