"""The house's ledger, opened by a command for what it has to record there, where no house runs that would.

Nobody but one process appends to a chain: where a house runs, it is asked over its control socket instead."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable
from typing import TypeVar

from freehold import __version__
from freehold.core.errors import LedgerError
from freehold.core.settings import Settings
from freehold.ledger.content.house_key import FILE, KeyRing
from freehold.ledger.content.places import FOLDER
from freehold.ledger.content.room import give_up, is_for_room
from freehold.ledger.ledger import Ledger, opened

T = TypeVar("T")


def with_room(settings: Settings, chain: str | None, do: Callable[[Ledger], Awaitable[T]]) -> T:
    """Do it alone; where the disk is full, once more without the room that was set aside to erase. Raises
    LedgerError."""
    try:
        return asyncio.run(alone(settings, chain, do))
    except LedgerError as error:
        if not is_for_room(error) or not give_up(settings.ledger_folder / FOLDER):
            raise
    return asyncio.run(alone(settings, chain, do))


async def alone(settings: Settings, chain: str | None, do: Callable[[Ledger], Awaitable[T]]) -> T:
    """Do it in a run of its own, of the ledger of this name, None where there is none yet: no house runs. Raises
    LedgerError."""
    ledger = await opened(settings.ledger_folder, "strict", version=__version__, ring=ring_of(settings))
    try:
        if chain is not None and ledger.chain != chain:
            raise LedgerError(f"{settings.ledger_folder} holds another ledger than a moment ago.", hint="Try again.")
        return await do(ledger)
    finally:
        await ledger.close()


def ring_of(settings: Settings) -> KeyRing:
    """The keys of what the home of these settings keeps."""
    return KeyRing(settings.home / FILE)


def account() -> str:
    """Who calls, as the system knows them."""
    uid = os.getuid()
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
