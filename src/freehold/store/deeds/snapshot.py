"""The papers of a build on the day it came in: what the catalog knew of its model, and by what the model was found.

A file is the catalog's build where its hash is. Otherwise a source may name the model: by its own repository, or by the
base model that it says its files were made from. That is a claim, and the snapshot says so. A build that was made here
is of the model that its parent is of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from freehold.catalog import Catalog, CatalogModel
from freehold.store.deeds.record import DeedFile

BY_HASH, BY_REPOSITORY, BY_BASE_MODEL = "the hash of its file", "its repository", "the base model its source names"
BY_PARENT = "the build that it was made from"
# Keys of a provenance: the model in the catalog, and what the first parent was asked for as.
MODEL, MADE_FROM = "model", "made_from"


def papers_of(catalog: Catalog, files: Sequence[DeedFile], provenance: Mapping[str, str]) -> dict[str, Any] | None:
    """The paper of the model that these files are of, with `identified_by`; None where the catalog knows none.

    Raises CatalogError where a row or a license record is wrong.
    """
    from freehold.catalog.paper import paper  # it reads every license record: 20 ms that only a pull needs

    found = identified(catalog, files, provenance)
    if found is None:
        return None
    model, by = found
    return {**paper(catalog, model), "identified_by": by}


def license_of(model: CatalogModel) -> str:
    """What the license of `model` is called beside a build: its SPDX identifier, else the name of its record."""
    from freehold.catalog.licenses.shelf import Licenses
    from freehold.catalog.paper import license_name

    return license_name(model.license, Licenses.load())


def identified(
    catalog: Catalog, files: Sequence[DeedFile], provenance: Mapping[str, str]
) -> tuple[CatalogModel, str] | None:
    """The model that these files are of and by what that is known; None where the catalog does not know it."""
    entry = catalog.by_sha256(files[0].sha256) if len(files) == 1 else None
    if entry is not None:
        return entry.model, BY_HASH
    for key, by in ((MODEL, BY_PARENT), ("repository", BY_REPOSITORY), ("base_model", BY_BASE_MODEL)):
        model = catalog.get(provenance[key]) if key in provenance else None
        if model is not None:
            return model, by
    return None
