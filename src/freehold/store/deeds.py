"""Deeds: the record that belongs to a held build, as `deed.json` beside its files.

A deed says what was checked and against what; it never says "verified" of bytes nobody named a hash for. It is
versioned: a deed of another version, or a damaged one, is refused with its path, never guessed at.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from freehold.core.builds import WeightFacts
from freehold.core.errors import StoreError
from freehold.store.durable import write_whole

DEED_VERSION = 1
_LARGEST_DEED_BYTES = 8 * 1024 * 1024

Verified = Literal["named by catalog", "named by source", "named by you", "unverified: recorded"]


@dataclass(frozen=True, slots=True)
class DeedFile:
    """One weight file. `path` is absolute for a file that is referenced in place, None for one the store holds;
    `modified_ns` is the modification time of the former when its hash was taken."""

    name: str
    size_bytes: int
    sha256: str
    verified: Verified
    path: str | None = None
    modified_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the build was had: the reference as asked for, the same pinned, what the source said, when (UTC)."""

    asked: str
    pinned: str
    date: str
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deed:
    """Everything known of one held build. The first name is the one shown; the first origin gave the bytes.

    `kept_at` and `named_at` say when it came in and when it was last given a name (UTC, ISO 8601).
    """

    digest: str
    names: tuple[str, ...]
    files: tuple[DeedFile, ...]
    origins: tuple[Origin, ...]
    facts: WeightFacts
    checks: tuple[str, ...]
    freehold: str
    kept_at: str
    named_at: str
    license: str | None = None
    version: int = DEED_VERSION


def write_deed(path: Path, deed: Deed) -> None:
    """Put `deed` at `path` in one step."""
    write_whole(path, (json.dumps(asdict(deed), indent=2, ensure_ascii=False) + "\n").encode())


def read_deed(path: Path) -> Deed:
    """The deed at `path`. Raises StoreError for one of another version, and for a damaged one."""
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(_LARGEST_DEED_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    version = data.get("version") if isinstance(data, dict) else None
    if isinstance(version, int) and version != DEED_VERSION:
        raise StoreError(
            f"{path} is a deed of version {version}; this Freehold reads version {DEED_VERSION}.",
            hint="A newer Freehold wrote it: update this one.",
            path=str(path),
        )
    try:
        return _whole(_record(Deed, data, "the deed"))
    except (TypeError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def _whole(deed: Deed) -> Deed:
    """`deed`, which has what everything else relies on: a name, a file and an origin. Raises ValueError."""
    for field_name in ("names", "files", "origins"):
        if not getattr(deed, field_name):
            raise ValueError(f"deed.{field_name} is empty")
    return deed


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(
        f"{path} cannot be read as a deed: {why}.",
        hint=f"Remove the folder {path.parent} and pull the build again.",
        path=str(path),
    )


_Record = TypeVar("_Record")


def _record(kind: type[_Record], data: object, where: str) -> _Record:
    """A dataclass from its JSON object. Fields it does not know are left out, since a version may only add them."""
    if not isinstance(data, dict):
        raise ValueError(f"{where} is not an object")
    hints = typing.get_type_hints(kind)
    names = [item.name for item in fields(typing.cast("Any", kind))]
    return kind(**{name: _value(hints[name], data[name], f"{where}.{name}") for name in names if name in data})


def _value(kind: Any, data: object, where: str) -> Any:
    """`data` as the annotation `kind` wants it: the few shapes deeds are made of."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if data is None else _value(arguments[0], data, where)
    if origin is tuple:
        return tuple(_value(arguments[0], item, where) for item in _checked(list, data, where))
    if origin is Mapping:
        return {str(key): _checked(str, item, where) for key, item in _checked(dict, data, where).items()}
    if origin is Literal:
        if data not in arguments:
            raise ValueError(f"{where} is {data!r}")
        return data
    if kind in {str, int}:
        return _checked(kind, data, where)
    return _record(kind, data, where)


def _checked(kind: type, data: object, where: str) -> Any:
    if type(data) is not kind:
        raise ValueError(f"{where} is {data!r}, not of type {kind.__name__}")
    return data
