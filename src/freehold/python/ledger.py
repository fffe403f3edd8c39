"""What a house can say of its ledger: whether it is whole, what it is now (a checkpoint), and what is in it. Of each
chain by itself: the house's own, and those of processes that answered without a house."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from freehold.core.errors import CallError, HouseKeyError, LedgerError, NewerFormatError, NotFoundError
from freehold.core.settings import Settings, load_despite_errors
from freehold.ledger import requests
from freehold.ledger.chains import Place, chains, name_of, of_each, whose
from freehold.ledger.checkpoint import LONGEST_BYTES, Checkpoint, read_checkpoints
from freehold.ledger.content.check import check
from freehold.ledger.content.erased import Erasure as Erasure
from freehold.ledger.content.house_key import FILE as CONTENT_KEY
from freehold.ledger.content.house_key import KeyRing
from freehold.ledger.content.places import FOLDER as CONTENT
from freehold.ledger.content.shelf import ReadKeys, no_keys
from freehold.ledger.report import UsageAsked, read_by, read_day
from freehold.ledger.segments import segments, unreadable
from freehold.ledger.verdict import Finding as Finding
from freehold.ledger.verdict import Rekeying as Rekeying
from freehold.ledger.verdict import Unnamed as Unnamed
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
    """A chain that was looked at: where, what was found, and against which checkpoints. `number` is that of a process
    which answered without a house, None the house's own. `key_problem` says what is wrong with the key that opens kept
    content, `sealed_elsewhere` in which other folders it opens some."""

    folder: Path
    number: str | None
    verdict: Verdict
    held: tuple[Held, ...]
    key_problem: str | None = None
    sealed_elsewhere: tuple[Path, ...] = ()

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


def look(checkpoints: Sequence[Path] = ()) -> tuple[Looked, ...]:
    """Verify every chain, the house's own first and with what is kept beside it, against those of `checkpoints` that
    saw it. A checkpoint that saw none of them is held against the house's own, or, where others saw that, says that a
    chain is missing. Raises NotFoundError where there is no ledger and nothing to hold against its absence, CallError
    for what is no checkpoint, LedgerError."""
    return tuple(with_content(each) if each.number is None else each for each in look_at_chains(checkpoints))


def with_content(looked: Looked) -> Looked:
    """The house's own chain that was just `looked` at, with what is kept beside it; no other keeps. Raises
    LedgerError."""
    settings, content = load_despite_errors(), looked.folder / CONTENT
    ring = KeyRing(settings.home / CONTENT_KEY)
    keys, problem, elsewhere = _content_keys(ring, content, settings.home / "ledger" / CONTENT)
    check(looked.folder, looked.verdict, keys)
    return replace(looked, key_problem=problem, sealed_elsewhere=elsewhere)


def look_at_chains(checkpoints: Sequence[Path] = ()) -> tuple[Looked, ...]:
    """As `look`, without what is kept."""
    settings = load_despite_errors()
    folder, keys = settings.ledger_folder, Store.of(settings).keys
    held = [each for path in checkpoints for each in _held(path, keys)]
    found = _require(folder) if not held else chains(folder)
    names = {place: name_of(place) for place in found}
    seen = {place: [each for each in held if each.checkpoint.chain == name] for place, name in names.items()}
    lost = [each for each in held if each.checkpoint.chain not in names.values()]
    if lost and not any(place.number is None for place in found):
        seen = {Place(folder): [], **seen}
    looked = tuple(_looked(place, of, lost) for place, of in seen.items())
    _find_copies(looked)
    return looked


def _looked(place: Place, seen: list[Held], lost: Sequence[Held]) -> Looked:
    """`lost` saw no chain that is here: where the house has one that none saw, it is that which was replaced."""
    if place.number is None and not seen and segments(place.folder):
        seen, lost = [*lost], ()
    told = [each.checkpoint.seen(each.called) for each in seen if each.signature != "wrong"]
    try:
        if place.problem is not None:
            raise place.problem
        verdict = verify(place.folder, told)
    except (LedgerError, NewerFormatError) as error:
        if place.number is None:
            raise
        verdict = Verdict()
        verdict.find("unreadable", 1, f"cannot be read: {error.message}")
    if (place.number is None) in verdict.alone:
        text = f"this chain is {whose(alone=place.number is None)}: somebody put it here"
        verdict.find("misplaced", 1, text, last=max(1, verdict.last))
    for each in lost if place.number is None else ():
        text = f"the chain {each.checkpoint.chain}, which {each.called} saw, is not here"
        verdict.find("chain missing", 1, text, last=each.checkpoint.record)
    return Looked(place.folder, place.number, verdict, tuple(seen))


def _find_copies(looked: Sequence[Looked]) -> None:
    first: dict[str, Looked] = {}
    for each in looked:
        name = each.verdict.chain
        if name is not None and first.setdefault(name, each) is not each:
            text = f"the same chain lies in {first[name].folder} too: one is a copy"
            each.verdict.find("misplaced", 1, text, last=max(1, each.verdict.last))


class Made(NamedTuple):
    """A checkpoint, and the chain as it was looked at for it."""

    checkpoint: Checkpoint
    looked: Looked


def make_checkpoints() -> tuple[list[Made], list[Looked]]:
    """What each chain is now, the house's own first: signed where the house has a key, and on the disk; and the chains
    of processes without a house that are not whole: nobody signs those. Raises NotFoundError, HouseKeyError, and
    LedgerError where the house's own is not whole."""
    settings = load_despite_errors()
    keys = Store.of(settings).keys
    looked = [each for each in look_at_chains() if each.verdict.records or each.verdict.findings or each.number is None]
    if not looked:
        raise _none(settings.ledger_folder)
    left = [each for each in looked if each.number is not None and each.verdict.findings]
    return [Made(checkpoint_of(each.folder, each.verdict, keys), each) for each in looked if each not in left], left


