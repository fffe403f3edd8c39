"""Weights as a policy judges them: which model they are of, what license their source claims, whether a hash was named.

The same is made of a pull before anything is downloaded, of one that is about to become visible, and of a held build,
so that all three are judged alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from freehold.catalog import Catalog, CatalogModel
from freehold.store.deeds.record import Deed, DeedFile
from freehold.store.deeds.snapshot import BY_BASE_MODEL, MADE_FROM, identified
from freehold.store.plan import Plan


@dataclass(frozen=True, slots=True)
class Candidate:
    """`name` is what it was asked for as. `model` None: the catalog does not know whose weights these are, and
    `license` is then all that is claimed of them. `derived`: that they were made from `model` is all that is claimed,
    and they may be under another license. `verified` None: the bytes are not here yet."""

    name: str
    model: CatalogModel | None
    license: str | None
    verified: bool | None
    derived: bool = False


def of_deed(deed: Deed, catalog: Catalog) -> Candidate:
    """The candidate that the build of `deed` is, by what the catalog knows today. A build that was made here is judged
    as what it was made from."""
    provenance = deed.statement.origin.provenance
    verified = all(not file.verified.startswith("unverified") for file in deed.files)
    name = provenance.get(MADE_FROM, deed.statement.origin.asked)
    return _candidate(name, catalog, deed.files, provenance, verified)


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
