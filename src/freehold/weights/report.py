"""What a look at untrusted files found: one shape for every check, printed, written into deeds, and decided upon.

A report never says that a file is safe. It says which checks ran, what they found, what they could not decide,
and what no check of bytes can show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["refuse", "review", "note"]
"""`refuse`: no engine may open the file. `review`: a person should look. `note`: worth knowing, changes no verdict."""

Verdict = Literal["clean", "finding", "undecidable"]

CANNOT_SHOW = (
    "a behavior trained into the weights, such as a backdoor that answers one phrase differently",
    "data that was poisoned before or during training",
    "whether what the publisher says about the training is true",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or notable. `check` is its stable name, dotted (`gguf.tensor.overlap`).

    `file` is the name as it was given, `offset` the byte where it was seen (None: the whole file). `cves` are public
    records of this kind of damage being exploited, not a claim that this file does.
    """

    check: str
    severity: Severity
    file: str
    message: str
    hint: str = ""
    offset: int | None = None
    cves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LookedAt:
    """One file that was looked at. `sha256` None: nobody asked for it. `format` None: none was recognized.
    `size_bytes` None: the file could not be opened."""

    name: str
    size_bytes: int | None
    format: str | None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one verification found. `checks` are the names of those that ran, whatever they found."""

    files: tuple[LookedAt, ...]
    checks: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    undecided: tuple[Finding, ...] = ()
    cannot_show: tuple[str, ...] = field(default=CANNOT_SHOW)

    @property
    def verdict(self) -> Verdict:
        """`finding` outweighs `undecidable`: what is known to be wrong needs no further look."""
        if any(finding.severity != "note" for finding in self.findings):
            return "finding"
        return "undecidable" if self.undecided else "clean"

    @property
    def refused(self) -> tuple[Finding, ...]:
        """The findings for which no engine may open these files."""
        return tuple(finding for finding in self.findings if finding.severity == "refuse")
