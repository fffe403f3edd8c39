"""The catalog searched: which models there are, held or not. No store is opened and no network asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from freehold.catalog import Catalog
from freehold.catalog.find import (
    Graded,
    Query,
    graded,
    matches,
    read_license,
    read_license_id,
    read_openness,
    read_size,
    read_skill,
    read_sort,
    search,
)
from freehold.catalog.licenses.shelf import Licenses
from freehold.catalog.openness import LABELS
from freehold.core.errors import NotFoundError
from freehold.core.names import nearest


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as people write it; what is None or empty asks for nothing. The forms are those of `catalog.find`.
    `fits`: only what fits this machine as it is now, whose memory is looked at then."""

    text: str = ""
    size: str | None = None
    license: str | None = None
    openness: str | None = None
    skills: tuple[str, ...] = ()
    publisher: str = ""
    open_weights: bool = False
    sort: str = "match"
    bound_by: str | None = None
    fits: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The models that are found, one row of stable keys each; null is unknown. `inheriting` counts those that are all
    else that was asked for and are bound by the license through a base alone; `untold` those of which it cannot be said
    whether they fit."""

    rows: list[dict[str, Any]]
    inheriting: int = 0
    untold: int = 0


def find(asked: Asked) -> Found:
    """The models that are all that `asked` says. With `fits`, each row says in which build, and why that one.

    Raises CallError for what cannot be read, NotFoundError with the nearest names where no model has such a text.
    """
    catalog = Catalog.load()
    query = _query(asked, catalog)
    if not any(matches(model, asked.text) for model in catalog.models):
        names = [model.name for model in catalog.models]
        near = nearest("-".join(asked.text.split()), names, limit=5)
        raise NotFoundError("model", asked.text, nearest=near, hint="" if near else "`freehold find` lists them all.")
    models = graded(catalog, Licenses.load())
    found = search(models, query)
    inheriting = 0
    if query.license_id is not None:
        inheriting = len(search(models, replace(query, license_id=None, bound_by=query.license_id))) - len(found)
    return _fitting(found, inheriting) if asked.fits else Found([_row(each) for each in found], inheriting)


def _fitting(found: Sequence[Graded], inheriting: int) -> Found:
    from freehold.core.settings import load
    from freehold.python.fitting import planner_for

    planner = planner_for(None, load())
    can_be_had = [each for each in found if each.model.weights == "published"]
    planned = [(each, planner.in_brief(each.model)) for each in can_be_had]
    rows = [{**_row(each), "fit": fit} for each, fit in planned if fit["fits"]]
    return Found(rows, inheriting, sum(fit["fits"] is None for _, fit in planned))


def _query(asked: Asked, catalog: Catalog) -> Query:
    known = {model.license for model in catalog.models}
    binding = known | {each for model in catalog.models for each in model.terms}
    freedom, license_id = (None, None) if asked.license is None else read_license(asked.license, known)
    return Query(
        text=asked.text,
        size=None if asked.size is None else read_size(asked.size),
        freedom=freedom,
        license_id=license_id,
        bound_by=None if asked.bound_by is None else read_license_id(asked.bound_by, binding),
        openness=None if asked.openness is None else read_openness(asked.openness),
        skills=tuple(read_skill(skill) for skill in asked.skills),
        publisher=asked.publisher,
        open_weights=asked.open_weights,
        sort=read_sort(asked.sort),
    )


def _row(each: Graded) -> dict[str, Any]:
    return {
        **each.facts,
        "publisher_kind": each.model.publisher.kind,
        "parameters_nominal": each.model.parameters_nominal,
        "modalities": list(each.model.modalities),
        "freedom": {"low": each.freedom[0], "high": each.freedom[1]},
        "published": {"low": each.published[0], "high": each.published[1]},
        "label": {
            "low": each.label[0],
            "high": each.label[1],
            "name": LABELS[each.label[0]],
            "best": LABELS[each.label[1]],
        },
    }
