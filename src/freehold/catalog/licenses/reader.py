"""Reads the license rows, one TOML file per text and version, into records; reports every problem of a file together.

A row is checked against the shapes in record.py: unknown fields, illegal values, wrong types, hashes that are none and
sections missing from a clause that exists are errors, each with its line. `"none"` in place of a clause's table means
that the clause was looked for and is not there; a clause left out was not looked for.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import tomli

from freehold.catalog.licenses.record import Clause, License
from freehold.core.errors import CatalogError
from freehold.core.names import nearest
from freehold.core.toml_reader import Problem, line_of

_SHA256 = re.compile(r"[0-9a-f]{64}")
_HASHES = frozenset({"sha256", "normalized_sha256"})
_ABSENT = "none"
_FIELDLESS = frozenset({"exists"})  # never written in a row: it follows from the form of the clause


def read_license(text: str, file: str) -> License:
    """The record in the TOML `text` of `file`. Raises CatalogError naming every problem with its line."""
    try:
        data = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise CatalogError(f"{file} is not TOML: {error}.", file=file) from error
    row = _Row(text)
    record = row.record(License, data, ())
    if isinstance(record, License) and f"{record.id}.toml" != file:
        row.problem(("id",), f"is {record.id!r} and the file is {file}: they must agree")
    if row.problems or not isinstance(record, License):
        raise _refusal(file, row.problems)
    return record


def _refusal(file: str, problems: list[Problem]) -> CatalogError:
    problems = sorted(problems, key=lambda problem: problem.line or 0)
    lines = "".join(f"\n  line {problem.line}: {problem.text}" for problem in problems)
    rows = [{"key": problem.key, "line": problem.line, "text": problem.text} for problem in problems]
    return CatalogError(f"{file} has {len(problems)} wrong fields:{lines}", file=file, problems=rows)


class _Row:
    """One file while it is read. Every method returns None where it noted a problem."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.problems: list[Problem] = []

    def problem(self, path: tuple[str, ...], text: str) -> None:
        key = ".".join(path)
        self.problems.append(Problem(key, f"{key} {text}", line_of(self._text, path)))

    def record(self, kind: type, data: object, path: tuple[str, ...]) -> object:
        """An instance of the dataclass `kind` from a table."""
        if issubclass(kind, Clause) and data == _ABSENT and not _needs(kind):
            return kind(exists=False)
        if not isinstance(data, Mapping):
            self.problem(path, f"must be a table, not {data!r}")
            return None
        known = _shape(kind)
        for key in (key for key in data if key not in known):
            guess = nearest(key, tuple(known))
            self.problem((*path, key), "is not a field" + (f"; did you mean {guess[0]!r}?" if guess else ""))
        for key in _needs(kind):
            if key not in data:
                self.problem((*path, key), "is missing")
        values = {key: self._value(known[key][0], data[key], (*path, key)) for key in data if key in known}
        if issubclass(kind, Clause) and "section" not in data:
            self.problem(path, 'needs its section, or "none" where the text has no such clause')
        return None if self.problems else kind(**values)

    def _value(self, kind: Any, value: object, path: tuple[str, ...]) -> object:
        if is_dataclass(kind) and isinstance(kind, type):
            return self.record(kind, value, path)
        if get_origin(kind) is tuple:
            if not isinstance(value, list):
                self.problem(path, f"must be a list, not {value!r}")
                return None
            return tuple(self._value(get_args(kind)[0], item, path) for item in value)
        if not _fits(kind, value):
            self.problem(path, f"must be {_spoken(kind)}, not {value!r}")
            return None
        if path[-1] in _HASHES and not _SHA256.fullmatch(str(value)):
            self.problem(path, "must be 64 lower-case hexadecimal digits")
            return None
        return value


@cache
def _shape(kind: type) -> Mapping[str, tuple[Any, bool]]:
    """Each field of a dataclass: its type without None, and whether a row must give it."""
    hints = get_type_hints(kind)
    return {
        field.name: (_without_none(hints[field.name]), field.default is MISSING)
        for field in fields(kind)
        if field.name not in _FIELDLESS
    }


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (option for option in get_args(kind) if option is not type(None))
    return kind


def _needs(kind: type) -> tuple[str, ...]:
    """The fields that an instance cannot be without."""
    return tuple(name for name, (_, required) in _shape(kind).items() if required)


def _fits(kind: Any, value: object) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return isinstance(value, kind)


def _spoken(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(repr, get_args(kind)))}"
    return {int: "a whole number, not negative", bool: "true or false", date: "a date", str: "a string"}[kind]
