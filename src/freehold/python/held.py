"""What is held and what is known, without starting anything: light enough for shell completion."""

from __future__ import annotations

import dataclasses
from typing import Any

from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild
from freehold.core.settings import Settings, load
from freehold.store.store import Store


def store(settings: Settings | None = None) -> Store:
    """The store of these settings, or of those of this folder and environment."""
    return Store.of(settings or load())


def builds(settings: Settings | None = None) -> tuple[HeldBuild, ...]:
    """The verified builds of the store. Raises StoreError, SettingsError."""
    return store(settings).builds()


def known_models() -> tuple[str, ...]:
    """Names of the catalog's models: what `freehold pull NAME` knows."""
    return tuple(model.name for model in Catalog.load().models)


def offered() -> list[dict[str, Any]]:
    """Every build of the catalog, in its order; sizes and hashes are those it names, nobody has looked."""
    return [
        {
            "name": entry.name,
            "title": entry.model.title,
            "license": entry.model.license,
            **dataclasses.asdict(entry.build),
        }
        for entry in Catalog.load().entries()
    ]


def identity(build: HeldBuild) -> dict[str, Any] | None:
    """What the catalog says of the model that `build` is a build of, found by its hash; None where it does not know
    these bytes. Keys are those of the catalog's rows, without the builds."""
    entry = Catalog.load().by_sha256(build.digest.removeprefix("sha256:"))
    if entry is None:
        return None
    return {key: value for key, value in dataclasses.asdict(entry[0]).items() if key != "builds"}
