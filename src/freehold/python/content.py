"""What is kept of requests: found by who, what and when; opened and erased, each with its record in the chain.

Nobody but the house that runs may append to its chain, so it is asked to where one does; else the record is made here.
Whoever holds the home could open what is kept without this: the record says who did it in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from freehold import control
from freehold.core.errors import CallError, LedgerError, NotFoundError
from freehold.core.settings import Settings, load_despite_errors
from freehold.gateway.access.book import KeyBook, id_of
from freehold.gateway.assemble import assemble
from freehold.ledger.clocks import iso
from freehold.ledger.content.container import BrokenSealError, Name
from freehold.ledger.content.erased import Erasure as Erasure
from freehold.ledger.content.erasing import SPANS_AT_ONCE, Why
from freehold.ledger.content.places import FOLDER
from freehold.ledger.content.requests import KeptRequest as KeptRequest
from freehold.ledger.content.requests import Sought, kept_requests
from freehold.ledger.content.shelf import Shelf
from freehold.ledger.content.spans import Span, spans
from freehold.ledger.content.transcript import Exchanged, read
from freehold.ledger.ledger import Ledger
from freehold.ledger.recover import look
from freehold.ledger.report import read_day
from freehold.python.alone import account, alone, ring_of, with_room

_EPOCH = date(1970, 1, 1)
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Shown:
    """What was kept of a request: the calls of an engine that it made, in order, each with what was sent and the whole
    answer, put together where it was a stream."""

    request: KeptRequest
    calls: tuple[dict[str, Any], ...]

    @property
    def is_partial(self) -> bool:
        """No whole answer came."""
        return self.request.outcome != "done"


def sought(
    request: str | None,
    admission: int | None,
    *,
    key: str | None = None,
    endpoint: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Sought:
    """Which requests, in words: from the day `since` to the day `until`, both in it (UTC), of the `key` with this id or
    owner. Raises CallError, NotFoundError where there is no such key, KeyBookError."""
    first = None if since is None else _ms(read_day(since))
    last = None if until is None else _ms(read_day(until)) + _DAY_MS
    return Sought(request, admission, _id_of(key) if key is not None else None, endpoint, first, last)


def show(which: Sought, reason: str | None) -> Shown:
    """Open what was kept of one request, after a record that says who does. Raises NotFoundError where nothing was
    kept of it or it was erased, CallError where there are several, LedgerError."""
    settings = load_despite_errors()
    request = _only(kept_requests(settings.ledger_folder, which), which)
    if request.erased is not None:
        raise NotFoundError("content", str(request.admission), text=_erased_words(request))
    ring = ring_of(settings)
    ring.read()  # where nobody may, there is nothing to record
    shelf = Shelf(settings.ledger_folder / FOLDER, ring.read)
    _require_there(shelf, request)
    _accessed(settings, request.admission, reason)
    try:
        parts = [_opened(shelf, name, request) for name in request.names]
        calls = read(parts, begins_with_answer="asked" in request.gone)
    except (BrokenSealError, ValueError) as error:
        raise LedgerError(
            f"What was kept of request {request.admission} does not open: {error}.",
            hint="`freehold ledger verify` says whether it was changed; keys/content.key of the home opens it.",
        ) from error
    return Shown(request, tuple(_whole(call, request.route) for call in calls))


@dataclass(frozen=True, slots=True)
class ToErase:
    """The `requests` whose content `erase` would erase: those that have ended. `in_flight` have not, and are left."""

    requests: tuple[KeptRequest, ...]
    in_flight: int


def to_erase(which: Sought) -> ToErase:
    """What is to be erased of it. Where no house runs, what the last one left open is closed first, as its next start
    would. Raises LedgerError."""
    settings = load_despite_errors()
    found = _left(settings, which)
    if found.in_flight and control.running(settings) is None:
        with_room(settings, look(settings.ledger_folder).chain, _closing)
        found = _left(settings, which)
    return found


def require_one(which: Sought, found: ToErase) -> None:
    """Raise CallError where several requests have the id that is to be erased, and nobody said whose: a client gives
    its requests the ids that it likes."""
    if which.request is not None and which.admission is None and which.key is None and len(found.requests) > 1:
        raise _several(found.requests, which.request, "; or those of one key: --key ID")


def erase(requests: Sequence[KeptRequest], reason: str) -> int:
    """Erase what was kept of these; how many contents were there. Raises LedgerError."""
    settings, by = load_despite_errors(), account()
    chain = look(settings.ledger_folder).chain
    these = spans(name for request in requests for name in request.names)
    erased = 0
    for start in range(0, len(these), SPANS_AT_ONCE):
        erased += _erased(settings, chain, these[start : start + SPANS_AT_ONCE], Why("asked", by, reason))
    return erased


def when(request: KeptRequest) -> str | None:
    """When it was admitted, ISO 8601 in UTC."""
    return None if request.at_ms is None else iso(request.at_ms)


def _id_of(key: str) -> str:
    return id_of(KeyBook(load_despite_errors().home).read(), key)


def _only(found: Sequence[KeptRequest], which: Sought) -> KeptRequest:
    if len(found) == 1:
        return found[0]
    called = which.request if which.request is not None else f"admission {which.admission}"
    if not found:
        raise NotFoundError(
            "content",
            called,
            text=f"Nothing was kept of {called}.",
            hint="`freehold ledger export` lists all requests. Endpoints of a house with keep_content keep what "
            "they are asked; the chains below `local` keep nothing.",
        )
    raise _several(found, called)


def _several(found: Sequence[KeptRequest], called: str, otherwise: str = "") -> CallError:
    numbers = ", ".join(str(request.admission) for request in found[:10])
    hint = f"Say which one: --admission N, of {numbers}{otherwise}."
    return CallError(f"{len(found)} requests are called {called}.", hint=hint)


def _left(settings: Settings, which: Sought) -> ToErase:
    """Of what is sought, what is not erased. A request goes as long as anything that it asked or was answered is there,
    though a record calls part of it erased."""
    shelf = Shelf(settings.ledger_folder / FOLDER)
    kept = [
        request
        for request in kept_requests(settings.ledger_folder, which)
        if request.erased is None or any(shelf.find(name) is not None for name in request.names)
    ]
    ended = tuple(request for request in kept if request.outcome is not None)
    return ToErase(ended, len(kept) - len(ended))


async def _closing(_: Ledger) -> None:
    """Nothing more: what was left open is closed as the ledger is opened."""


def _erased_words(request: KeptRequest) -> str:
    whole = f"What request {request.admission} asked"
    words = list(dict.fromkeys(erasure.words for erasure in request.gone.values()))
    if len(words) == 1:
        return f"{whole} and was answered was erased {words[0]}."
    return f"{whole} was erased {words[0]}. What it was answered was erased {words[1]}."


def _require_there(shelf: Shelf, request: KeptRequest) -> None:
    if any(shelf.find(name) is None for name in request.names):
        raise LedgerError(
            f"What was kept of request {request.admission} is not there, and no record says that it was erased.",
            hint="`freehold ledger verify` says what else is missing.",
        )


def _opened(shelf: Shelf, name: Name, request: KeptRequest) -> bytes:
    """What was there a moment ago. Raises NotFoundError where it has been erased since, BrokenSealError."""
    plain = shelf.read(name)
    if plain is None:
        text = f"What was kept of request {request.admission} was erased in this moment."
        raise NotFoundError("content", str(request.admission), text=text)
    return plain


def _erased(settings: Settings, chain: str, these: Sequence[Span], why: Why) -> int:
    try:
        return control.erase(settings, chain, [list(span) for span in these], why.by, why.reason)
    except NotFoundError:
        return with_room(settings, chain, lambda ledger: ledger.erasures.erase(these, why))


def _accessed(settings: Settings, admission: int, reason: str | None) -> None:
    by, chain = account(), look(settings.ledger_folder).chain
    try:
        control.accessed(settings, chain, admission, by, reason)
    except NotFoundError:
        asyncio.run(alone(settings, chain, lambda ledger: ledger.accessed(admission, by=by, reason=reason)))


def _whole(call: Exchanged, route: str) -> dict[str, Any]:
    """One call as it is shown: the pieces of a stream put together, and those that are no piece of an answer apart."""
    chat = route != "/v1/completions" if call.path is None else call.path == "/chat/completions"
    chunks = [event for event in call.events if isinstance(event, dict) and event.get("error") is None]
    others = [event for event in call.events if not isinstance(event, dict) or event.get("error") is not None]
    answer = call.answer
    if chunks:
        try:
            answer = asyncio.run(assemble(_each(chunks), chat=chat))
        except (AttributeError, TypeError):  # pieces of other shapes than those of an answer: shown as they came
            others = call.events
    return {"path": call.path, "sent": call.sent, "answer": answer, **({"other_events": others} if others else {})}


async def _each(chunks: Sequence[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    for chunk in chunks:
        yield dict(chunk)  # which is taken apart


def _ms(day: date) -> int:
    return (day - _EPOCH).days * _DAY_MS
