"""Turns the JSON of a deed into its dataclasses, every type checked. It knows shapes only, not what a deed means.

Fields it does not know are left out, since a version may only add them; what is missing or of another type is refused
with its place.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, TypeVar

Record = TypeVar("Record")


def record(kind: type[Record], data: object, where: str) -> Record:
    """A dataclass from its JSON object. Raises ValueError with the place, TypeError for a field that is missing."""
    if not isinstance(data, dict):
        raise ValueError(f"{where} is not an object")
    hints = _hints(typing.cast("Any", kind))
    return kind(**{name: _value(hints[name], data[name], f"{where}.{name}") for name in hints if name in data})


@functools.cache
def _hints(kind: type) -> Mapping[str, Any]:
    """The annotation of every field. Working them out costs more than the reading."""
    hints = typing.get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind) if item.init}


def _value(kind: Any, data: object, where: str) -> Any:
    """`data` as the annotation `kind` wants it: the few shapes deeds are made of."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if data is None else _value(arguments[0], data, where)
    if origin is tuple:
        return tuple(_value(arguments[0], item, where) for item in _checked(list, data, where))
    if origin is Mapping:
        items = _checked(dict, data, where).items()
        return {str(key): _value(arguments[1], item, f"{where}.{key}") for key, item in items}
    if origin is Literal:
        if data not in arguments:
            raise ValueError(f"{where} is {data!r}")
        return data
    if kind is Any:
        return data
    if kind in {str, int}:
        return _checked(kind, data, where)
    return record(kind, data, where)


def _checked(kind: type, data: object, where: str) -> Any:
    if type(data) is not kind:
        raise ValueError(f"{where} is {data!r}, not of type {kind.__name__}")
    return data
