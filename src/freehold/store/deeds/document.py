"""Deeds on disk: `deed.json` beside the files of a build, in one form and with seals that make a change show.

The file is canonical JSON (see `canonical`) of five members: `version`, `statement`, `labels`, `signature` and
`seals`, the SHA-256 of both parts. A seal finds rot and slips; against somebody who writes a new seal only a signature
helps, which is not looked at here (see `signing`). A deed of a later version, or a damaged one, is refused with its
path, never guessed at. Deeds of version 1 are read: they have no seals, no papers and no record of a verification.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from freehold.core.builds import WeightFacts
from freehold.core.errors import DeedChangedError, DeedError, DeedUnreadableError, NewerFormatError
from freehold.core.formats import DEED
from freehold.store.deeds.canonical import canonical, parsed
from freehold.store.deeds.reading import record
from freehold.store.deeds.record import DEED_VERSION, Deed, DeedFile, Labels, Origin, Signature, Statement, Verified
from freehold.store.deeds.rules import require_rules
from freehold.store.durable import write_whole
from freehold.store.opened import let_read, read_bounded

LARGEST_DEED_BYTES = 8 * 1024 * 1024
_LONGEST_REASON = 300  # characters: what is wrong with a hostile deed may be as long as itself
_MEMBERS = frozenset({"version", "statement", "labels", "seals", "signature"})


def document(deed: Deed) -> dict[str, Any]:
    """The deed as its file holds it."""
    labels = asdict(deed.labels)
    return {
        "version": DEED_VERSION,
        "statement": parsed(deed.sealed.encode()),
        "labels": labels,
        "seals": {"statement": deed.statement_sha256, "labels": _sha256(canonical(labels))},
        "signature": asdict(deed.signature) if deed.signature else None,
    }


def write_deed(path: Path, deed: Deed) -> None:
    """Put `deed` at `path` in one step. Raises DeedError for one that could not be read again, StoreError."""
    try:
        require_rules(deed)
        data = (canonical(document(deed)) + "\n").encode()
        if len(data) > LARGEST_DEED_BYTES:
            raise ValueError(f"it would have {len(data):,} bytes, and {LARGEST_DEED_BYTES:,} is the most")
    except ValueError as error:
        raise DeedError(f"No deed can be written for this build: {_cut(str(error))}.", path=str(path)) from error
    write_whole(path, data)


def read_deed(path: Path, *, exactly: bool = True) -> Deed:
    """The deed at `path`, its seals compared; a signature is not looked at here.

    `exactly` wants the very bytes that `write_deed` writes; without it the same values in another layout do too, as
    for a deed that somebody printed. Raises DeedError for one of another version and for a damaged one,
    DeedChangedError for one that is not what it was when it was sealed.
    """
    raw, data = _read(path)
    try:
        is_first = DEED.require(data.get("version"), str(path)) == 1
        deed = _first_version(data) if is_first else _second_version(data, path, raw if exactly else None)
        require_rules(deed)
    except NewerFormatError as newer:
        raise DeedError(_cut(newer.message), hint=newer.hint, path=str(path)) from newer
    except (TypeError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    return deed


def _read(path: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        raw = read_bounded(path, LARGEST_DEED_BYTES)
        data = parsed(raw)
    except PermissionError as error:
        raise DeedUnreadableError(
            f"{path} may not be read by this account; that says nothing against it.",
            hint=let_read(path),
            path=str(path),
        ) from error
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(data, dict):
        raise _damaged(path, "it is no JSON object")
    return raw, data


def _written(texts: Mapping[str, str]) -> bytes:
    """The canonical object of these members, each in its canonical text already."""
    members = (f'"{name}":{texts[name]}' for name in sorted(texts))
    return ("{" + ",".join(members) + "}\n").encode()


def _second_version(data: Mapping[str, Any], path: Path, raw: bytes | None) -> Deed:
    if missing := _MEMBERS - data.keys():
        raise ValueError(f"it has no {' and no '.join(sorted(missing))}")
    if more := data.keys() - _MEMBERS:
        raise ValueError(f"it has {', '.join(sorted(more))}, which no deed has")
    texts = {name: canonical(part) for name, part in data.items()}
    for part in ("statement", "labels"):
        found = _sha256(texts[part])
        seal = data["seals"].get(part) if isinstance(data["seals"], dict) else None
        if seal != found:
            raise _changed(path, f"The sha256 of its {part} is {found}, and {_cut(str(seal))} was sealed.")
    if raw is not None and raw != _written(texts):
        raise _changed(path, "It is not laid out as it was written.")
    return Deed(
        record(Statement, data["statement"], "deed.statement"),
        record(Labels, data["labels"], "deed.labels"),
        None if data["signature"] is None else record(Signature, data["signature"], "deed.signature"),
        texts["statement"],
    )


@dataclass(frozen=True, slots=True)
class _FirstFile:
    """A weight file as version 1 wrote it down."""

    name: str
    size_bytes: int
    sha256: str
    verified: Verified
    path: str | None = None


@dataclass(frozen=True, slots=True)
class _FirstDeed:
    """The one part that a deed of version 1 had."""

    digest: str
    names: tuple[str, ...]
    files: tuple[_FirstFile, ...]
    origins: tuple[Origin, ...]
    facts: WeightFacts
    checks: tuple[str, ...]
    freehold: str
    kept_at: str
    named_at: str
    license: str | None = None


def _first_version(data: Mapping[str, Any]) -> Deed:
    old = record(_FirstDeed, data, "deed")
    if not old.origins:
        raise ValueError("deed.origins is empty")
    statement = Statement(
        digest=old.digest,
        files=tuple(DeedFile(file.name, file.size_bytes, file.sha256, file.verified) for file in old.files),
        origin=old.origins[0],
        facts=old.facts,
        checks=old.checks,
        freehold=old.freehold,
        kept_at=old.kept_at,
        license=old.license,
        written_as=1,
    )
    places = {file.name: file.path for file in old.files if file.path is not None}
    return Deed(statement, Labels(old.names, old.named_at, old.origins[1:], places))


def _changed(path: Path, what: str) -> DeedChangedError:
    return DeedChangedError(
        f"{path} was changed after it was written. {what}",
        hint=f"Restore it from a copy, or remove the folder {path.parent} and pull the build again.",
        path=str(path),
    )


def _damaged(path: Path, why: str) -> DeedError:
    return DeedError(
        f"{path} cannot be read as a deed: {_cut(why)}.",
        hint=f"Remove the folder {path.parent} and pull the build again.",
        path=str(path),
    )


def _cut(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
