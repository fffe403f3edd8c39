"""A folder with hostile files in it: sound but for one thing, and named by the check that must find it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Folder:
    """`files` by name, and what `make` adds. `also`: checks that cannot but see the same thing."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    also: Sequence[str] = ()
    make: Callable[[Path], None] | None = None

    def write(self, folder: Path) -> Path:
        """Write everything into `folder`, and give it back: what is to be verified."""
        for name, data in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        if self.make is not None:
            self.make(folder)
        return folder
