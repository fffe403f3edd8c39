"""The keys that open what is kept, exchanged for others, with its record in the chain.

The record is made by the house where one runs, else here. The old keys go once the disk has it, and not before."""

from __future__ import annotations

import asyncio

from freehold import control
from freehold.core.errors import LedgerError, NotFoundError
from freehold.core.settings import Settings, load_despite_errors
from freehold.ledger.content.places import FOLDER
from freehold.ledger.content.rekeyed import Rekeyed
from freehold.ledger.content.rekeying import Record, rekey
from freehold.ledger.ledger import Ledger
from freehold.ledger.recover import look
from freehold.python.alone import account, ring_of, with_room


def new_key() -> Rekeyed:
    """Exchange the key that opens what is kept, after what is being erased is gone; a record says so before the old one
    goes. Raises NotFoundError where nothing is kept, HouseKeyError, LedgerError, SettingsError where the house that
    runs writes another ledger."""
    settings = load_despite_errors()
    folder = settings.ledger_folder / FOLDER
    if not folder.is_dir():
        raise NotFoundError(
            "content", str(folder), text=f"Nothing is kept in {folder}.", hint="keep_content of an endpoint keeps it."
        )
    found, by = look(settings.ledger_folder), account()
    try:
        control.erase(settings, found.chain, [], by, None)  # carries out what is being erased
    except NotFoundError:
        chain = found.chain if found.seq else None
        return with_room(settings, chain, lambda ledger: _rekeyed_alone(settings, ledger))
    return _rekeyed(settings, lambda made: _recorded(settings, found.chain, by, made))


def _rekeyed(settings: Settings, record: Record) -> Rekeyed:
    folder, default = settings.ledger_folder / FOLDER, settings.home / "ledger" / FOLDER
    try:
        return rekey(folder, ring_of(settings), record, [default])
    except OSError as error:
        raise LedgerError(
            f"{error.filename or folder} cannot be written: {error.strerror}.",
            hint="What is kept opens with the old key or the new one, both of which are there. Try again.",
        ) from error


def _recorded(settings: Settings, chain: str, by: str, made: Rekeyed) -> None:
    try:
        control.rekeyed(settings, chain, by, made.fields)
    except NotFoundError as error:
        raise LedgerError(
            "The house has ended before it recorded the exchange of the keys.",
            hint="Both keys are there, and open everything: call this again.",
        ) from error


async def _rekeyed_alone(settings: Settings, ledger: Ledger) -> Rekeyed:
    """In a thread, since it waits for the records that `ledger` writes."""
    loop, by = asyncio.get_running_loop(), account()

    def record(made: Rekeyed) -> None:
        asyncio.run_coroutine_threadsafe(ledger.rekeyed(made, by=by), loop).result()

    return await asyncio.to_thread(_rekeyed, settings, record)
