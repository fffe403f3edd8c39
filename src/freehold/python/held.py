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
    """Names of the catalog's models that can be pulled: what `freehold pull NAME` knows."""
    return Catalog.load().pullable


def catalog_names() -> tuple[str, ...]:
    """Names of every model of the catalog, with builds or without."""
    return tuple(model.name for model in Catalog.load().models)


def offered() -> list[dict[str, Any]]:
    """Every build of the catalog, in its order; sizes and hashes are those it names, nobody has looked."""
    from freehold.catalog.licenses.shelf import Licenses
    from freehold.catalog.paper import license_name

    licenses = Licenses.load()
    return [
        {
            "name": entry.name,
            "title": entry.model.title,
            "license": license_name(entry.model.license, licenses),
            **dataclasses.asdict(entry.build),
        }
        for entry in Catalog.load().entries()
    ]
