"""Weights as a policy judges them: which model they are of, what license their source claims, whether a hash was named.

The same is made of a pull before anything is downloaded, of one that is about to become visible, and of a held build,
so that all three are judged alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from freehold.catalog import Catalog, CatalogModel
from freehold.store.deeds.record import Deed, DeedFile
from freehold.store.deeds.snapshot import BY_BASE_MODEL, MADE_FROM, identified
from freehold.store.plan import Plan
from freehold.weights.report import Finding

if TYPE_CHECKING:
    from freehold.catalog.policy import Verdict

OVERRIDDEN_BY = "overridden_by"
"""Who took a build that the house refuses, as its deed has it beside what its source said."""


@dataclass(frozen=True, slots=True)
class Unread:
    """What kept the files of one build (`digest`) from being judged: the check, and what it said in sentences."""

    check: str
    said: str
    digest: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """`name` is what it was asked for as. `model` None: the catalog does not know whose weights these are, and
    `license` is then all that is claimed of them. `derived`: that they were made from `model` is all that is claimed,
    and they may be under another license. `verified` None: the bytes are not here yet. `unread` is what nobody could
    judge of them: an engine that reads more than was looked at here finds there whatever somebody hid."""

    name: str
    model: CatalogModel | None
    license: str | None
    verified: bool | None
    derived: bool = False
    unread: tuple[Unread, ...] = ()


def of_deed(deed: Deed, catalog: Catalog) -> Candidate:
    """The candidate that the build of `deed` is, by what the catalog knows today. A build that was made here is judged
    as what it was made from."""
    provenance = deed.statement.origin.provenance
    verified = all(not file.verified.startswith("unverified") for file in deed.files)
    name = provenance.get(MADE_FROM, deed.statement.origin.asked)
    return replace(_candidate(name, catalog, deed.files, provenance, verified), unread=unread_of(deed))


def unread_of(deed: Deed) -> tuple[Unread, ...]:
    """What is undecided of the files of `deed`; of a build that was made here, as of the one that it was made from."""
    said, found = deed.statement, deed.statement.verification
    digest = said.made_from.parent if said.made_from is not None else said.digest
    undecided = () if found is None else found.undecided
    return tuple(Unread(each.check, _sentences(each), digest) for each in undecided)


def _sentences(finding: Finding) -> str:
    return " ".join(filter(None, (f"{finding.file}: {finding.message}", finding.hint)))


def with_override(deed: Deed, verdict: Verdict | None) -> Deed:
    """`deed`, which says who took the build where the house would not have. Why stands in the house's overrides."""
    if verdict is None or verdict.overridden_by is None:
        return deed
    origin = deed.statement.origin
    said = {**origin.provenance, OVERRIDDEN_BY: verdict.overridden_by}
    return Deed(replace(deed.statement, origin=replace(origin, provenance=said)), deed.labels)


def of_plan(plan: Plan, asked: str, catalog: Catalog) -> Candidate | None:
    """The candidate that is planned; None where only the bytes will tell what it is."""
    sha256 = plan.files[0].sha256 if len(plan.files) == 1 else None
    files = [DeedFile(plan.files[0].name, plan.files[0].size_bytes or 0, sha256, "named by source")] if sha256 else []
    found = _candidate(asked, catalog, files, plan.provenance, None)
    return found if found.model is not None or found.license is not None else None


def _candidate(
    name: str, catalog: Catalog, files: Sequence[DeedFile], said: Mapping[str, str], verified: bool | None
) -> Candidate:
    found = identified(catalog, files, said)
    model, by = found or (None, None)
    return Candidate(name, model, said.get("license"), verified, derived=by == BY_BASE_MODEL)
