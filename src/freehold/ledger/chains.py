"""The chains of one home: the house's own, and those of the processes that answer without a house.

`freehold run`, `freehold chat` and `freehold.open` answer in a process of their own. Each goes on with the first chain
below `local/` that no other process writes: so there are as many as ever answered at one time, and what one that was
killed left open is closed by the next. All have the same records, and each is verified by itself.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from freehold.core.errors import LedgerError, NewerFormatError
from freehold.core.settings import LedgerMode
from freehold.ledger.appender import TakenError
from freehold.ledger.energy import Meter
from freehold.ledger.ledger import Ledger, opened
from freehold.ledger.requests import records
from freehold.ledger.segments import segments, unreadable

LOCAL = "local"
OWN = "the house's own"
_NUMBER = re.compile(r"[1-9][0-9]{0,3}")


Found = TypeVar("Found")
_log = logging.getLogger(__name__)
Unreadable = LedgerError | NewerFormatError


class Place(NamedTuple):
    """Where a chain lies that was begun. `number` is that of a process which answered without a house, None the house's
    own; `problem` says why it cannot be read."""

    folder: Path
    number: str | None = None
    problem: Unreadable | None = None

    @property
    def label(self) -> str:
        return OWN if self.number is None else f"{LOCAL}/{self.number}".rstrip("/")


def chains(folder: Path) -> list[Place]:
    """Each chain of the ledger in `folder` that was begun, the house's own first. Raises LedgerError where the house's
    own cannot be read; another one is nobody's reason not to read that."""
    own = [Place(folder)] if segments(folder) else []
    return [*own, *_below(folder / LOCAL)]


def of_each(places: Iterable[Place], read: Callable[[Path], Iterable[Found]]) -> Iterator[Found]:
    """What `read` gives of each chain. One of a process without a house that cannot be read is left out from there on,
    which a warning says. Raises LedgerError where it is the house's own."""
    for place in places:
        try:
            if place.problem is not None:
                raise place.problem
            yield from read(place.folder)
        except (LedgerError, NewerFormatError) as error:
            if place.number is None:
                raise
            _log.warning("%s is left out: %s", place.label, error.message)


def name_of(place: Place) -> str | None:
    """What a chain calls itself; None where its first record does not say, or cannot be read."""
    try:
        first = next(iter(records(segments(place.folder)[:1])), {})
    except (LedgerError, NewerFormatError):
        return None
    name = first.get("chain")
    return name if isinstance(name, str) else None


async def opened_alone(folder: Path, mode: LedgerMode, *, version: str, meter: Meter) -> Ledger:
    """A chain of the ledger in `folder` for a process that answers without a house. Raises as `opened`."""
    number = 0
    while True:
        number += 1
        try:
            return await opened(folder / LOCAL / str(number), mode, version=version, meter=meter, alone=True)
        except TakenError:
            continue


def _below(folder: Path) -> Iterator[Place]:
    try:
        found = [each for each in folder.iterdir() if _NUMBER.fullmatch(each.name)]
    except FileNotFoundError:
        return
    except OSError as error:
        yield Place(folder, "", unreadable(folder, error))
        return
    for each in sorted(found, key=lambda each: int(each.name)):
        try:
            if segments(each):
                yield Place(each, each.name)
        except LedgerError as error:
            yield Place(each, each.name, error)
