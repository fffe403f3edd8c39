"""The version of each kind of file that a house keeps, and how an older one becomes the newest: one place for both.

Every kind says its version in one member. An older one is read as if it were the newest, step by step, and is written
as the newest where it is written next: nothing has to be converted beforehand, and nothing is lost where that stops
half-way. A newer one is refused in one sentence, because what this program does not know of it could be the very limit
that somebody set. What can be made anew (sums of the ledger, notes of hashes, halves of a download) has no version
here: where it is not understood it is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from freehold.core.errors import NewerFormatError

Step = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file. `member` holds its version, `newest` is the one that is written, `unsaid` the one of files
    that say none; None where every one of them does. `steps` lead from a version to the next."""

    kind: str
    newest: int
    member: str = "format"
    unsaid: int | None = None
    steps: Mapping[int, Step] = field(default_factory=dict)

    def require(self, version: object, where: str) -> int:
        """`version`, where this program knows it. Raises NewerFormatError, and ValueError where it is no version."""
        if type(version) is not int or version < 1:
            raise ValueError(f"its {self.member} is {repr(version)[:80]}")
        if version > self.newest:
            raise NewerFormatError(
                f"{where} is {self.kind} of version {version}; this Freehold reads up to version {self.newest}.",
                hint="A newer Freehold wrote it: update this one.",
                where=where,
            )
        return version

    def newest_of(self, data: Mapping[str, Any], where: str) -> dict[str, Any]:
        """`data` as the newest version says it, without the member that holds the version. Raises as `require`, and
        KeyError where a step does not find what its version has."""
        told = dict(data)
        version = self.require(told.pop(self.member, self.unsaid), where)
        while version < self.newest:
            told = self.steps[version](told)
            version += 1
        return told


DEED = Format("a deed", 2, member="version")
"""Version 1 is read by `store.deeds.document`, because a deed's seals are of the text as it was written."""
KEY_BOOK = Format("a file of API keys", 2, steps={1: lambda told: told})
"""Version 2 has limits that version 1 did not know (energy, priority), and people without a key: a program that passes
over what it does not know would let them do more than was set."""
LEDGER = Format("a ledger", 1)
"""Never rewritten: the chain is over the bytes. A ledger goes on in the newest version behind what there is."""
CONTENT = Format("a segment of kept content", 2, steps={1: lambda told: {**told, "generation": 0}})
"""Version 2 says how often the keys were exchanged, and so which file of keys is valid."""
CALIBRATION = Format("a record of a machine's speeds", 2)
"""Version 1 leads nowhere: it says how long attention took without how unevenly threads had shared it, and a minute
measures it again."""
TRIAL = Format("a record of a bench", 2, unsaid=1, steps={1: lambda told: _without(told, "form")})
OVERRIDE = Format("an override", 1, unsaid=1)
KINDS = (DEED, KEY_BOOK, LEDGER, CONTENT, CALIBRATION, TRIAL, OVERRIDE)


def _without(told: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in names}
