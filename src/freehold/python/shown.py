"""What there is to show of a reference: the whole paper of a model, and the builds of it that are held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from freehold.catalog import Catalog
from freehold.catalog.model import CatalogModel
from freehold.catalog.paper import paper
from freehold.core.builds import HeldBuild
from freehold.core.errors import NotFoundError
from freehold.core.names import nearest
from freehold.core.refs import HubRef, ModelRef, Reference
from freehold.store.holdings import model_of
from freehold.store.store import Store


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to show of a reference: a held build, the paper of a model, or both.

    `build` None: the model is meant, not one build of it. `paper` None: the catalog does not know the build's bytes.
    `held` are the builds of that model in the store. `taken_for` is the name that was asked for, where it lacks the
    variant's suffix and this model was taken for it.
    """

    build: HeldBuild | None
    paper: dict[str, Any] | None
    held: tuple[HeldBuild, ...]
    taken_for: str | None = None


def look_up(ref: Reference, store: Store) -> Shown:
    """What is known of `ref`: a name without a tag, or a hub's repository, is the catalog's model where it has one;
    everything else is a held build.

    Raises NotFoundError with the nearest names, and StoreError.
    """
    catalog = Catalog.load()
    model, build, taken_for = _model(ref, catalog), None, None
    if model is None:
        try:
            build = _held(ref, store, catalog)
            model = _of_build(build, store, catalog)
        except NotFoundError:
            model = catalog.variant(ref.model) if isinstance(ref, ModelRef) and ref.tag is None else None
            if model is None:
                raise
            taken_for = str(ref)
    if model is None:
        return Shown(build, None, ())
    held = tuple(each for each in store.builds() if _of_build(each, store, catalog) == model)
    return Shown(build, paper(catalog, model), held, taken_for)


def _held(ref: Reference, store: Store, catalog: Catalog) -> HeldBuild:
    try:
        return store.peek(ref)
    except NotFoundError as error:
        if not isinstance(ref, ModelRef) or ref.tag is not None:
            raise
        near = nearest(ref.model, {build.model for build in store.builds()})  # what is held comes first
        known = nearest(ref.model, (model.name for model in catalog.models))
        hint = "`freehold find TEXT` searches the catalog, `freehold list` lists what is held."
        raise NotFoundError("model", ref.model, nearest=tuple(dict.fromkeys((*near, *known)))[:3], hint=hint) from error


def _model(ref: Reference, catalog: Catalog) -> CatalogModel | None:
    """The model that `ref` means as such, without a build of it."""
    if isinstance(ref, ModelRef) and ref.tag is None:
        return catalog.get(ref.model)
    if isinstance(ref, HubRef) and ref.tag is None and ref.revision is None:
        return catalog.get(ref.repository)
    return None


def _of_build(build: HeldBuild, store: Store, catalog: Catalog) -> CatalogModel | None:
    """The model that its bytes or its source say it is of; a name that somebody gave it says nothing."""
    name = model_of(build, store, catalog)
    return catalog.get(name) if name else None
