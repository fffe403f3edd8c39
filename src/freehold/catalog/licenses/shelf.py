"""Every license record there is, found by id, by a hub's tag, or by the hash of its text.

A row is read when it is first asked for: most commands need one or two of them. `all` reads every one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from freehold.catalog.licenses.reader import read_license
from freehold.catalog.licenses.record import License

if TYPE_CHECKING:
    from freehold.catalog.licenses.normalize import Normalized

_PACKAGE = "freehold.catalog.licenses"


class Licenses:
    """The license records. `Licenses.load()` opens those that ship with Freehold."""

    def __init__(self, rows: Mapping[str, Traversable]) -> None:
        """`rows`: the TOML file of each id."""
        self._rows = dict(sorted(rows.items()))
        self._read: dict[str, License] = {}
        self._templates: dict[str, Normalized] = {}

    @classmethod
    def load(cls) -> Licenses:
        """Lists the rows without reading them; a wrong row is reported when it is read."""
        folder = resources.files(_PACKAGE).joinpath("rows")
        return cls({row.name.removesuffix(".toml"): row for row in folder.iterdir() if row.name.endswith(".toml")})

    def get(self, license_id: str) -> License | None:
        """The record of this id, or None: nobody has read that license. Raises CatalogError if its row is wrong."""
        if license_id not in self._read and license_id in self._rows:
            row = self._rows[license_id]
            self._read[license_id] = read_license(row.read_text(encoding="utf-8"), row.name)
        return self._read.get(license_id)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._rows)

    @property
    def all(self) -> tuple[License, ...]:
        """Every record, by id. Raises CatalogError at the first wrong row."""
        return tuple(self)

    def __iter__(self) -> Iterator[License]:
        for license_id in self._rows:
            record = self.get(license_id)
            if record is not None:
                yield record

    def by_tag(self, tag: str) -> tuple[License, ...]:
        """The records a hub's license tag, a `license_name` or an SPDX identifier can mean, the newest text first.

        More than one: the tag does not say which version, and only the text or the publisher can.
        """
        found = [record for record in self if tag.casefold() in _names(record)]
        return tuple(sorted(found, key=lambda record: str(record.version_date or ""), reverse=True))

    @cached_property
    def by_text(self) -> Mapping[str, License]:
        """The record of each known text's hash, as it was published and in its normal form."""
        known: dict[str, License] = {}
        for record in self:
            known.update(dict.fromkeys(filter(None, (record.text.sha256, record.text.normalized_sha256)), record))
        return known

    def template(self, record: License) -> Normalized | None:
        """The shipped text of `record` in its normal form; None where the text is not shipped."""
        if record.template is None:
            return None
        from freehold.catalog.licenses.normalize import normalize  # 20 ms of patterns, for those who recognize a text

        if record.id not in self._templates:
            file = resources.files(_PACKAGE).joinpath("texts", record.template.file)
            self._templates[record.id] = normalize(file.read_text(encoding="utf-8"))
        return self._templates[record.id]


def _names(record: License) -> frozenset[str]:
    names = (record.id, record.spdx or "", *record.hf_tags, *record.license_names)
    return frozenset(name.casefold() for name in names if name)
