"""Erases from a home on a disk that is full, in a house that runs and without one; prints what came of it as JSON.

python -m tests.integration.full_disk FOLDER
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

from freehold.core.errors import LedgerError
from freehold.ledger.content.room import FILE, give_up
from freehold.ledger.content.spans import spans
from tests.kept_requests import WHY, Place, ask


def fill(folder: Path) -> None:
    """Leave no byte on the disk of `folder`."""
    with (folder / "filler").open("ab", buffering=0) as filler:
        for size_bytes in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    filler.write(bytes(size_bytes))
            except OSError as error:
                assert error.errno == errno.ENOSPC


async def erased(place: Place, request: str, *, with_room: bool = True) -> int | str:
    """How many contents a house erases that runs while the disk is full, or why it does not."""
    (found,) = place.requests(request=request)
    async with place.running() as ledger:
        if not with_room:
            give_up(place.content)
        fill(place.home)
        try:
            return await ledger.erasures.erase(spans(found.names), WHY)
        except LedgerError as error:
            return error.message
        finally:
            (place.home / "filler").unlink()


def erased_alone(place: Place, request: str) -> int:
    """The exit code of the command, where no house runs."""
    fill(place.home)
    command = [sys.executable, "-m", "freehold", "ledger", "erase", request, "--reason", "asked", "--yes"]
    done = subprocess.run(command, check=False, env={**os.environ, "FREEHOLD_HOME": str(place.home)})
    (place.home / "filler").unlink()
    return done.returncode


async def main(place: Place) -> None:
    async with place.running() as ledger:
        for number in range(4):
            await ask(ledger, number)
    told = {
        "without_room": await erased(place, "req_0", with_room=False),
        "running": await erased(place, "req_1"),
        "alone": erased_alone(place, "req_2") if await set_aside_anew(place) else None,
        "erased": [request.request for request in place.requests() if request.erased is not None],
        "findings": [finding.text for finding in place.verdict().findings],
    }
    print(json.dumps(told))


async def set_aside_anew(place: Place) -> bool:
    """As every start of a house does."""
    async with place.running():
        return (place.content / FILE).exists()


if __name__ == "__main__":
    asyncio.run(main(Place(Path(sys.argv[1]) / "home")))
