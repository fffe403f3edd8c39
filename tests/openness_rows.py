"""Small catalog rows for the tests of openness: every fact of them is one the test chose."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from freehold.catalog.licenses.record import License
from freehold.catalog.licenses.shelf import Licenses
from freehold.catalog.model import COMPONENTS, CatalogModel, Component, Publisher, State
from freehold.catalog.openness import Openness, assess

NOTHING: Mapping[str, State] = dict.fromkeys(COMPONENTS, "absent")
CARD: Mapping[str, State] = {**NOTHING, "weights_final": "open", "model_card": "open", "architecture": "open"}
REPORT: Mapping[str, State] = {**CARD, "tech_report": "open", "eval_results": "open", "inference_code": "open"}
TRAINING: Mapping[str, State] = {
    **REPORT,
    **dict.fromkeys(("training_code", "preprocessing_code", "recipe", "data_information"), "open"),
}
EVERYTHING: Mapping[str, State] = dict.fromkeys(COMPONENTS, "open")


@cache
def shelf() -> Licenses:
    return Licenses.load()


def row(
    name: str,
    license_id: str,
    states: Mapping[str, State],
    *,
    bases: tuple[str, ...] | None = (),
    publisher: str = "somebody",
    repository: str | None = None,
    withheld: bool = False,
) -> CatalogModel:
    return CatalogModel(
        name=name,
        title=name,
        publisher=Publisher(publisher, publisher.title(), "frontier laboratory"),
        license=license_id,
        base_models=bases,
        modalities=("text",),
        repository=repository,
        weights="withheld" if withheld else "published",
        published={each: Component(states.get(each, "unknown"), "cited") for each in COMPONENTS},
    )


def assessed(model: CatalogModel, *others: CatalogModel, licenses: Mapping[str, License] | None = None) -> Openness:
    rows = {each.name: each for each in (model, *others)}
    return assess(model, rows.get, shelf().get if licenses is None else licenses.get)
