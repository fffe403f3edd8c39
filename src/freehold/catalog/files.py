"""The files that the catalog's rows stand in, one for each publisher, each read when something in it is asked for.

A question about one model needs one or two files of forty. A file is checked by itself whenever it is read; what files
say of each other (names and hashes that occur twice, base models) is checked where all of them are.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING

from freehold.catalog.model import CatalogModel

if TYPE_CHECKING:
    from freehold.catalog.rows import FileRows


class ModelFiles:
    """TOML texts by file name, in their order. `whole` once all of them were read."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.whole = False
        self._texts = dict(texts)
        self._folded = {name: text.casefold() for name, text in texts.items()}
        self._read: dict[str, FileRows] = {}

    @classmethod
    def shipped(cls) -> ModelFiles:
        """Those that come with Freehold."""
        folder = resources.files("freehold.catalog").joinpath("models")
        files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
        return cls({file.name: file.read_text(encoding="utf-8") for file in files})

    def all(self) -> tuple[CatalogModel, ...]:
        """Every model. Raises CatalogError with every wrong row of every file at once."""
        from freehold.catalog.rows import joined

        models = joined([self._rows(name) for name in self._texts])
        self.whole = True
        return models

    def mentioning(self, text: str) -> tuple[CatalogModel, ...]:
        """The models of the files in which `text` stands, in any case. Raises CatalogError with every wrong row of
        those files."""
        from freehold.catalog.rows import sound

        folded = text.casefold()
        found = [self._rows(name) for name, whole in self._folded.items() if folded in whole]
        return tuple(model for rows in found for model in sound(rows))

    def _rows(self, name: str) -> FileRows:
        from freehold.catalog.rows import read_file

        if name not in self._read:
            self._read[name] = read_file(name, self._texts[name])
        return self._read[name]
