"""One row of the catalog while it is read: a table whose missing fields are those of its family.

A problem is reported where the wrong value stands: in the row, or in the family it came from.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from freehold.catalog.model import Component, Figure, Source
from freehold.core.names import nearest
from freehold.core.toml_reader import Problem, TableReader

_WHEN = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


@dataclass(frozen=True, slots=True)
class RowFile:
    """One file while it is read: its text, the sources it names, and what was found wrong in it.

    `components` holds those that were read already, by the value they were read from: a family's serve all its models.
    """

    name: str
    text: str
    sources: dict[str, Source] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    components: dict[int, Component] = field(default_factory=dict)

    @property
    def publisher(self) -> str:
        return self.name.removesuffix(".toml")


class Row(TableReader):
    """A table of `file` at `path`; what `data` lacks is read from `family`."""

    def __init__(
        self, data: Mapping[str, Any], file: RowFile, path: tuple[str, ...] = (), family: Row | None = None
    ) -> None:
        merged: Mapping[str, Any] = {**family.data, **data} if family else data
        super().__init__(merged, file.text, file.problems, path)
        self.data: Mapping[str, Any] = merged
        self._own = data
        self._file = file
        self._family = family

    def table(self, key: str) -> Row:
        own = self._own.get(key, {})
        if not isinstance(own, dict):
            self.problem(key, "must be a table")
            own = {}
        inherited = self._family.table(key) if self._family and key in self._family.data else None
        return Row(own, self._file, (*self._path, key), inherited)

    def problem(self, key: str, text: str) -> None:
        if self._family is not None and key not in self._own and key in self._family.data:
            self._family.problem(key, text)
        else:
            super().problem(key, text)

    def seen(self, key: str) -> Component | None:
        """What was read from the very value that stands at `key`, if it was read before."""
        return self._file.components.get(id(self.data[key]))

    def remember(self, key: str, component: Component) -> Component:
        return self._file.components.setdefault(id(self.data[key]), component)

    def only(self, known: Collection[str]) -> Row:
        """This row, every field of its own that is not among `known` reported."""
        for key in self._own:
            if key not in known:
                guess = nearest(key, known, limit=1)
                self.problem(key, "is not a field" + (f"; did you mean {guess[0]!r}?" if guess else ""))
        return self

    def required(self, key: str) -> str:
        if not self.text(key, ""):
            self.problem(key, "is missing")
        return self.text(key, "")

    def optional_text(self, key: str) -> str | None:
        return self.text(key, "") or None

    def optional_flag(self, key: str) -> bool | None:
        return self.flag(key) if self.has(key) else None

    def some_of(self, key: str, legal: tuple[str, ...]) -> tuple[str, ...]:
        """A list of words, each one of `legal`."""
        words = self.texts(key)
        for word in words:
            if word not in legal:
                self.problem(key, f"has {word!r}, which is none of {', '.join(legal)}")
        return words

    def day(self, key: str) -> date | None:
        value = self._take(key, None)
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        self.problem(key, f"must be a date like 2024-12-06, without quotes, not {value!r}")
        return None

    def when(self, key: str) -> str:
        """A date as text, as exact as it is known: "2025", "2025-12" or "2025-12-09"."""
        text = self.required(key)
        if text and not _WHEN.fullmatch(text):
            self.problem(key, f"must be a year, a month or a day like 2025-12-09, not {text!r}")
        return text

    def source(self, key: str, name: object) -> Source | None:
        """The source of this file called `name`; `key` is the field that names it."""
        found = self._file.sources.get(name) if isinstance(name, str) else None
        if found is None:
            self.problem(key, f"names the source {name!r}, which [sources] does not have")
        return found

    def figure(self, key: str) -> Figure | None:
        if not self.has(key):
            return None
        row = self.table(key).only({"value", "of", "date", "source"})
        of = row.number("of", 0.0, 1e-9, 1e9)
        value, when, source = row.number("value", -1.0, 0.0, of or 1e9), row.when("date"), row.required("source")
        read = row.source("source", source)
        return Figure(value, of, when, read) if read else None
