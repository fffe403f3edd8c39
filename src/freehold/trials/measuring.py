"""Measures how faithful ways of running are: the same tokens through each, against float32 on the same weights.

Two meters never run at once: the reference's distributions are taken first and kept in memory, at most `KEPT_BYTES` of
them, and each other way is compared with them. Of a large vocabulary fewer positions are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freehold.core.errors import EngineError
from freehold.engines.metering import Meter
from freehold.trials.fidelity import Distances, distances, joined, log_probabilities

if TYPE_CHECKING:
    from freehold.trials.fidelity import Table

KEPT_BYTES = 400_000_000
Metering = Callable[[], AbstractAsyncContextManager[Meter]]


@dataclass(frozen=True, slots=True)
class Passage:
    """One text in tokens, the positions that are compared, and the reference's log probabilities there."""

    text: str
    tokens: tuple[int, ...]
    rows: tuple[int, ...]
    table: Table

    @property
    def last(self) -> float:
        """The log probability of the likeliest token after the whole text."""
        return float(self.table[-1].max())


@dataclass(frozen=True, slots=True)
class Compared:
    """How far one way is from the reference, and what it said of the likeliest first token after each passage."""

    distances: Distances
    firsts: tuple[float, ...]


async def reference(metering: Metering, texts: Sequence[str], *, longest_tokens: int) -> tuple[Passage, ...]:
    """The reference's distributions over `texts`, each cut to `longest_tokens`. Raises EngineError and its kinds."""
    async with metering() as meter:
        tokens = [(await meter.tokens(text))[:longest_tokens] for text in texts]
        step = _step(sum(map(len, tokens)), meter.vocabulary)
        return tuple([await _passage(meter, text, each, step) for text, each in zip(texts, tokens, strict=True)])


async def compared(metering: Metering, passages: Sequence[Passage]) -> Compared:
    """How far what `metering` measures is from `passages`. Raises WorkerStartError, EngineError."""
    found: list[Distances] = []
    firsts: list[float] = []
    async with metering() as meter:
        for passage in passages:
            if meter.vocabulary != passage.table.shape[1]:
                raise EngineError(
                    f"It knows {meter.vocabulary} tokens and the reference {passage.table.shape[1]}: "
                    "their distributions cannot be compared."
                )
            if (await meter.tokens(passage.text))[: len(passage.tokens)] != list(passage.tokens):
                raise EngineError("Its tokenizer cuts the text otherwise: the same text is another input to it.")
            table = await _table(meter, passage.tokens, passage.rows)
            found.append(distances(passage.table, table))
            firsts.append(float(table[-1].max()))
    return Compared(joined(found), tuple(firsts))


def _step(positions: int, vocabulary: int) -> int:
    kept = max(1, KEPT_BYTES // (4 * vocabulary))
    return -(-positions // kept)


async def _passage(meter: Meter, text: str, tokens: Sequence[int], step: int) -> Passage:
    # From the last one backwards: the first token after the whole text is always among them.
    rows = tuple(sorted(range(len(tokens) - 1, -1, -step)))
    return Passage(text, tuple(tokens), rows, await _table(meter, tokens, rows))


async def _table(meter: Meter, tokens: Sequence[int], rows: Sequence[int]) -> Table:
    return log_probabilities(await meter.logits(tokens, rows), meter.vocabulary)
