"""Which builds a reference means when somebody asks what fits: held ones, those of the catalog, a file, a source.

A model's name means every build of it that there is or commonly is; a name with a tag, a file or a source means one.
Nothing is downloaded here: what only a source has is read by `store.headers`, by who has the sources.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

from freehold.catalog import Catalog
from freehold.catalog.model import CatalogModel
from freehold.core.builds import HeldBuild
from freehold.core.errors import NotFoundError, WeightsError
from freehold.core.names import nearest
from freehold.core.quantity import Quantity, Unknown
from freehold.core.refs import FileRef, HubRef, ModelRef, Reference
from freehold.fit.loss import expected_loss, loss_after
from freehold.fit.options import Distance, Option, catalog_options, offered_options, option
from freehold.planning.target import Target, read_build, target_of_file
from freehold.store.holdings import model_of
from freehold.store.store import Store

Distances = Callable[[str], Distance | None]
"""How far a held build was measured here to be from what it was made from, by its digest."""
Builds = Callable[[], tuple[HeldBuild, ...]]
"""The builds that are held."""


class Targets:
    """Looks references up in the catalog and the store, as it was at the first look. `builds` are those of the store,
    where somebody else looks at them as well: reading every deed is a tenth of the time of a plan."""

    def __init__(
        self,
        catalog: Catalog,
        store: Store,
        distances: Distances = lambda _: None,
        builds: Builds | None = None,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._distances = distances
        self._builds = builds or store.builds

    @functools.cached_property
    def _held(self) -> tuple[HeldBuild, ...]:
        return self._builds()

    def of(self, ref: Reference) -> Target | None:
        """What `ref` means; None where only its source can tell. Raises NotFoundError with the nearest names,
        WeightsError, StoreError."""
        if isinstance(ref, FileRef):
            return target_of_file(ref)
        if isinstance(ref, ModelRef):
            return self._named(ref)
        model = self._catalog.get(ref.repository) if isinstance(ref, HubRef) and ref.tag is None else None
        return self.of_model(model) if model is not None else self._held_from(ref)

    def of_model(self, model: CatalogModel) -> Target:
        """Every build of a model of the catalog. A held one that cannot be read says why, and the others stand."""
        held = [self._one_of_several(build) for build in self._held if self._is_of(build, model)]
        return Target(
            model.name, model, _distinct([*held, *catalog_options(model), *offered_options(model)]), one=False
        )

    def held(self) -> dict[str, tuple[Option, ...]]:
        """The builds that are held of each model of the catalog, by the model's name."""
        found: dict[str, tuple[Option, ...]] = {}
        for build in self._held:
            name = model_of(build, self._store, self._catalog)
            if name is not None:
                found[name] = (*found.get(name, ()), self._one_of_several(build))
        return found

    def _named(self, ref: ModelRef) -> Target:
        model = self._catalog.get(ref.model)
        if model is None and all(build.model != ref.model for build in self._held):
            variant = self._catalog.variant(ref.model)
            if variant is not None:
                return replace(self._named(ModelRef(variant.name, ref.tag)), asked=ref.model)
        if ref.tag is None:
            return self.of_model(model) if model is not None else self._held_as(ref)
        held = [build for build in self._held if build.name == str(ref)]
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
        held = [self._one_of_several(build) for build in self._held if build.model == ref.model]
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
        known = {*(build.model for build in self._held), *(model.name for model in self._catalog.models)}
        hint = "`freehold find TEXT` searches the catalog; a file or a source is planned for as well."
        return NotFoundError("model", ref.model, nearest=nearest(ref.model, known), hint=hint)

    def _one_of_several(self, build: HeldBuild) -> Option:
        if build.facts.format != "gguf":
            reason = f"it is in {build.facts.format}'s form, and only GGUF files say what they need"
            return self._unreadable(build, reason)
        try:
            return self._of_held(build)
        except WeightsError as error:
            return self._unreadable(build, f"its header cannot be read: {error.message}")

    def _unreadable(self, build: HeldBuild, reason: str) -> Option:
        from freehold.fit.read_gguf import blueprint_of_unreadable

        found = option(_tag(build), "held", blueprint_of_unreadable(build, reason))
        return replace(found, made_here=build.parent is not None)

    def _of_held(self, build: HeldBuild) -> Option:
        blueprint, outline = read_build(build.files, build.name)
        found = option(_tag(build), "held", blueprint, outline)
        distance = self._distances(build.digest)
        return replace(
            found,
            digest=build.digest,
            distance=distance,
            loss=self._loss(build, found.loss, distance),
            made_here=build.parent is not None,
        )

    def _loss(self, build: HeldBuild, expected: Quantity, distance: Distance | None) -> Quantity:
        """As it was measured against whole weights; else as is expected, after what its parent is expected to have
        lost before."""
        if distance is not None and distance.whole:
            return distance.nats
        if build.parent is None:
            return expected
        parent = next((each for each in self._held if each.digest == build.parent), None)
        if parent is None:
            return Unknown("what it was made from is not held any more, and had lost something before")
        own = distance.nats if distance is not None and distance.digest == parent.digest else expected
        return loss_after(expected_loss(parent.facts.quantization, parent.facts.parameters), own)

    def _is_of(self, build: HeldBuild, model: CatalogModel) -> bool:
        return model_of(build, self._store, self._catalog) == model.name


def _tag(build: HeldBuild) -> str:
    return build.name.partition(":")[2]


def _distinct(options: Sequence[Option]) -> tuple[Option, ...]:
    """One option for each quantization, that which is nearest at hand; the largest first. What was made here from
    another build stands for itself."""
    seen: dict[str, Option] = {}
    for each in options:
        name = each.tag if each.made_here else each.blueprint.quantization or each.tag
        seen.setdefault(name.upper(), each)
    return tuple(seen.values())
