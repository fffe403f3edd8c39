"""The chains of one home: the house's own, and those of the processes that answer without a house.

`freehold run`, `freehold chat` and `freehold.open` answer in a process of their own. Each goes on with the first chain
below `local/` that it can use and no other process writes: so there are as many as ever answered at one time, and what
one that was killed left open is closed by the next. All have the same records, and each is verified by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
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
NUMBER = "[1-9][0-9]{0,3}"
"""What a chain below `local/` is called, as a regular expression: a number from 1 to LAST."""
LAST = 9999
_ELSEWHERE = (
    "Name a folder that this account may write, folder in [ledger] of freehold.toml, or let nothing be recorded: "
    'mode = "off" there.'
)
_OF_THE_PLACE = frozenset(
    {
        errno.EACCES,
        errno.EEXIST,
        errno.EINVAL,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENOTDIR,
        errno.ENXIO,
        errno.EPERM,
        errno.EROFS,
    }
)
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
    and one that is a copy whole, which a warning says; another says what does not belong where it lies, which is taken
    all the same: it may be there alone. Raises LedgerError where it is the house's own."""
    names: set[str] = set()
    for place in places:
        name = name_of(place)
        if name is not None and name in names:
            _log.warning("%s is left out: it is a copy of another chain. `freehold ledger verify`", place.label)
            continue
        names |= {name} if name is not None else set()
        if (stray := strayed(place)) is not None:
            _log.warning("%s %s: somebody put that there. It is counted. `freehold ledger verify`", place.label, stray)
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


def strayed(place: Place) -> str | None:
    """What does not belong where it lies, as far as the beginnings of a chain's files show it; None where nothing does.
    Whether all of it is whole is for `verify` to say."""
    try:
        paths = segments(place.folder)
        first = [*islice(records(paths[:1]), 2)]
        heads = [next(records([path]), {}) for path in paths]
    except (LedgerError, NewerFormatError):
        return None
    if len(names := {head.get("chain") for head in heads if head.get("kind") == "segment"}) > 1:
        return f"holds files of {len(names)} chains"
    alone = {record.get("alone") is True for record in first if record.get("kind") == "start"}
    return f"holds a chain {whose(alone=place.number is None)}" if (place.number is None) in alone else None


def whose(*, alone: bool) -> str:
    """Whose a chain is, as its runs say it."""
    return "of a process without a house" if alone else "of a house"


async def opened_alone(folder: Path, mode: LedgerMode, *, version: str, meter: Meter) -> Ledger:
    """A chain of the ledger in `folder` for a process that answers without a house: the first that it can have. Raises
    LedgerError where it can have none, or where what it has cannot be written."""
    for number in range(1, LAST + 1):
        place = folder / LOCAL / str(number)
        try:
            await asyncio.to_thread(_make, place)
            return await opened(place, mode, version=version, meter=meter, alone=True)
        except (TakenError, NewerFormatError):
            continue
        except LedgerError as error:
            if not _is_of_the_place(error):
                raise
    raise LedgerError(
        f"Each of the {LAST:,} chains in {folder / LOCAL} is written by another process or cannot be used by this one: "
        "what this process answers cannot be recorded.",
        hint=_ELSEWHERE,
    )


def _make(place: Path) -> None:
    """Make the folder of a chain, and those above it that are the ledger's, each for its owner alone. Raises
    LedgerError; its cause is the error of the place where there is one that this process cannot use."""
    local = place.parent
    try:
        for each in (local.parent, local):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            place.mkdir(mode=0o700)
    except OSError as error:
        raise LedgerError(
            f"The ledger cannot be written in {local}: {error.strerror or error}. What this process answers cannot be "
            "recorded there.",
            hint=_ELSEWHERE,
        ) from None
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
        raise unreadable(place, denied) from denied


def _is_of_the_place(error: LedgerError) -> bool:
    """Whether it says that this process cannot use what lies there, as another may or none, and not that the disk takes
    nothing."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _OF_THE_PLACE


def _below(folder: Path) -> Iterator[Place]:
    try:
        found = [each for each in folder.iterdir() if re.fullmatch(NUMBER, each.name)]
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
