"""Predicted memory against what the worker's process really took at its peak.

Builds of two real models, each as it is published and in three other types, are run by the house's own worker with
three contexts, in one slot and in eight. One slot is filled to its last tokens, the others with more than a window, all
of them generate at once, and a batch is embedded, so that every buffer is used; then the kernel is asked for the most
that the process has held (VmHWM: its own pages and those of the file). What is predicted is that peak
(`MemoryNeed.peak_bytes`), the prompt cache left out on both sides. Memory does not depend on what else the machine
does, so this may run beside other work, and loads run beside each other, each with one thread: a second one changed a
peak of 318 MB by 0.03.

`--resume` goes on where a run has stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from bench.harness import arms
from bench.harness.builds import MODELS, build
from bench.harness.measure import Claim, Measurement, quantile
from freehold.core.quantity import likeliest
from freehold.engines.llamacpp.engine import LlamaCpp
from freehold.engines.llamacpp.gauge.cells import peak_bytes
from freehold.fit.blueprint import RunShape
from freehold.fit.memory import MemoryNeed, need
from freehold.fit.read_gguf import blueprint_of_gguf

KINDS = ("own", "q4_0", "q5_1", "q8_0")
CONTEXTS = (512, 2048, 8192)
SLOTS = (1, 8)
BATCH_TOKENS = 128
TOO_LOW = 0.03
PARTS = ("weights", "kv_cache", "compute", "output", "process", "mapped_twice")


@dataclass(frozen=True, slots=True)
class Load:
    """One way of running one build."""

    model: str
    kind: str
    run: RunShape

    @property
    def arm(self) -> str:
        return f"{self.model}:{self.kind}"

    @property
    def name(self) -> str:
        return f"{self.run.slots} x {self.run.context_tokens} tokens"

    @property
    def key(self) -> str:
        return f"{self.arm} {self.name}"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the shortest context alone: to try, not to quote")
    parser.add_argument("--resume", action="store_true")
    chosen = parser.parse_args()
    state = arms.cache() / "fit_memory.json"
    peaks: dict[str, int] = json.loads(state.read_text()) if chosen.resume and state.exists() else {}
    result = Measurement("fit_memory", quick=chosen.quick)
    every = loads(CONTEXTS[:1] if chosen.quick else CONTEXTS)
    for model in MODELS:
        for kind in KINDS:
            build(model, kind)  # made before two of them would make it at once
    free = asyncio.Semaphore(psutil.cpu_count(logical=False) or 1)

    async def take(each: Load) -> None:
        async with free:
            peaks[each.key] = await _peak(each)
            state.write_text(json.dumps(peaks))
            print(f"{each.key}: {peaks[each.key] / 1e6:,.1f} MB", file=sys.stderr)

    await asyncio.gather(*(take(each) for each in every if each.key not in peaks))
    errors = []
    for each in every:
        predicted, peak = _need(each), peaks[each.key]
        said = likeliest(predicted.peak_bytes)
        assert said is not None, f"{each.key}: {predicted.peak_bytes}"
        errors.append(said / peak - 1)
        result.add(each.arm, {f"{each.name}, peak MB": peak / 1e6, f"{each.name}, error %": 100 * errors[-1]})
        print(f"{each.key}: error {errors[-1]:+.2%}; {_parts(predicted)}", file=sys.stderr)
    result.save(claims(errors))


def loads(contexts: Sequence[int]) -> list[Load]:
    """Every load, the cheapest first."""
    return [
        Load(model, kind, RunShape(context, slots, BATCH_TOKENS))
        for context in contexts
        for slots in SLOTS
        for model in MODELS
        for kind in KINDS
    ]


def claims(errors: Sequence[float]) -> list[Claim]:
    """What was to be reached, and how the errors lie: a positive one is a prediction above what was taken."""
    apart = [abs(error) for error in errors]
    lowest, highest = min(errors), max(errors)
    spread = f"{quantile(apart, 0.5):.1%} in the middle, {quantile(apart, 0.9):.1%} nine of ten"
    return [
        Claim(
            f"worst prediction below the peak, {len(errors)} loads", "under 3 %", f"{-lowest:.1%}", -lowest < TOO_LOW
        ),
        Claim("worst prediction above it", "(no mark set)", f"{highest:.1%}", None),
        Claim("error, either side", "(no mark set)", spread, None),
    ]


async def _peak(each: Load) -> int:
    with arms.folder_of_its_own() as folder:
        engine = LlamaCpp(runtime_dir=folder / "r", log_dir=folder / "log")
        found = await peak_bytes(engine, build(each.model, each.kind), each.run, threads=1)
    assert found is not None, "this system does not say what a process took at most"
    return found


def _need(each: Load) -> MemoryNeed:
    return need(blueprint_of_gguf(build(each.model, each.kind).files), each.run)


def _parts(needed: MemoryNeed) -> str:
    shown = {name: likeliest(getattr(needed, f"{name}_bytes")) or 0 for name in PARTS}
    return ", ".join(f"{name} {value / 1e6:.1f}" for name, value in shown.items())


if __name__ == "__main__":
    asyncio.run(main())
