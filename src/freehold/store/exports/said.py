"""What every form of an exported deed says, in neutral words: who, which license, made from what, and the properties
that no standard has a field of its own for.

Papers are read as the deed keeps them, which may be another version's: what is not there, or is of another shape, is
unknown. A path of the disk that a build was taken in from is nobody else's business and is left out.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from freehold.store.deeds.record import Deed

_NAMESPACE = uuid.UUID("6f1c2c4e-3d1b-5a86-9c3e-2a7b4f0d9e51")  # made once, for these documents alone


@dataclass(frozen=True, slots=True)
class Terms:
    """A license as it is named: an SPDX expression where it has one, and the name people know it by."""

    expression: str | None
    name: str
    text_sha256: str | None = None

    @property
    def own_id(self) -> bool:
        """True where the expression has names that are not on the SPDX list."""
        return self.expression is not None and "LicenseRef-" in self.expression


@dataclass(frozen=True, slots=True)
class Base:
    """A model that this one was made from, as far as it is known."""

    name: str
    publisher: str | None
    license: str | None


def document_id(deed: Deed) -> str:
    """`urn:uuid:` and a UUID (version 5, RFC 9562) of the statement: equal statements give equal documents."""
    return uuid.uuid5(_NAMESPACE, deed.statement_sha256).urn


def created(deed: Deed) -> str:
    """When what the document says was put down: the day of the deed, in UTC, to the second."""
    return f"{deed.statement.kept_at[:19]}Z"


def model(deed: Deed) -> Mapping[str, Any]:
    """What the catalog said of the model; empty where it did not know it."""
    return deed.statement.paper("model")


def model_name(deed: Deed) -> str:
    """The catalog's name of the model, else the build's own without its tag."""
    return _text(model(deed).get("name")) or deed.names[0].partition(":")[0]


def publisher(deed: Deed) -> Mapping[str, Any]:
    """Name and country of who published the model; empty where nobody knows."""
    return _mapping(model(deed).get("publisher"))


def terms(deed: Deed) -> Terms | None:
    """The license that was named for the build, or None."""
    license_ = deed.statement.paper("license")
    spdx, name = _text(license_.get("spdx")), _text(license_.get("name"))
    known_as = name or spdx or deed.statement.license
    if known_as is None:
        return None
    return Terms(spdx, known_as, _text(_mapping(license_.get("text")).get("sha256")))


def bases(deed: Deed) -> list[Base]:
    """The ancestors the catalog names, the nearest first."""
    listed = deed.statement.paper("lineage").get("ancestors")
    return [
        Base(str(each["name"]), _text(each.get("publisher")), _text(each.get("license_name")))
        for each in (listed if isinstance(listed, list | tuple) else ())
        if isinstance(each, Mapping) and _text(each.get("name"))
    ]


def package_url(deed: Deed) -> str | None:
    """Where the build was had, as a package URL (ECMA-427), for hubs and package indexes; None elsewhere."""
    said = deed.statement.origin.provenance
    if said.get("repository") and said.get("commit"):
        name = "/".join(quote(part, safe="") for part in said["repository"].split("/"))
        return f"pkg:huggingface/{name}@{quote(said['commit'].lower(), safe='')}"
    if said.get("project") and said.get("version"):
        project = re.sub(r"[-_.]+", "-", said["project"]).lower()
        return f"pkg:pypi/{quote(project, safe='')}@{quote(said['version'], safe='')}"
    return None


def properties(deed: Deed) -> list[tuple[str, str]]:
    """Name and value of everything without a field of its own, in a fixed order; a name may stand several times."""
    found = (*_of_deed(deed), *_of_license(deed), *_of_openness(deed), *_of_lineage(deed), *_of_verification(deed))
    return [(f"freehold:{name}", str(value)) for name, value in found if value is not None]


Said = Iterator[tuple[str, Any]]


def _of_deed(deed: Deed) -> Said:
    stated, facts = deed.statement, deed.facts
    yield "digest", deed.digest
    yield "statement:sha256", deed.statement_sha256
    yield "statement:signed_by", deed.signature.key if deed.signature else None
    yield "origin:date", stated.origin.date
    if not stated.origin.pinned.startswith("file:"):
        yield "origin:pinned", stated.origin.pinned
    if stated.made_from is not None:
        yield "made_from:digest", stated.made_from.parent
        yield "made_from:how", stated.made_from.how
        yield "made_from:tool", f"{stated.made_from.tool} {stated.made_from.tool_version}"
    yield "format", facts.format
    yield "quantization", facts.quantization
    yield "parameters", facts.parameters
    yield "context_tokens", facts.context_length


def _of_license(deed: Deed) -> Said:
    paper = deed.statement.paper("license")
    yield "license:stated", deed.statement.license
    yield "license:reading", paper.get("reading")
    yield "license:text_sha256", _mapping(paper.get("text")).get("sha256")
    for duty in _mappings(paper.get("duties")):
        yield "license:duty", f"{duty.get('what')} ({duty.get('clause')}, section {duty.get('section')})"
    for name, clause in sorted(_mapping(paper.get("clauses")).items()):
        yield f"license:clause:{name}", _mapping(clause).get("words")


def _of_openness(deed: Deed) -> Said:
    paper = deed.statement.paper("openness")
    yield "openness", paper.get("sentence")
    for axis, letter in (("freedom", "F"), ("published", "T"), ("label", "L")):
        part = _mapping(paper.get(axis))
        yield f"openness:{axis}", _interval(part.get("low"), part.get("high"), letter)
    mof, osaid = _mapping(paper.get("mof")), _mapping(paper.get("osaid"))
    yield f"openness:mof:{mof.get('version')}", _interval(mof.get("low"), mof.get("high"), "class ")
    yield f"openness:osaid:{osaid.get('version')}", osaid.get("verdict")
    yield "openness:osi_reviewed", paper.get("osi_reviewed")


def _of_lineage(deed: Deed) -> Said:
    paper = deed.statement.paper("lineage")
    if isinstance(paper.get("complete"), bool):
        yield "lineage:complete", "true" if paper["complete"] else "false"


def _of_verification(deed: Deed) -> Said:
    looked = deed.statement.verification
    if looked is None:
        return
    yield "verification:verdict", looked.verdict
    yield "verification:date", looked.date
    yield "verification:freehold", looked.freehold
    yield "verification:checks", len(looked.checks)
    for finding in (*looked.findings, *looked.undecided):
        yield "verification:finding", f"{finding.severity}: {finding.file}: {finding.message} ({finding.check})"
    for what in looked.cannot_show:
        yield "verification:cannot_show", what


def _interval(low: object, high: object, letter: str) -> str | None:
    if low is None and high is None:
        return None
    return f"{letter}{low}" if low == high else f"{letter}{low} to {letter}{high}"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: object) -> Iterable[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
