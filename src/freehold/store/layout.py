"""Where things lie under the home of the store. Names only: nothing here touches the disk.

builds/<sha256>/       one build: its weight files, read-only, and deed.json
partial/<key>/         one pull that has not ended: parts/ with journals, build/ being put together
quarantine/            bytes that were not the bytes named
locks/                 one lock per pull, one for the names
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from freehold.store.plan import Plan

DEED_FILE = "deed.json"


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of one store."""

    home: Path

    @property
    def builds(self) -> Path:
        return self.home / "builds"

    @property
    def quarantine(self) -> Path:
        return self.home / "quarantine"

    @property
    def names_lock(self) -> Path:
        return self.home / "locks" / "names.lock"

    def build(self, digest: str) -> Path:
        """The folder of the build with `digest` (`sha256:` and 64 hexadecimal digits)."""
        return self.builds / digest.removeprefix("sha256:")

    def partial(self, key: str) -> Path:
        return self.home / "partial" / key

    def pull_lock(self, key: str) -> Path:
        return self.home / "locks" / f"{key}.lock"


def key_of(plan: Plan) -> str:
    """The same for every pull of the same pinned thing, so that they find each other's lock and bytes."""
    text = "\n".join((plan.origin, *(file.name for file in plan.files)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
