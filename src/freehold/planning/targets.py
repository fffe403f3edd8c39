"""Which builds a reference means when somebody asks what fits: held ones, those of the catalog, a file, a source.

A model's name means every build of it that there is or commonly is; a name with a tag, a file or a source means one.
Nothing is downloaded here: what only a source has is read by `store.headers`, by who has the sources.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from freehold.catalog import Catalog
from freehold.catalog.model import CatalogModel
from freehold.core.builds import HeldBuild
from freehold.core.errors import NotFoundError
from freehold.core.names import nearest
from freehold.core.quantity import Measured
from freehold.core.refs import FileRef, HubRef, ModelRef, Reference
from freehold.fit.options import Option, catalog_options, offered_options, option
from freehold.fit.read_gguf import blueprint_of_gguf
from freehold.store.holdings import holding
from freehold.store.naming import absolute
from freehold.store.store import Store

MeasuredLoss = Callable[[str], Measured | None]
"""What was measured here of a held build's loss, by its digest."""


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked about. `model` None: the catalog does not know whose it is. `one`: one build is meant."""

    name: str
    model: CatalogModel | None
    options: tuple[Option, ...]
    one: bool


class Targets:
    """Looks references up in the catalog and the store."""

    def __init__(self, catalog: Catalog, store: Store, measured_loss: MeasuredLoss = lambda _: None) -> None:
        self._catalog = catalog
        self._store = store
        self._measured_loss = measured_loss

    def of(self, ref: Reference) -> Target | None:
        """What `ref` means; None where only its source can tell. Raises NotFoundError with the nearest names,
        WeightsError, StoreError."""
        if isinstance(ref, FileRef):
            return self.of_files(str(ref), [absolute(ref)])
        if isinstance(ref, ModelRef):
            return self._named(ref)
        model = self._catalog.get(ref.repository) if isinstance(ref, HubRef) and ref.tag is None else None
        return self.of_model(model) if model is not None else self._held_from(ref)

    def of_files(self, name: str, paths: Sequence[Path]) -> Target:
        """One build that lies in `paths`, or whose headers do. Raises WeightsError."""
        blueprint = blueprint_of_gguf(paths, name=name)
        given = option(blueprint.quantization or "its file", "given", blueprint)
        return Target(name, None, (given,), one=True)

    def of_model(self, model: CatalogModel) -> Target:
        """Every build of a model of the catalog."""
        held = [self._of_held(build) for build in self._store.builds() if self._is_of(build, model)]
        return Target(
            model.name, model, _distinct([*held, *catalog_options(model), *offered_options(model)]), one=False
        )

    def _named(self, ref: ModelRef) -> Target:
        model = self._catalog.get(ref.model)
        if ref.tag is None:
            return self.of_model(model) if model is not None else self._held_as(ref)
        held = [build for build in self._store.builds() if build.name == str(ref)]
        if held:
            return Target(str(ref), model, (self._of_held(held[0]),), one=True)
        every = self.of_model(model).options if model is not None else ()
        for each in every:
            if each.tag.lower() == ref.tag:
                return Target(str(ref), model, (each,), one=True)
        if model is None:
            raise self._unknown(ref)
        known = [f"{model.name}:{each.tag}" for each in every]
        hint = f"It is planned for as {', '.join(each.tag for each in every)}."
        raise NotFoundError("build", str(ref), nearest=nearest(str(ref), known), hint=hint)

    def _held_as(self, ref: ModelRef) -> Target:
        """Builds that somebody gave this name."""
        held = [self._of_held(build) for build in self._store.builds() if build.model == ref.model]
        if not held:
            raise self._unknown(ref)
        return Target(ref.model, None, tuple(held), one=False)

    def _held_from(self, ref: Reference) -> Target | None:
        try:
            build = self._store.peek(ref)
        except NotFoundError:
            return None
        return Target(build.name, None, (self._of_held(build),), one=True)

    def _unknown(self, ref: ModelRef) -> NotFoundError:
        known = {*(build.model for build in self._store.builds()), *(model.name for model in self._catalog.models)}
        hint = "`freehold find TEXT` searches the catalog; a file or a source is planned for as well."
        return NotFoundError("model", ref.model, nearest=nearest(ref.model, known), hint=hint)

    def _of_held(self, build: HeldBuild) -> Option:
        blueprint = blueprint_of_gguf(build.files, name=build.name)
        return option(build.name.partition(":")[2], "held", blueprint, self._measured_loss(build.digest))

    def _is_of(self, build: HeldBuild, model: CatalogModel) -> bool:
        return holding(build, self._store, self._catalog).model == model.name


def _distinct(options: Sequence[Option]) -> tuple[Option, ...]:
    """One option for each quantization, that which is nearest at hand; the largest first."""
    seen: dict[str, Option] = {}
    for each in options:
        seen.setdefault((each.blueprint.quantization or each.tag).upper(), each)
    return tuple(seen.values())
