"""What a house can say of where its connections went: a report for a period, signed, and the verification of one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from freehold import __version__
from freehold.core.errors import CallError, NotFoundError
from freehold.core.settings import load_despite_errors
from freehold.egress import signed
from freehold.egress.record import FOLDER
from freehold.egress.report import Period, report
from freehold.ledger.clocks import iso
from freehold.ledger.segments import segments
from freehold.ledger.verify import Finding, Seen, verify
from freehold.store.deeds.signing import SignatureState
from freehold.store.store import Store


@dataclass(frozen=True, slots=True)
class Made:
    """A report: its document, as it is given away, and the key that signed it, None where the house has none."""

    document: dict[str, Any]
    text: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Verified:
    """A report that was looked at: its signature, whose, and what is wrong with this house's record against it.
    `compared` is False where this house has no such record."""

    signature: SignatureState
    key: str | None
    compared: bool
    findings: tuple[Finding, ...]


def make_report(*, since: str | None, until: str | None, as_json: bool) -> Made:
    """What is on record of the period, up to now. Raises CallError for a period that is none, NotFoundError where there
    is no record, LedgerError, HouseKeyError where the house has a key that cannot sign."""
    settings = load_despite_errors()
    folder, keys = settings.ledger_folder / FOLDER, Store.of(settings).keys
    if not segments(folder):
        raise NotFoundError(
            "record", str(folder), text=f"There is no record in {folder}.", hint="A house keeps one: `freehold up`."
        )
    now_ms = time.time_ns() // 1_000_000
    period = period_of(since, until, now_ms=now_ms)
    document = report(folder, period, made_ms=now_ms, version=__version__)
    signature = keys.sign(signed.statement(document, as_json=as_json), signed.CONTEXT) if keys.has_own else None
    text = signed.written(document, signature, as_json=as_json)
    return Made(document, text, signature.key if signature is not None else None)


def verify_report(path: Path) -> Verified:
    """Whether `path` is what its signer signed, and this house's record still what it was made of. Raises CallError,
    LedgerError, HouseKeyError."""
    try:
        with path.open("rb") as file:
            data = file.read(signed.LONGEST_BYTES)
    except OSError as error:
        raise CallError(f"{path} cannot be read: {error.strerror}.") from error
    found = signed.read(data, str(path))
    settings = load_despite_errors()
    state = Store.of(settings).keys.state_of(found.statement, found.signature, signed.CONTEXT)
    folder = settings.ledger_folder / FOLDER
    verdict = verify(folder, [Seen(found.chain, found.last, found.head, str(path))])
    compared = verdict.chain == found.chain  # else it was made by another house
    key = found.signature.key if found.signature is not None else None
    return Verified(state, key, compared, tuple(verdict.findings) if compared else ())


def period_of(since: str | None, until: str | None, *, now_ms: int) -> Period:
    """The period that somebody asks for; without an end it ends now. Raises CallError for a time that is none, for an
    end before the beginning, and where nothing of it has come yet."""
    since_ms = moment(since) if since is not None else None
    until_ms = moment(until, end=True) if until is not None else now_ms + 1
    if since_ms is not None and since_ms > now_ms:
        raise CallError(
            f"The period begins at {iso(since_ms)}, and it is {iso(now_ms)}: nothing of it has come yet.",
            hint=f"A report is of the past. Write --since {iso(now_ms)[:10]} or earlier.",
        )
    if since_ms is not None and until_ms <= since_ms:
        raise CallError(
            f"The period ends at {iso(until_ms)}, before it begins, at {iso(since_ms)}.",
            hint=f"Write the earlier one first: --since {until} --until {since}",
        )
    return Period(since_ms, until_ms)


def moment(text: str, *, end: bool = False) -> int:
    """A day or a time in ISO 8601 as milliseconds; a day means its beginning, with `end` its end; where no zone is
    named it is UTC. Raises CallError."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    try:
        found = datetime.fromisoformat(text)
        found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return round((found + timedelta(days=1) if end and day is not None else found).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise CallError(f"{text!r} is no time.", hint="Write it as 2026-11-30 or 2026-11-30T14:00.") from None
