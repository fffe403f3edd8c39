"""Where things lie under the home of the store. Names only: nothing here touches the disk.

builds/<sha256>/       one build: its weight files, read-only, deed.json, and papers/, the license texts
partial/<key>/         one pull that has not ended: parts/ with journals, build/ being put together
quarantine/            bytes that were not the bytes named
seen/                  what was hashed last, and when, one file per build
keys/                  the house's own key and trusted/, the public keys of others
locks/                 one lock per pull, one for the names
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freehold.store.plan import Plan

DEED_FILE = "deed.json"
PAPERS_FOLDER = "papers"


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

    @property
    def keys(self) -> Path:
        return self.home / "keys"

    def build(self, digest: str) -> Path:
        """The folder of the build with `digest` (`sha256:` and 64 hexadecimal digits)."""
        return self.builds / digest.removeprefix("sha256:")

    def seen(self, digest: str) -> Path:
        return self.home / "seen" / f"{digest.removeprefix('sha256:')}.json"

    def partial(self, key: str) -> Path:
        return self.home / "partial" / key

    def pull_lock(self, key: str) -> Path:
        return self.home / "locks" / f"{key}.lock"


def key_of(plan: Plan) -> str:
    """The same for every pull of the same pinned thing, so that they find each other's lock and bytes."""
    text = "\n".join((plan.origin, *(file.name for file in plan.files)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
