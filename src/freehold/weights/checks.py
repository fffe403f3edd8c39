"""The checks: their stable names, what a file passes by each, and what a finding of it means.

They stand in two tables, `checks.toml` here and in `gguf`. `Findings` takes down what the checks of one file find; it
looks severity and public records up here, refuses a name that is in no table, and lets no file make up the form of a
report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from itertools import islice
from typing import Literal, get_args

from freehold.weights.report import Finding, Severity

Outcome = Literal["refuse", "review", "note", "undecided"]
# A file can be wrong in a million places; a report is for people.
MOST_PER_CHECK = 4
LONGEST_MESSAGE = 500
_TABLES = ("checks.toml", "gguf/checks.toml")


@dataclass(frozen=True, slots=True)
class Check:
    """One check: `text` is what a file passes by it, `hint` what to do where one does not, `cves` public records of
    such damage being exploited in one program or another, not a claim about the file."""

    name: str
    outcome: Outcome
    text: str
    hint: str = ""
    cves: tuple[str, ...] = ()


@cache
def checks() -> Mapping[str, Check]:
    """Every check by name, in the order of the tables."""
    import tomli  # the standard library's parser, compiled: 20 ms that every look would wait for

    found = {}
    for table in _TABLES:
        rows = tomli.loads(resources.files("freehold.weights").joinpath(table).read_text(encoding="utf-8"))
        found.update({name: _check(name, row) for name, row in rows.items()})
    return found


def _check(name: str, row: Mapping[str, object]) -> Check:
    outcome: Outcome = next(known for known in get_args(Outcome) if known == row["outcome"])
    cves = row.get("cves", ())
    return Check(
        name, outcome, str(row["text"]), str(row.get("hint", "")), tuple(cves) if isinstance(cves, list) else ()
    )


def in_bytes(nbytes: int) -> str:
    """A number of bytes in words: one of them is no plural."""
    return "1 byte" if nbytes == 1 else f"{nbytes:,} bytes"


def quoted(raw: bytes) -> str:
    """Bytes of a file in quotes, as escapes where they are not printable ASCII."""
    return repr(raw)[1:]


class Stopped(Exception):  # noqa: N818  it is no error of its own: why reading cannot go on is in the findings
    """Nothing after this place can be read."""


class Findings:
    """What the checks of one file, called `file`, find: the first `MOST_PER_CHECK` of each kind and how many more, so
    that a hostile file cannot bury one finding under a million others."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: list[Finding] = []
        self._times: Counter[str] = Counter()

    def add(self, check: str, message: str, offset: int | None = None) -> None:
        """Check `check` found what `message` says, at byte `offset` where that is known. `message` is whole sentences;
        they do not repeat the file's name."""
        row = checks()[check]
        self._times[check] += 1
        if self._times[check] <= MOST_PER_CHECK:
            severity: Severity = "review" if row.outcome == "undecided" else row.outcome
            self._found.append(Finding(check, severity, self.file, _plain(message), row.hint, offset, row.cves))

    def add_all(self, check: str, messages: Iterable[str], count: int) -> None:
        """`count` findings of one check, of which only the first `messages` are asked for."""
        for message in islice(messages, MOST_PER_CHECK):
            self.add(check, message)
        self._times[check] += max(0, count - MOST_PER_CHECK)

    def stop(self, check: str, message: str, offset: int | None = None) -> Stopped:
        """As `add`, for the caller to raise: from here on nothing can be read."""
        self.add(check, message, offset)
        return Stopped()

    @property
    def found(self) -> tuple[Finding, ...]:
        """What is wrong, in the order in which it was found."""
        return tuple(self._counted(finding for finding in self._found if not _is_undecided(finding)))

    @property
    def undecided(self) -> tuple[Finding, ...]:
        """What kept the file from being judged."""
        return tuple(self._counted(finding for finding in self._found if _is_undecided(finding)))

    @property
    def empty(self) -> bool:
        """Nothing was found."""
        return not self._found

    @property
    def refused(self) -> bool:
        """Something was found for which no engine may open the file."""
        return any(finding.severity == "refuse" for finding in self._found)

    def _counted(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        seen: Counter[str] = Counter()
        for finding in findings:
            seen[finding.check] += 1
            more = self._times[finding.check] - MOST_PER_CHECK
            if more > 0 and seen[finding.check] == MOST_PER_CHECK:
                yield replace(finding, message=f"{finding.message} There are {more:,} more of this kind.")
            else:
                yield finding


def _is_undecided(finding: Finding) -> bool:
    return checks()[finding.check].outcome == "undecided"


def _plain(message: str) -> str:
    """The message as it can be printed: names in a file are a stranger's, and may be long or steer a terminal."""
    short = message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]} …"
    return (
        short if short.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in short)
    )
