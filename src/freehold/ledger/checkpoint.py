"""What a ledger's chain was at one moment, in a few lines that fit on paper; a file may hold those of several chains.

What is signed is what is printed: the lines before the signature, with their line ends. A checkpoint does its work
where whoever can write the ledger cannot reach it: on another machine, on paper, with the auditor. Its signature says
which house made it; a house without a key makes one without, which its keeper must know to be theirs."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from freehold.core.errors import CallError
from freehold.ledger.verify import Seen

TITLE = "freehold ledger checkpoint 1"
LONGEST_BYTES = 2**23
"""More than the checkpoints of as many chains as a home can have."""
_SHAPES = {
    "chain": re.compile(r"[0-9a-f]{32}"),
    "record": re.compile(r"[1-9][0-9]{0,15}"),
    "head": re.compile(r"[0-9a-f]{64}"),
    "made": re.compile(r"[0-9TZ:+-]{10,32}"),
    "key": re.compile(r"ed25519:[0-9a-f]{32}"),
    "signature": re.compile(r"[0-9a-f]{128}"),
}
_SIGNED = ("chain", "record", "head", "made")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`record` is the number of the last record, `head` its hash, `made` when (ISO 8601, UTC); `key` names the key
    whose `signature` it is, both None where nobody signed."""

    chain: str
    record: int
    head: str
    made: str
    key: str | None = None
    signature: str | None = None

    @property
    def statement(self) -> str:
        """The lines that are signed."""
        words = {"chain": self.chain, "record": str(self.record), "head": self.head, "made": self.made}
        return "\n".join([TITLE, *(f"{name} {words[name]}" for name in _SIGNED), ""])

    @property
    def text(self) -> str:
        """All of it, for a file or a printer."""
        signed = f"key {self.key}\nsignature {self.signature}\n" if self.signature is not None else ""
        return self.statement + signed

    def seen(self, called: str) -> Seen:
        return Seen(self.chain, self.record, self.head, called)


def read_checkpoints(data: bytes, called: str) -> tuple[Checkpoint, ...]:
    """The checkpoints in `data`, one for each chain; spaces may differ, as where they were typed from paper. Raises
    CallError."""
    if len(data) > LONGEST_BYTES:
        raise CallError(f"{called} is longer than the checkpoints of any ledger ({LONGEST_BYTES:,} bytes).")
    rows = [line.split() for line in data.decode("ascii", "replace").splitlines() if line.strip()]
    begins = [place for place, row in enumerate(rows) if " ".join(row) == TITLE]
    found = [_read(rows[begin:end], called) for begin, end in itertools.pairwise([*begins, len(rows)])]
    if not begins or begins[0] != 0:
        raise _not_whole(called)
    if len({each.chain for each in found}) != len(found):
        raise CallError(f"{called} holds two checkpoints of one chain.", hint="Keep one file for each day.")
    return tuple(found)


def _read(rows: list[list[str]], called: str) -> Checkpoint:
    words = {row[0]: "".join(row[1:]) for row in rows[1:]}
    wrong = [name for name, text in words.items() if name not in _SHAPES or not _SHAPES[name].fullmatch(text)]
    whole = set(words) in ({*_SIGNED}, {*_SHAPES})
    if wrong or not whole or len(words) != len(rows) - 1:
        raise _not_whole(called, f": its line {wrong[0]!r} is not right" if wrong else "")
    return Checkpoint(
        words["chain"], int(words["record"]), words["head"], words["made"], words.get("key"), words.get("signature")
    )


def _not_whole(called: str, about: str = "") -> CallError:
    return CallError(
        f"{called} is no checkpoint of a ledger, or not a whole one{about}.",
        hint="`freehold ledger checkpoint` prints one.",
    )
