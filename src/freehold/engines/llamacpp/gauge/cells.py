"""Whole builds, timed through the house's own worker: the measurements that predictions are held to, and that are
shown beside them.

Every figure is of undisturbed windows (`gauge.disturbance`), its repetitions told. A worker is started for each number
of sequences, with a slot for each; nothing is taken from the prompts of earlier ones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from freehold.core.builds import HeldBuild
from freehold.core.quantity import Measured
from freehold.core.settings import EngineOptions
from freehold.engines.llamacpp.engine import LlamaCpp
from freehold.engines.llamacpp.gauge.disturbance import Window
from freehold.engines.llamacpp.gauge.solve import middle
from freehold.engines.llamacpp.gauge.timing import Timing, timing_of
from freehold.fit.blueprint import RunShape

STEPS = 12
"""Of a window: few enough that the context is still about what it was."""
ROOM_TOKENS = 256
"""Context beyond what is used."""
OTHERS_TOKENS = 1024
"""What slots beside the longest hold, where memory alone is asked about."""
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Cell:
    """`concurrency` sequences that each hold `used_tokens`."""

    used_tokens: int
    concurrency: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of a step of all sequences, and of reading one prompt of that many tokens (None where it was not asked);
    and, of the longest context of a worker, the most memory that it has held, None where the system does not say."""

    cell: Cell
    step_s: Measured
    prompt_s: Measured | None
    peak_bytes: int | None


@dataclass(frozen=True, slots=True)
class Manner:
    """How builds are run and how often each figure is taken."""

    threads: int
    batch_tokens: int
    repetitions: int
    on: str


async def taken(engine: LlamaCpp, build: HeldBuild, cells: Sequence[Cell], manner: Manner) -> AsyncIterator[Taken]:
    """Each of `cells`, by concurrency. Raises WorkerStartError where the build does not run so."""
    for concurrency in sorted({cell.concurrency for cell in cells}):
        useds = sorted(cell.used_tokens for cell in cells if cell.concurrency == concurrency)
        options = EngineOptions(
            context_tokens=useds[-1] + ROOM_TOKENS,
            slots=concurrency,
            threads=manner.threads,
            batch_tokens=manner.batch_tokens,
            prompt_cache_mib=0,
        )
        async with serving(engine, build, options) as timing:
            for used in useds:
                step_s = await _step(timing, Cell(used, concurrency), manner)
                prompt_s = await _prompt(timing, used, manner) if concurrency == 1 else None
                peak = await _peak(timing, min(manner.batch_tokens, used)) if used == useds[-1] else None
                yield Taken(Cell(used, concurrency), step_s, prompt_s, peak)


async def peak_bytes(engine: LlamaCpp, build: HeldBuild, run: RunShape, *, threads: int) -> int | None:
    """The most memory that a worker held while all slots generated at once, the first of them full to its last tokens,
    and a batch was embedded; None where the system does not say. Raises WorkerStartError where the build does not run
    so.

    The cache is whole from the start, and a pass takes room for as many cells as the longest of its sequences has: so
    the other slots hold no more than it takes to fill what the engine keeps of a window.
    """
    options = EngineOptions(
        context_tokens=run.context_tokens,
        slots=run.slots,
        threads=threads,
        batch_tokens=run.batch_tokens,
        cache_type=run.cache_type_k,
        prompt_cache_mib=0,
    )
    used = run.context_tokens - STEPS - 2
    useds = [used, *[min(used, OTHERS_TOKENS)] * (run.slots - 1)]
    async with serving(engine, build, options) as timing:
        await timing.hold(useds)
        await timing.step(useds, steps=STEPS)
        return await _peak(timing, min(run.batch_tokens, used))


@asynccontextmanager
async def serving(engine: LlamaCpp, build: HeldBuild, options: EngineOptions) -> AsyncIterator[Timing]:
    """A worker that is started for this alone, and how to ask it."""
    worker = engine.worker(build, options)
    await worker.start()
    try:
        pid, socket_path = worker.report().pid, worker.upstream.socket_path
        assert pid is not None and socket_path is not None, "a worker that was started has both"
        vocabulary = build.facts.vocabulary_size or 1 << 30
        async with timing_of(socket_path, pid=pid, vocabulary=vocabulary) as timing:
            yield timing
    finally:
        await worker.stop()


async def _step(timing: Timing, cell: Cell, manner: Manner) -> Measured:
    useds = [cell.used_tokens] * cell.concurrency
    await timing.hold(useds)
    windows: list[Window] = []
    await timing.step(useds, steps=STEPS)
    while _wanted(windows, manner.repetitions):
        windows.append(await timing.step(useds, steps=STEPS))
    return middle(windows, manner.on)


async def _prompt(timing: Timing, tokens: int, manner: Manner) -> Measured:
    windows: list[Window] = []
    while _wanted(windows, manner.repetitions):
        windows.append(await timing.prompt(tokens, number=len(windows)))
    return middle(windows, manner.on)


async def _peak(timing: Timing, batch_tokens: int) -> int | None:
    """Once a batch was embedded, which is when every token of it has an output for the first time."""
    await timing.embed(batch_tokens)
    return timing.peak_bytes()


def _wanted(windows: Sequence[Window], repetitions: int) -> bool:
    quiet = sum(not window.disturbed for window in windows)
    return quiet < repetitions and len(windows) < _TRIES * repetitions
