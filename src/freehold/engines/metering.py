"""The house's side of measuring: starts a meter, asks it, ends it. Nothing of it is left, however one leaves.

A meter opens untrusted files and may be taken over, so what it says is checked for its shape and size, and it is waited
for no longer than `ANSWER_TIMEOUT_S`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from freehold.core.errors import EngineError
from freehold.engines.errand import errand
from freehold.engines.program import Started, WorkerProgram

ANSWER_TIMEOUT_S = 600.0


class Meter:
    """A running meter. `vocabulary` is the number of tokens it knows, which is the width of every row."""

    def __init__(self, build: str, vocabulary: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.vocabulary = vocabulary
        self._build = build
        self._reader = reader
        self._writer = writer

    async def tokens(self, text: str) -> list[int]:
        """`text` in the tokens of the model, as its server would take it for a prompt. Raises EngineError."""
        said = await self._ask({"text": text})
        tokens = said.get("tokens")
        if not isinstance(tokens, list) or not all(type(t) is int and 0 <= t < self.vocabulary for t in tokens):
            raise self._odd("tokens that its vocabulary does not have")
        return tokens

    async def logits(self, tokens: Sequence[int], rows: Sequence[int]) -> bytes:
        """The logits after each position of `rows`: float32, `vocabulary` to a row. Raises EngineError."""
        said = await self._ask({"tokens": list(tokens), "rows": list(rows)})
        if said != {"rows": len(rows), "columns": self.vocabulary}:
            raise self._odd("another number of distributions than it was asked for")
        return await self._within(self._reader.readexactly(4 * self.vocabulary * len(rows)))

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        self._writer.write(json.dumps(question).encode() + b"\n")
        line = await self._within(self._reader.readline())
        try:
            said = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._odd("something that is not JSON" if line else "nothing: it ended") from error
        if not isinstance(said, dict):
            raise self._odd("something that is not an object")
        return said

    async def _within(self, reading: Any) -> bytes:
        try:
            answer: bytes = await asyncio.wait_for(reading, ANSWER_TIMEOUT_S)
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            raise self._odd(f"nothing that can be read ({type(error).__name__})") from error
        return answer

    def _odd(self, what: str) -> EngineError:
        return EngineError(
            f"The process that measures {self._build} said {what}.",
            hint="Its log is beside those of the workers. `freehold bench --engines` can leave an engine out.",
        )


@asynccontextmanager
async def metering(program: WorkerProgram, *, runtime_dir: Path, log_dir: Path) -> AsyncIterator[Meter]:
    """Run `program`, whose process calls `engines.meter.answer`. Raises WorkerStartError and EngineError."""
    async with errand(program, runtime_dir=runtime_dir, log_dir=log_dir) as (started, reader, writer):
        yield Meter(program.build, _vocabulary(started), reader, writer)


def _vocabulary(started: Started) -> int:
    size = started.facts.get("vocabulary")
    if type(size) is not int or not 0 < size < 2**24:
        raise EngineError("The process that measures did not say how many tokens its model knows.")
    return size