def checkpoint_of(folder: Path, verdict: Verdict, keys: Keys) -> Checkpoint:
    """What the chain in `folder` is, of which `verdict` was just given. Raises as `make_checkpoints`."""
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
    """One flat row for each request, as `requests` gives them. A chain of a process without a house that cannot be read
    is left out, which a warning says. Raises NotFoundError, LedgerError."""
    found = _require((settings or load_despite_errors()).ledger_folder)
    return of_each(found, requests.requests)


def export_parquet(out: Path) -> int:
    """Every request as a Parquet file at `out`; how many there are. Raises NotFoundError, CallError, LedgerError."""
    from freehold.ledger.parquet import write_parquet

    return write_parquet(every_request(), out)


class _ContentKeys(NamedTuple):
    """What gives the keys that open kept content, what is wrong with them, and in which other folders they open
    some."""

    read: ReadKeys
    problem: str | None = None
    elsewhere: tuple[Path, ...] = ()


def _content_keys(ring: KeyRing, content: Path, default: Path) -> _ContentKeys:
    """Whoever verifies need not be able to read them. `default` is where content lies that no settings put elsewhere.
    Raises LedgerError, NewerFormatError."""
    try:
        keys = ring.read()
    except HouseKeyError as error:
        return _ContentKeys(no_keys, error.message)
    try:
        wrong = ring.wrong(content)
        elsewhere = ring.folders.elsewhere({key.name for key in keys}, content, [default])
    except HouseKeyError as error:
        return _ContentKeys(ring.read, error.message)
    problem = None if wrong is None else f"{wrong.message} {wrong.hint}"
    return _ContentKeys(ring.read, problem, tuple(sorted({each.folder for each in elsewhere})))


def _require(folder: Path) -> list[Place]:
    """The chains that there are."""
    found = chains(folder)
    if not found:
        raise _none(folder)
    return found


def _none(folder: Path) -> NotFoundError:
    return NotFoundError(
        "ledger", str(folder), text=f"There is no ledger in {folder}.", hint="A house keeps one: `freehold up`."
    )


def _held(path: Path, keys: Keys) -> Iterator[Held]:
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST_BYTES + 1)
    except OSError as error:
        raise CallError(f"{path} cannot be read: {error.strerror}.") from error
    for checkpoint in read_checkpoints(data, str(path)):
        signature = None
        if checkpoint.key is not None and checkpoint.signature is not None:
            signature = Signature(checkpoint.key, checkpoint.signature)
        yield Held(str(path), checkpoint, keys.state_of(checkpoint.statement, signature, b""))


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
