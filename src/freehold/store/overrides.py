"""Overrides: a named person took a model although the policy refuses it. An append-only file, one JSON object a line.

A line is never changed or removed: an override that is taken back gets a line of its own. It covers exactly the
grounds it names, so that a new clause, another text or a new rule of the house is a new question. The file is not
tamper-proof: whoever can write the home can write it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from freehold.core.errors import NewerFormatError, StoreError
from freehold.core.formats import OVERRIDE
from freehold.store.durable import make_folder, sync_folder, writing

FILE_NAME = "overrides.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """`by` whom, when (`date`, UTC) and why (`reason`) `subject` was taken. `grounds` are what the refusal stood on, as
    keys; `reasons` the same in words. `withdrawn`: this line takes the earlier one back."""

    subject: str
    by: str
    reason: str
    grounds: tuple[str, ...]
    reasons: tuple[str, ...]
    date: str
    freehold: str
    withdrawn: bool = False

    def covers(self, grounds: tuple[str, ...]) -> bool:
        """True where it answers every one of `grounds`."""
        return not self.withdrawn and set(grounds) <= set(self.grounds)


class Overrides:
    """The overrides of one house. Making one touches nothing."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE_NAME

    def every(self) -> tuple[Override, ...]:
        """Every line, oldest first. Raises StoreError where one cannot be read: nothing is guessed of a record."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return ()
        except (OSError, UnicodeDecodeError) as error:
            raise self._unreadable(str(error)) from error
        return tuple(self._read(number, line) for number, line in enumerate(lines, 1))

    def standing(self, subject: str) -> Override | None:
        """The override of `subject` that stands, or None."""
        last = next((each for each in reversed(self.every()) if each.subject == subject), None)
        return None if last is None or last.withdrawn else last

    def add(self, override: Override) -> None:
        """Append one line, on the disk when this returns. Raises ReadOnlyError and StoreError."""
        make_folder(self._path.parent)
        told = {"format": OVERRIDE.newest, **asdict(override)}
        line = (json.dumps(told, ensure_ascii=False) + "\n").encode()
        with writing(self._path.parent):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, line)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(self._path.parent)

    def _read(self, number: int, line: str) -> Override:
        try:
            fields = OVERRIDE.newest_of(json.loads(line), f"Line {number} of {self._path}")
            fields |= {name: tuple(fields[name]) for name in ("grounds", "reasons")}
            return Override(**fields)
        except NewerFormatError as newer:
            raise StoreError(newer.message, hint=newer.hint, file=str(self._path)) from newer
        except (ValueError, KeyError, TypeError) as error:
            raise self._unreadable(f"line {number} is not an override") from error

    def _unreadable(self, why: str) -> StoreError:
        return StoreError(
            f"The overrides in {self._path} cannot be read: {why}.",
            hint="Nothing is taken against the policy while they cannot be. Restore the file from a backup.",
            file=str(self._path),
        )


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
