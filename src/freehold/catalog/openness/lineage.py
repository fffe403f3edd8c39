"""Which models a model was made from, and whose license binds whoever takes it.

A license binds across an edge of the chain when the base is another publisher's: a publisher may release what it made
itself under any terms, so a base of the same publisher passes its own ancestors on but not its license (DeepSeek-R1 is
MIT although DeepSeek's own base of it came under an older license). Nothing is guessed: a base without a row, a row
that does not say what its bases are, and another publisher's base whose weights were never published are gaps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from freehold.catalog.model import CatalogModel
from freehold.core.errors import CatalogError

Find = Callable[[str], CatalogModel | None]
"""Looks a base model up by its catalog name or its hub repository (org/name); None where there is no row."""

GapKind = Literal["base models", "base model", "terms"]
"""`base models`: the row does not say what it was made from. `base model`: it names one that has no row. `terms`: the
base is another publisher's and was never published, so its terms are private."""


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A model in the chain. `path` runs from the model that was asked about to this one, both included.

    `foreign`: somebody else published it than what was made from it. `model` is None where there is no row; whose it is
    is then read from the organization in its hub name.
    """

    name: str
    path: tuple[str, ...]
    foreign: bool
    model: CatalogModel | None

    @property
    def binding(self) -> bool:
        """True where its license is public and binds."""
        return self.foreign and self.model is not None and self.model.weights == "published"


@dataclass(frozen=True, slots=True)
class Gap:
    """What is not known of the chain: `what` is the missing thing, `of` the model it is missing from."""

    kind: GapKind
    what: str
    of: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """Every ancestor once, nearest first, and the gaps. `Lineage((), ())`: trained from scratch, and known to be."""

    ancestors: tuple[Ancestor, ...]
    gaps: tuple[Gap, ...]

    @property
    def binding(self) -> tuple[CatalogModel, ...]:
        """The ancestors whose licenses bind."""
        return tuple(each.model for each in self.ancestors if each.binding and each.model is not None)


def inherited_licenses(model: CatalogModel, lineage: Lineage) -> tuple[str, ...]:
    """The texts that bind beside the license of `model`: its own terms, and those of its ancestors."""
    bound = (*model.terms, *(each for base in lineage.binding for each in (base.license, *base.terms)))
    return tuple(dict.fromkeys(each for each in bound if each != model.license))


def trace(model: CatalogModel, find: Find) -> Lineage:
    """The lineage of `model`. Raises CatalogError where a chain comes back to a model it has passed."""
    found: dict[str, Ancestor] = {}
    gaps: dict[Gap, None] = {}
    for step in _walk(model, (model.name,), find):
        if isinstance(step, Gap):
            gaps[step] = None
        else:
            known = found.get(step.name)
            if known is None or (step.foreign and not known.foreign):
                found[step.name] = step
    nearest_first = sorted(found.values(), key=lambda each: len(each.path))
    return Lineage(tuple(nearest_first), tuple(gaps))


def _walk(model: CatalogModel, path: tuple[str, ...], find: Find) -> Iterator[Ancestor | Gap]:
    if model.base_models is None:
        yield Gap("base models", "what it was made from", model.name)
        return
    for name in model.base_models:
        base = find(name)
        if base is None:
            yield Ancestor(name, (*path, name), not _same_organization(model, name), None)
            yield Gap("base model", name, model.name)
            continue
        if base.name in path:
            raise _circle((*path, base.name))
        yield from _base(model, base, path, find)


def _base(model: CatalogModel, base: CatalogModel, path: tuple[str, ...], find: Find) -> Iterator[Ancestor | Gap]:
    foreign = model.publisher.key != base.publisher.key
    withheld = base.weights == "withheld"
    yield Ancestor(base.name, (*path, base.name), foreign, base)
    if withheld and foreign:
        yield Gap("terms", base.name, model.name)
    if not withheld:
        yield from _walk(base, (*path, base.name), find)


def _same_organization(model: CatalogModel, base: str) -> bool:
    organization, slash, _ = base.partition("/")
    own = (model.repository or "").partition("/")[0]
    return bool(slash) and organization.casefold() == own.casefold()


def _circle(path: tuple[str, ...]) -> CatalogError:
    chain = " -> ".join(path[path.index(path[-1]) :])
    return CatalogError(
        f"The lineage of {path[0]} runs in a circle: {chain}.",
        hint=f"correct base_models of {path[-2]} in the catalog",
        model=path[0],
        circle=list(path),
    )
