"""Holds what is kept against the records of a chain that name it, by the hash of its sealed bytes.

A content that is not there, and whose erasure no record tells, is a finding; so is one that was erased as if no record
named it, one that is another than was named, one that a record calls erased and that is still there, and one that the
house's own key opens no more. No key is needed to see the first four. What is sealed with a key that is not here is no
finding: it is counted by the key's name. What is erased or given other keys while this looks is no finding either.

Reads every record and every content once more; memory grows with the erasures, and with nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

from freehold.ledger.content.container import BrokenSealError, Name
from freehold.ledger.content.erased import UNNAMED, Erased, Erasure, erasure_of
from freehold.ledger.content.named import Naming, namings
from freehold.ledger.content.note import being_erased
from freehold.ledger.content.places import FOLDER
from freehold.ledger.content.shelf import Found, NoKeyError, ReadKeys, Shelf, no_keys
from freehold.ledger.content.spans import Places
from freehold.ledger.requests import records
from freehold.ledger.segments import segments, since
from freehold.ledger.verdict import MOST_FINDINGS, Verdict


def check(chain_folder: Path, verdict: Verdict, keys: ReadKeys = no_keys) -> None:
    """Add to `verdict`, which was just given of the chain, what is to be said of its content; `keys` gives the house's,
    none where they are not at hand. Raises LedgerError, NewerFormatError, HouseKeyError."""
    if not verdict.contents:
        return
    _Check(chain_folder, verdict, keys).run()
    verdict.findings.sort(key=lambda finding: finding.first)


class _ChangedError(BrokenSealError):
    """It is not what the record names."""


class _Check:
    def __init__(self, chain_folder: Path, verdict: Verdict, keys: ReadKeys) -> None:
        self._chain_folder = chain_folder
        self._verdict = verdict
        self._shelf = Shelf(chain_folder / FOLDER, keys)
        self._erased = Erased(verdict.erasures)
        self._missing: list[Naming] = []

    def run(self) -> None:
        for naming in namings(self._chain_folder, until=self._verdict.last):
            erasure = self._erased.by(naming.name, naming.seq)
            if erasure is None:
                self._look(naming)
                continue
            if naming.seq == naming.admission:
                erasure.of_request(naming.admission)
            if erasure.cause == UNNAMED:
                self._find_taken(naming, erasure)
            if self._shelf.find(naming.name) is not None and not self._is_being_erased(naming.name):
                self._find_left(naming, erasure)
        self._tell_missing()

    def _look(self, naming: Naming) -> None:
        while (found := self._shelf.find(naming.name)) is not None:
            try:
                self._require(naming, found)
                return
            except BrokenSealError as error:
                if self._shelf.is_still(naming.name, found):
                    self._tell(naming, error)
                    return
        if len(self._missing) < MOST_FINDINGS:
            self._missing.append(naming)

    def _require(self, naming: Naming, found: Found) -> None:
        """Raise BrokenSealError where it is not what was named, or does not open."""
        if hashlib.sha256(found.sealed).hexdigest() != naming.sha256:
            raise _ChangedError
        self._shelf.require_key(naming.name, found)

    def _tell(self, naming: Naming, error: BrokenSealError) -> None:
        if isinstance(error, NoKeyError):
            told = self._verdict.sealed_otherwise
            told[error.key] = told.get(error.key, 0) + 1
        elif isinstance(error, _ChangedError):
            text = f"names {_what(naming)}, and what is kept is something else: it was changed"
            self._verdict.find("content changed", naming.seq, text)
        else:
            text = f"names {_what(naming)}, which does not open any more: {error}"
            self._verdict.find("content closed", naming.seq, text)

    def _find_taken(self, naming: Naming, erasure: Erasure) -> None:
        text = f"names {_what(naming)}, which record {erasure.seq:,} calls erased because no record named it"
        self._verdict.find("content missing", naming.seq, text)

    def _find_left(self, naming: Naming, erasure: Erasure) -> None:
        text = f"names {_what(naming)}, which record {erasure.seq:,} calls erased, and which is still there"
        self._verdict.find("content left", naming.seq, text)

    def _is_being_erased(self, name: Name) -> bool:
        """It will be gone in a moment, or at the next start of the house."""
        these = being_erased(self._chain_folder / FOLDER)
        return name.place in Places(span for span in these if span.segment == name.segment)

    def _tell_missing(self) -> None:
        """A house that runs may have erased, meanwhile, what was not there."""
        if not self._missing:
            return
        now = records(since(segments(self._chain_folder), self._verdict.last))
        erased = Erased(erasure_of(record) for record in now if record.get("kind") == "erasure")
        for naming in self._missing:
            if erased.by(naming.name, naming.seq) is None:
                text = f"names {_what(naming)}, which is not there, and no record says that it was erased"
                self._verdict.find("content missing", naming.seq, text)


def _what(naming: Naming) -> str:
    part = "asked" if naming.seq == naming.admission else "was answered"
    return f"what request {naming.admission:,} {part}"
