"""A process that pulls one web address into a store and says on stdout how far it is: for tests that kill it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from freehold.catalog import Catalog
from freehold.core.refs import parse
from freehold.store.pull import pull
from freehold.store.sources.web import WebSource
from freehold.store.store import Store


class Lines:
    """Every step as one line, flushed."""

    def __init__(self) -> None:
        self._done = 0

    def start(self, task: str, *, total_bytes: int | None, done_bytes: int = 0) -> None:
        self._done = done_bytes
        self._say(f"start {task} {done_bytes}")

    def advance(self, task: str, nbytes: int) -> None:
        self._done += nbytes
        self._say(f"at {self._done}")

    def finish(self, task: str) -> None:
        self._say(f"finish {task}")

    def note(self, text: str) -> None:
        self._say(f"note {text}")

    def _say(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def main(home: str, ref: str) -> None:
    build = asyncio.run(
        pull(
            parse(ref),
            store=Store(Path(home)),
            catalog=Catalog.load(),
            sources={"https": WebSource()},
            progress=Lines(),
        )
    )
    sys.stdout.write(f"held {build.name}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
