"""Deeds: the record that belongs to a held build. Records only; `document` reads and writes them.

A deed has two parts. The **statement** says what never changes: which files, from where, on which day, what was
checked and found, and the papers of that day (license, openness, lineage). It is what a signature covers. The
**labels** may change without it: the names a build has in this house, further places it was asked for at, and where
files lie that are referenced in place. So naming a build breaks no signature, and a signature says nothing about names.

What must stay true: a deed says "named by" only of bytes somebody named a hash for, and unknown is None in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from freehold.core.builds import WeightFacts
from freehold.core.formats import DEED
from freehold.store.deeds.canonical import canonical
from freehold.weights.report import Finding, Report, Verdict

DEED_VERSION = DEED.newest

Verified = Literal["named by catalog", "named by source", "named by you", "made here", "unverified: recorded"]


@dataclass(frozen=True, slots=True)
class DeedFile:
    """One weight file, `verified` against the hash that somebody named, or not. "made here": by this house, from files
    that were."""

    name: str
    size_bytes: int
    sha256: str
    verified: Verified


@dataclass(frozen=True, slots=True)
class TextFile:
    """A license text or notice that came with the weights, kept in the build's `papers` folder. `source` is where it
    was had: an address without its secrets."""

    name: str
    size_bytes: int
    sha256: str
    source: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the build was had: the reference as asked for, the same pinned, what the source said, when (UTC). Of one
    made here: name and digest of the build it was made from."""

    asked: str
    pinned: str
    date: str
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Derivation:
    """How this house made a build from another one: `how` in words, by which tool, with which settings of it."""

    parent: str
    parent_name: str
    how: str
    tool: str
    tool_version: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look at the files found before the build became visible. `date` is in UTC, `freehold` who looked.

    `cannot_show` stands in it so that nobody reads "clean" for more than it is.
    """

    verdict: Verdict
    checks: tuple[str, ...]
    findings: tuple[Finding, ...]
    undecided: tuple[Finding, ...]
    cannot_show: tuple[str, ...]
    date: str
    freehold: str

    @classmethod
    def of(cls, report: Report, *, date: str, freehold: str) -> Verification:
        """The record of `report`."""
        return cls(report.verdict, report.checks, report.findings, report.undecided, report.cannot_show, date, freehold)


@dataclass(frozen=True, slots=True)
class Statement:
    """What never changes of one held build, and what is signed. The house may add license texts, and signs that again.

    `papers` is what the catalog said on the day of the pull (model, license with its clauses and the hash of its text,
    openness, lineage), None where it did not know the model. `verification` None: the files were looked at by an
    earlier Freehold, which kept no record; `checks` says what it did. `written_as` is the version of the deed that was
    written when the build came in. `kept_at` is in UTC. `made_from` None: its files are as they were had.
    """

    digest: str
    files: tuple[DeedFile, ...]
    origin: Origin
    facts: WeightFacts
    checks: tuple[str, ...]
    freehold: str
    kept_at: str
    license: str | None = None
    papers: Mapping[str, Any] | None = None
    texts: tuple[TextFile, ...] = ()
    verification: Verification | None = None
    written_as: int = DEED_VERSION
    made_from: Derivation | None = None

    def paper(self, part: str) -> Mapping[str, Any]:
        """One part of the papers: `model`, `license`, `openness`, `lineage`. Empty where they have none. What is in it
        is as another version, or a stranger, may have written it."""
        found = (self.papers or {}).get(part)
        return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Labels:
    """What may change of a deed. The first name is the one shown; `named_at` is when it was last given one (UTC).

    `later_origins` are further places it was asked for at; `places` has the absolute path of every file that is
    referenced in place, by its name, and nothing for files the store holds.
    """

    names: tuple[str, ...]
    named_at: str
    later_origins: tuple[Origin, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Signature:
    """Who vouches for a statement: the fingerprint of the key, and 128 hexadecimal digits."""

    key: str
    value: str
    algorithm: Literal["ed25519"] = "ed25519"


@dataclass(frozen=True, slots=True)
class Deed:
    """A statement, its labels, and the signature if there is one.

    `sealed` is the statement's text as it was written, fields included that this version does not know: what is
    hashed and signed. It is made from `statement` where it is not given; a deed with another statement is a new Deed.
    """

    statement: Statement
    labels: Labels
    signature: Signature | None = None
    sealed: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.sealed:
            object.__setattr__(self, "sealed", canonical(asdict(self.statement)))

    @property
    def digest(self) -> str:
        return self.statement.digest

    @property
    def files(self) -> tuple[DeedFile, ...]:
        return self.statement.files

    @property
    def names(self) -> tuple[str, ...]:
        return self.labels.names

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The origin that gave the bytes, then the others."""
        return (self.statement.origin, *self.labels.later_origins)

    @property
    def facts(self) -> WeightFacts:
        return self.statement.facts

    @property
    def license(self) -> str | None:
        return self.statement.license

    @property
    def statement_sha256(self) -> str:
        return hashlib.sha256(self.sealed.encode()).hexdigest()

    def shown(self) -> dict[str, Any]:
        """For programs that read about a build: one object, both parts in it, every file with its `path`."""
        data = asdict(self.statement) | asdict(self.labels)
        del data["origin"], data["later_origins"], data["places"]
        return data | {
            "version": DEED_VERSION,
            "files": [asdict(file) | {"path": self.labels.places.get(file.name)} for file in self.files],
            "origins": [asdict(origin) for origin in self.origins],
            "statement_sha256": self.statement_sha256,
            "signature": asdict(self.signature) if self.signature else None,
        }
