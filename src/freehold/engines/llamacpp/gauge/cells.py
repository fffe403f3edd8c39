"""Whole builds, timed through the house's own worker: the measurements that predictions are held to, and that are
shown beside them.

Every figure is of undisturbed windows (`gauge.disturbance`), its repetitions told. A worker is started for each number
of sequences, with a slot for each; nothing is taken from the prompts of earlier ones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from freehold.core.builds import HeldBuild
from freehold.core.quantity import Measured
from freehold.core.settings import EngineOptions
from freehold.engines.llamacpp.engine import LlamaCpp
from freehold.engines.llamacpp.gauge.disturbance import Window
from freehold.engines.llamacpp.gauge.solve import middle
from freehold.engines.llamacpp.gauge.timing import Timing, timing_of

STEPS = 12
"""Of a window: few enough that the context is still about what it was."""
ROOM_TOKENS = 256
"""Context beyond what is used."""
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Cell:
    """`concurrency` sequences that each hold `used_tokens`."""

    used_tokens: int
    concurrency: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of a step of all sequences, and of reading one prompt of that many tokens (None where it was not asked);
    and the most memory the worker had held by then, None where the system does not say."""

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
        worker = engine.worker(build, options)
        await worker.start()
        try:
            pid, socket_path = worker.report().pid, worker.upstream.socket_path
            assert pid is not None and socket_path is not None, "a worker that was started has both"
            vocabulary = build.facts.vocabulary_size or 1 << 30
            async with timing_of(socket_path, pid=pid, vocabulary=vocabulary) as timing:
                for used in useds:
                    step_s = await _step(timing, Cell(used, concurrency), manner)
                    prompt_s = await _prompt(timing, used, manner) if concurrency == 1 else None
                    yield Taken(Cell(used, concurrency), step_s, prompt_s, _peak_bytes(pid))
        finally:
            await worker.stop()


async def _step(timing: Timing, cell: Cell, manner: Manner) -> Measured:
    await timing.hold(cell.used_tokens, cell.concurrency)
    windows: list[Window] = []
    await timing.step(cell.used_tokens, cell.concurrency, steps=STEPS)
    while _wanted(windows, manner.repetitions):
        windows.append(await timing.step(cell.used_tokens, cell.concurrency, steps=STEPS))
    return middle(windows, manner.on)


async def _prompt(timing: Timing, tokens: int, manner: Manner) -> Measured:
    windows: list[Window] = []
    while _wanted(windows, manner.repetitions):
        windows.append(await timing.prompt(tokens, number=len(windows)))
    return middle(windows, manner.on)


def _wanted(windows: Sequence[Window], repetitions: int) -> bool:
    quiet = sum(not window.disturbed for window in windows)
    return quiet < repetitions and len(windows) < _TRIES * repetitions


def _peak_bytes(pid: int) -> int | None:
    """The most of memory that the process has held at once (proc(5), VmHWM)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
