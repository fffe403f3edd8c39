"""Which folders are sealed with the keys of a home: `keys/content.ledgers`, beside the keys.

A line for each: the name of a key, and the folder of what is kept, as a text of JSON. Where a ledger lies is a setting,
so one key may open what lies in several folders, and whoever exchanges it must know of all of them. The line is on the
disk before anything is sealed there. A folder below the home is named from there, so that a home can be moved. It holds
no secret."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from freehold.core.disk import replace_whole
from freehold.core.errors import HouseKeyError
from freehold.ledger.content.places import key_names, read_whole

FILE_NAME = "content.ledgers"
"""Beside the keys."""
_KEY = re.compile(r"[0-9a-f]{16}")


class Sealed(NamedTuple):
    """A key's name, and a folder in which something was sealed with it."""

    key: str
    folder: Path


class SealedFolders:
    """The folders in the file at `path`, two below the home. Making one touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Sealed]:
        """Every line. Raises HouseKeyError."""
        try:
            text = read_whole(self.path).decode("ascii", "replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise HouseKeyError(f"{self.path} cannot be read: {error.strerror}.") from error
        return [self._line(line) for line in text.splitlines()]

    def seals_with(self, folder: Path) -> str | None:
        """The key that came to seal in that folder last, as far as is known. Raises HouseKeyError."""
        here = folder.resolve()
        return next((each.key for each in reversed(self.read()) if each.folder == here), None)

    def add(self, key: str, folder: Path) -> None:
        """Name that folder, where it is not. Raises HouseKeyError, OSError."""
        known, line = self.read(), Sealed(key, folder.resolve())
        if line not in known:
            self._write([*known, line])

    def exchange(self, former: Collection[str], key: str, folder: Path) -> None:
        """Name that folder with that key alone, and nothing with the former ones. Raises HouseKeyError, OSError."""
        here = folder.resolve()
        others = [each for each in self.read() if each.key not in former and each.folder != here]
        self._write([*others, Sealed(key, here)])

    def elsewhere(self, keys: Collection[str], folder: Path, others: Iterable[Path] = ()) -> list[Sealed]:
        """Where else than in `folder` something is sealed with one of these keys, as far as is known; `others` are
        looked at as well. One that is not there now counts: what was kept in it may come back. Raises HouseKeyError,
        LedgerError, NewerFormatError."""
        known = [each for each in self.read() if each.key in keys and _may_hold(each)]
        found = [Sealed(key, other.resolve()) for other in others for key in key_names(other) if key in keys]
        return [each for each in dict.fromkeys([*known, *found]) if each.folder != folder.resolve()]

    def _line(self, text: str) -> Sealed:
        key, _, told = text.partition(" ")
        try:
            folder = json.loads(told)
        except (ValueError, RecursionError):
            folder = None
        if not isinstance(folder, str) or not _KEY.fullmatch(key):
            raise HouseKeyError(
                f"{self.path} is damaged: {text[:80]!r} names no folder.",
                hint="It says which folders the home's key opens. Write that line anew, or take it out.",
            )
        return Sealed(key, self._home / folder)

    def _write(self, lines: Sequence[Sealed]) -> None:
        home = self._home
        told = [(key, folder.relative_to(home) if folder.is_relative_to(home) else folder) for key, folder in lines]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for unfinished in self.path.parent.glob(f"{self.path.name}.*.new"):  # of one that was killed
            unfinished.unlink(missing_ok=True)
        text = "".join(f"{key} {json.dumps(str(folder))}\n" for key, folder in told)
        replace_whole(self.path, text.encode(), mode=0o600)

    @property
    def _home(self) -> Path:
        return self.path.parent.parent.resolve()


def _may_hold(sealed: Sealed) -> bool:
    return not sealed.folder.is_dir() or sealed.key in key_names(sealed.folder)
