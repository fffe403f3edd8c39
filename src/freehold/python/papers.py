"""What is known of models, held or not: the catalog searched, and the whole paper of one. No network is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from freehold.catalog import Catalog
from freehold.catalog.find import (
    Graded,
    Query,
    graded,
    matches,
    read_license,
    read_openness,
    read_size,
    read_skill,
    read_sort,
    search,
)
from freehold.catalog.licenses.shelf import Licenses
from freehold.catalog.model import CatalogModel
from freehold.catalog.openness import LABELS
from freehold.core.builds import HeldBuild
from freehold.core.errors import NotFoundError
from freehold.core.names import nearest
from freehold.core.refs import HubRef, ModelRef, Reference
from freehold.store.store import Store


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as people write it; what is None or empty asks for nothing. The forms are those of `catalog.find`."""

    text: str = ""
    size: str | None = None
    license: str | None = None
    openness: str | None = None
    skills: tuple[str, ...] = ()
    publisher: str = ""
    open_weights: bool = False
    sort: str = "match"


def find(asked: Asked) -> list[dict[str, Any]]:
    """The models that fit, one row of stable keys each; null is unknown.

    Raises CallError for what cannot be read, NotFoundError with the nearest names where no model has such a text.
    """
    catalog = Catalog.load()
    query = _query(asked, catalog)
    if not any(matches(model, asked.text) for model in catalog.models):
        names = [model.name for model in catalog.models]
        near = nearest("-".join(asked.text.split()), names, limit=5)
        raise NotFoundError("model", asked.text, nearest=near, hint="" if near else "`freehold find` lists them all.")
    return [_row(each) for each in search(graded(catalog, Licenses.load()), query)]


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to show of a reference: a held build, the paper of a model, or both.

    `build` None: the model is meant, not one build of it. `paper` None: the catalog does not know the build's bytes.
    `held` are the builds of that model in the store.
    """

    build: HeldBuild | None
    paper: dict[str, Any] | None
    held: tuple[HeldBuild, ...]


def look_up(ref: Reference, store: Store) -> Shown:
    """What is known of `ref`: a name without a tag, or a hub's repository, is the catalog's model where it has one;
    everything else is a held build.

    Raises NotFoundError with the nearest names, and StoreError.
    """
    from freehold.catalog.paper import paper

    catalog = Catalog.load()
    model = _model(ref, catalog)
    build = _held(ref, store, catalog) if model is None else None
    model = _of_bytes(build, catalog) if build else model
    if model is None:
        return Shown(build, None, ())
    held = tuple(each for each in store.builds() if model in (_of_bytes(each, catalog), catalog.get(each.model)))
    return Shown(build, paper(catalog, model), held)


def _held(ref: Reference, store: Store, catalog: Catalog) -> HeldBuild:
    try:
        return store.peek(ref)
    except NotFoundError as error:
        if not isinstance(ref, ModelRef) or ref.tag is not None:
            raise
        names = {*(model.name for model in catalog.models), *(build.model for build in store.builds())}
        hint = "`freehold find TEXT` searches the catalog, `freehold list` lists what is held."
        raise NotFoundError("model", ref.model, nearest=nearest(ref.model, names), hint=hint) from error


def _model(ref: Reference, catalog: Catalog) -> CatalogModel | None:
    """The model that `ref` means as such, without a build of it."""
    if isinstance(ref, ModelRef) and ref.tag is None:
        return catalog.get(ref.model)
    if isinstance(ref, HubRef) and ref.tag is None and ref.revision is None:
        return catalog.get(ref.repository)
    return None


def _of_bytes(build: HeldBuild, catalog: Catalog) -> CatalogModel | None:
    entry = catalog.by_sha256(build.digest.removeprefix("sha256:"))
    return entry.model if entry else None


def _query(asked: Asked, catalog: Catalog) -> Query:
    freedom, license_id = (None, None)
    if asked.license is not None:
        freedom, license_id = read_license(asked.license, (model.license for model in catalog.models))
    return Query(
        text=asked.text,
        size=None if asked.size is None else read_size(asked.size),
        freedom=freedom,
        license_id=license_id,
        openness=None if asked.openness is None else read_openness(asked.openness),
        skills=tuple(read_skill(skill) for skill in asked.skills),
        publisher=asked.publisher,
        open_weights=asked.open_weights,
        sort=read_sort(asked.sort),
    )


def _row(each: Graded) -> dict[str, Any]:
    model = each.model
    released = model.weights_released or model.api_released
    return {
        "name": model.name,
        "title": model.title,
        "publisher": model.publisher.name,
        "publisher_kind": model.publisher.kind,
        "parameters": model.parameters,
        "parameters_nominal": model.parameters_nominal,
        "active_parameters": model.active_parameters,
        "context_tokens": model.context_tokens,
        "license": model.license,
        "freedom": {"low": each.freedom[0], "high": each.freedom[1]},
        "published": {"low": each.published[0], "high": each.published[1]},
        "label": {
            "low": each.label[0],
            "high": each.label[1],
            "name": LABELS[each.label[0]],
            "best": LABELS[each.label[1]],
        },
        "skills": list(model.skills),
        "modalities": list(model.modalities),
        "weights": model.weights,
        "released": None if released is None else released.isoformat(),
        "repository": model.repository,
        "pullable": bool(model.builds),
    }
