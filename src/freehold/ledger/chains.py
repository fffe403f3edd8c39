"""The chains of one home: the house's own, and those of the processes that answer without a house.

`freehold run`, `freehold chat` and `freehold.open` answer in a process of their own. Each goes on with the first chain
below `local/` that no other process writes: so there are as many as ever answered at one time, and what one that was
killed left open is closed by the next. All have the same records, and each is verified by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from freehold.core.settings import LedgerMode
from freehold.ledger.appender import TakenError
from freehold.ledger.energy import Meter
from freehold.ledger.ledger import Ledger, opened
from freehold.ledger.requests import records
from freehold.ledger.segments import segments, unreadable

LOCAL = "local"
_NUMBER = re.compile(r"[1-9][0-9]{0,3}")


def chains(folder: Path) -> list[Path]:
    """Where each chain of the ledger in `folder` lies that was begun, the house's own first. Raises LedgerError."""
    return [each for each in (folder, *_below(folder / LOCAL)) if segments(each)]


def name_of(folder: Path) -> str | None:
    """What the chain in `folder` calls itself; None where its first record does not say. Raises LedgerError."""
    first = next(iter(records(segments(folder)[:1])), {})
    name = first.get("chain")
    return name if isinstance(name, str) else None


async def opened_alone(folder: Path, mode: LedgerMode, *, version: str, meter: Meter) -> Ledger:
    """A chain of the ledger in `folder` for a process that answers without a house. Raises as `opened`."""
    number = 0
    while True:
        number += 1
        try:
            return await opened(folder / LOCAL / str(number), mode, version=version, meter=meter)
        except TakenError:
            continue


def _below(folder: Path) -> Iterable[Path]:
    try:
        found = [each for each in folder.iterdir() if _NUMBER.fullmatch(each.name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(folder, error) from error
    return sorted(found, key=lambda each: int(each.name))
