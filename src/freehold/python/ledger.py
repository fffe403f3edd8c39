"""What a house can say of its ledger: whether it is whole, what it is now (a checkpoint), and what is in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from freehold.core.errors import CallError, HouseKeyError, LedgerError, NotFoundError
from freehold.core.settings import Settings, load_despite_errors
from freehold.ledger import requests
from freehold.ledger.checkpoint import LONGEST_BYTES, Checkpoint, read_checkpoint
from freehold.ledger.content.check import check
from freehold.ledger.content.erased import Erasure as Erasure
from freehold.ledger.content.house_key import FILE as CONTENT_KEY
from freehold.ledger.content.house_key import HouseKey, KeyRing
from freehold.ledger.report import UsageAsked, read_by, read_day
from freehold.ledger.segments import segments, unreadable
from freehold.ledger.verdict import Verdict as Verdict
from freehold.ledger.verify import verify
from freehold.store.deeds.record import Signature
from freehold.store.deeds.signing import Keys, SignatureState
from freehold.store.store import Store


@dataclass(frozen=True, slots=True)
class Held:
    """A checkpoint that a ledger was held against, and what is to be said of its signature."""

    called: str
    checkpoint: Checkpoint
    signature: SignatureState


@dataclass(frozen=True, slots=True)
class Looked:
    """A ledger that was looked at: where, what was found, and against which checkpoints. `key_problem` says why the key
    that opens kept content could not be read."""

    folder: Path
    verdict: Verdict
    held: tuple[Held, ...]
    key_problem: str | None = None

    @property
    def compared(self) -> tuple[Held, ...]:
        """The checkpoints that count: without those whose signature is wrong."""
        return tuple(held for held in self.held if held.signature != "wrong")

    @property
    def witnessed(self) -> int | None:
        """The last record that a checkpoint saw; None where none counts."""
        return max((held.checkpoint.record for held in self.compared), default=None)

    @property
    def clean(self) -> bool:
        """Nothing is wrong, and every checkpoint is what its signer signed."""
        return not self.verdict.findings and len(self.compared) == len(self.held)


def look(checkpoints: Sequence[Path] = ()) -> Looked:
    """Verify the whole ledger, against `checkpoints` where there are some, and what is kept beside it. Raises
    NotFoundError where there is no ledger and nothing to hold against its absence, CallError for what is no checkpoint,
    LedgerError."""
    return with_content(look_at_chain(checkpoints))


def with_content(looked: Looked) -> Looked:
    """What was just `looked` at, with what is kept beside it. Raises LedgerError."""
    keys, problem = _content_keys(load_despite_errors())
    check(looked.folder, looked.verdict, keys)
    return replace(looked, key_problem=problem)


def look_at_chain(checkpoints: Sequence[Path] = ()) -> Looked:
    """As `look`, without what is kept."""
    settings = load_despite_errors()
    folder, keys = settings.ledger_folder, Store.of(settings).keys
    held = tuple(_held(path, keys) for path in checkpoints)
    if not held:
        _require(folder)
    seen = [each.checkpoint.seen(each.called) for each in held if each.signature != "wrong"]
    return Looked(folder, verify(folder, seen), held)


def make_checkpoint() -> tuple[Checkpoint, Looked]:
    """What the ledger is now, signed where the house has a key; what is said of it is on the disk. Raises
    NotFoundError, HouseKeyError, and LedgerError where the ledger is not whole: nobody signs that."""
    looked = look_at_chain()
    return checkpoint_of(looked.folder, looked.verdict, Store.of(load_despite_errors()).keys), looked


def checkpoint_of(folder: Path, verdict: Verdict, keys: Keys) -> Checkpoint:
    """What the chain in `folder` is, of which `verdict` was just given. Raises as `make_checkpoint`."""
    if verdict.findings or verdict.chain is None:
        raise LedgerError(
            f"The ledger in {folder} is not whole, so no checkpoint is made of it.",
            hint="`freehold ledger verify` says what is wrong.",
        )
    _sync(segments(folder)[-1])
    made = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    bare = Checkpoint(verdict.chain, verdict.last, verdict.head, made)
    if not keys.has_own:
        return bare
    signature = keys.sign(bare.statement, b"")
    return Checkpoint(bare.chain, bare.record, bare.head, bare.made, signature.key, signature.value)


def every_request(settings: Settings | None = None) -> Iterator[dict[str, Any]]:
    """One flat row for each request, as `requests` gives them. Raises NotFoundError, LedgerError."""
    folder = (settings or load_despite_errors()).ledger_folder
    _require(folder)
    return requests.requests(folder)


def export_parquet(out: Path) -> int:
    """Every request as a Parquet file at `out`; how many there are. Raises NotFoundError, CallError, LedgerError."""
    from freehold.ledger.parquet import write_parquet

    return write_parquet(every_request(), out)


def _content_keys(settings: Settings) -> tuple[tuple[HouseKey, ...], str | None]:
    """What opens kept content, and why not all of it could be read: whoever verifies need not be able to."""
    try:
        return KeyRing(settings.home / CONTENT_KEY).read(), None
    except HouseKeyError as error:
        return (), error.message


def _require(folder: Path) -> None:
    if not segments(folder):
        raise NotFoundError(
            "ledger", str(folder), text=f"There is no ledger in {folder}.", hint="A house keeps one: `freehold up`."
        )


def _held(path: Path, keys: Keys) -> Held:
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST_BYTES)
    except OSError as error:
        raise CallError(f"{path} cannot be read: {error.strerror}.") from error
    checkpoint = read_checkpoint(data, str(path))
    signature = None
    if checkpoint.key is not None and checkpoint.signature is not None:
        signature = Signature(checkpoint.key, checkpoint.signature)
    return Held(str(path), checkpoint, keys.state_of(checkpoint.statement, signature, b""))


def _sync(path: Path) -> None:
    """A record that a power failure could still take is not one to swear by."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unreadable(path, error) from error


def asked(by: str, *, since: str | None, until: str | None, key: str | None) -> UsageAsked:
    """What somebody asks of the usage, in words. Raises CallError."""
    return UsageAsked(
        read_by(by),
        read_day(since) if since is not None else None,
        read_day(until) if until is not None else None,
        key,
    )


def usage(asked: UsageAsked, *, told: bool) -> list[dict[str, Any]]:
    """What was used, one row for each sum. `told` is for people: keys by owner and id, and `not_done` as one count.
    Raises NotFoundError, LedgerError, KeyBookError."""
    from freehold.app import build_house  # every engine with it, which verifying a ledger needs nothing of

    settings = load_despite_errors()
    _require(settings.ledger_folder)
    rows = build_house(settings).usage(asked)
    return [_told(row) for row in rows] if told else rows


def _told(row: dict[str, Any]) -> dict[str, Any]:
    named = {}
    if "key" in row:
        owner, key = row["owner"], row["key"]
        named["key"] = "none" if key is None else f"{owner} ({key})" if owner else key
    return {**row, **named, "not_done": row["requests"] - row["done"]}
