"""Facts about models, as TOML rows a person can review in a diff, and the one loader that reads them."""

from freehold.catalog.catalog import Catalog, CatalogEntry
from freehold.catalog.model import CatalogBuild, CatalogModel

__all__ = ["Catalog", "CatalogBuild", "CatalogEntry", "CatalogModel"]
