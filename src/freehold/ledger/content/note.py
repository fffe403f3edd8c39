"""The note that an erasure begins with: what is to go, by whom and why. It stays until that was carried out, so that
what was cut off is found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freehold.core.disk import replace_whole
from freehold.core.errors import LedgerError
from freehold.ledger.content.places import read_whole
from freehold.ledger.content.room import with_room
from freehold.ledger.content.spans import Span, read_spans
from freehold.ledger.segments import unreadable

ERASING = "erasing.json"
_MEMBERS = ("by", "cause", "contents", "reason")


def write(folder: Path, fields: Mapping[str, Any]) -> None:
    """Note an erasure whose record will have these fields. Raises OSError."""
    with_room(folder, lambda: replace_whole(folder / ERASING, json.dumps(fields).encode(), mode=0o600))


def begun(folder: Path) -> Mapping[str, Any] | None:
    """The fields of the erasure that is not carried out to its end, None for none. Raises LedgerError where
    nobody can read what it was."""
    found = _read(folder)
    if found is None:
        return None
    told = isinstance(found.get("by"), str) and isinstance(found.get("cause"), str)
    if not (told and isinstance(found.get("reason"), str | None) and spans_of(found)):  # nothing else becomes a record
        path = folder / ERASING
        raise LedgerError(f"{path} says what was being erased, and is damaged.", hint="Erase it anew; remove that.")
    return {name: found.get(name) for name in _MEMBERS}


def being_erased(folder: Path) -> list[Span]:
    """What is being erased now, or was when the house was killed. Raises LedgerError."""
    return spans_of(_read(folder) or {})


def spans_of(fields: Mapping[str, Any]) -> list[Span]:
    """What an erasure with these fields is of."""
    return read_spans(fields.get("contents")) or []


def _read(folder: Path) -> Mapping[str, Any] | None:
    """What the note says, None for none; nothing where it is damaged."""
    try:
        found = json.loads(read_whole(folder / ERASING))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(folder / ERASING, error) from error
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
