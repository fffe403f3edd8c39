"""Measures this machine: starts the program that times the engine's parts, asks a worker what the server adds, and
makes the record of both. It takes about a minute, and all the processor there is.

A machine that others use meanwhile is measured all the same, and the record says that it was and by how much.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freehold.core.builds import HeldBuild
from freehold.core.errors import EngineError
from freehold.core.settings import EngineOptions
from freehold.engines.llamacpp.engine import LlamaCpp
from freehold.engines.llamacpp.gauge import plan, solve
from freehold.engines.llamacpp.gauge.cells import serving
from freehold.engines.llamacpp.gauge.disturbance import Window
from freehold.engines.llamacpp.gauge.solve import Key
from freehold.engines.llamacpp.identity import engine_id
from freehold.hardware import caches
from freehold.hardware.calibration import Calibration, Quiet
from freehold.hardware.fingerprint import fingerprint
from freehold.hardware.machine import Machine
from freehold.weights.gguf import read_facts

SECONDS = 55.0
_STEPS = 32
_REPEATED = 5
_LOUD_SHARE, _LOUD_SPREAD = 0.25, 0.15
"""A quarter of the windows disturbed, or figures that vary by more than that, and the record says so."""
_SAME = 0.97
"""More threads must be faster than this share says, or fewer are taken."""

Windows = Mapping[Key, Sequence[Window]]


@dataclass(slots=True)
class Heard:
    """What the program has said: windows by probe, tokens and held tokens."""

    windows: defaultdict[Key, list[Window]] = field(default_factory=lambda: defaultdict(list))

    def line(self, said: Mapping[str, Any]) -> None:
        if "seconds" in said:
            key = (said["probe"], said["tokens"], said["held"])
            self.windows[key].append(Window(said["seconds"], said["waited_share"]))


async def measure(
    machine: Machine,
    *,
    runtime_dir: Path,
    log_dir: Path,
    tell: Callable[[str], None],
    seconds: float = SECONDS,
    first: Sequence[str] = (),
) -> Calibration:
    """The record of `machine`, which is the one we run on, types of `first` before others. `tell` hears what is being
    measured. Raises EngineError.

    What there is no time for in `seconds` is not in the record; what all else rests on takes a quarter of a minute.
    """
    load_before = os.getloadavg()[0]
    tried = _thread_counts(machine)
    with tempfile.TemporaryDirectory(prefix="freehold-measure-") as name:
        scratch = Path(name)
        orders = {
            "scratch": str(scratch),
            "try_threads": tried,
            "cache_bytes": caches.largest_bytes(),
            "types": plan.ordered(first),
            "seconds": seconds,
        }
        threads, heard = await _timed(orders, tried, tell)
        tell("what the server adds")
        for count in plan.SPOKEN:
            await _served(scratch / f"spoken-{count}.gguf", count, threads, heard, runtime_dir, log_dir)
    quiet = _quiet(heard.windows, load_before)
    return record(heard.windows, fingerprint(machine), threads, tried, quiet)


async def _timed(orders: Mapping[str, Any], tried: Sequence[int], tell: Callable[[str], None]) -> tuple[int, Heard]:
    """Run the program with `orders`; returns the fastest thread count with what was heard."""
    heard = Heard()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-B", "-m", "freehold.engines.llamacpp.gauge.program"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    errors = asyncio.create_task(process.stderr.read())
    threads, told = tried[0], ""
    try:
        process.stdin.write(json.dumps(orders).encode() + b"\n")
        async for line in process.stdout:
            said = json.loads(line)
            heard.line(said)
            if "tried" in said:
                threads = fastest(heard.windows, tried)
                process.stdin.write(json.dumps({"threads": threads}).encode() + b"\n")
            elif said["probe"] != told:
                tell(told := said["probe"])
        if await process.wait():
            last = (await errors).decode(errors="replace").strip().splitlines()[-1:]
            raise EngineError(f"The micro-benchmark ended with code {process.returncode}: {' '.join(last)}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return threads, heard


async def _served(file: Path, vocabulary: int, threads: int, heard: Heard, runtime_dir: Path, log_dir: Path) -> None:
    build = HeldBuild(file.stem, file.stem, "sha256:0", (file,), 0, read_facts(file))
    slots = max(plan.SPOKEN_TOGETHER)
    options = EngineOptions(context_tokens=512, slots=slots, threads=threads, batch_tokens=128, prompt_cache_mib=0)
    async with serving(LlamaCpp(runtime_dir=runtime_dir, log_dir=log_dir), build, options) as timing:
        for together in plan.SPOKEN_TOGETHER:
            useds = [8] * together
            await timing.hold(useds)
            for turn in range(1 + _REPEATED):
                window = await timing.step(useds, steps=_STEPS)
                if turn:
                    heard.windows[f"spoken {vocabulary}", together, 0].append(window)


def fastest(windows: Windows, tried: Sequence[int]) -> int:
    """The thread count that generates fastest; the fewest of those that are about as fast."""
    seconds = {count: solve.middle(windows[f"threads {count} {plan.BASE}", 1, 0], "").value for count in tried}
    return min(count for count in tried if seconds[count] * _SAME <= min(seconds.values()))


def record(windows: Windows, name: str, threads: int, tried: Sequence[int], quiet: Quiet) -> Calibration:
    """The record that follows from all windows. Raises EngineError where the parts that all else needs are missing."""
    on = datetime.datetime.now(datetime.UTC).date().isoformat()
    found = {key: solve.middle(each, on) for key, each in windows.items()}
    cache_bytes = caches.largest_bytes()
    base = plan.wide(plan.BASE, cache_bytes)
    try:
        attention = solve.attention(found, threads)
        found = solve.bare(found, attention["f16"][2 * base.head_size], cache_bytes, threads)
        parts = solve.parts(
            found["small", 1, 0],
            {count: found["narrow", count, 0] for count in (1, plan.MANY)},
            {count: found[f"weights {plan.BASE}", count, 0] for count in (1, plan.MANY)},
            narrow_shape=plan.narrow(cache_bytes),
            wide_shape=base,
        )
        weights = solve.weights(found, parts, cache_bytes)
        server = solve.server(found, parts, weights[plan.BASE])
    except KeyError as error:
        raise EngineError(
            f"There was no time to measure {error}.", hint="Try again when the machine has less else to do."
        ) from error
    read_bytes = plan.wide("F16", cache_bytes)
    return Calibration(
        fingerprint=name,
        engine=engine_id(),
        on=on,
        threads=threads,
        bandwidth={
            count: solve.inverse(found[f"threads {count} F16", 1, 0], read_bytes.layers * read_bytes.layer_bytes)
            for count in tried
        },
        by_threads={count: solve.inverse(found[f"threads {count} {plan.BASE}", 1, 0], 1) for count in tried},
        pass_s=server.pass_s,
        node_s=parts.node_s,
        width_s=parts.width_s,
        vocabulary_s=server.vocabulary_s,
        sequence_s=server.sequence_s,
        sampling_s=server.sampling_s,
        weights=weights,
        attention=attention,
        quiet=quiet,
    )


def _quiet(windows: Windows, load_before: float) -> Quiet:
    every = [window for each in windows.values() for window in each]
    disturbed = sum(window.disturbed for window in every) / max(1, len(every))
    spread = solve.spread(solve.middle(each, "") for each in windows.values())
    noisy = None
    if disturbed > _LOUD_SHARE:
        noisy = f"other programs had the processor during {disturbed:.0%} of the timings"
    elif spread > _LOUD_SPREAD:
        noisy = f"the same work varied by {spread:.0%}"
    return Quiet(load_before, os.getloadavg()[0], disturbed, spread, noisy)


def _thread_counts(machine: Machine) -> list[int]:
    """One, half, the physical cores and all that may be used."""
    every = max(1, int(machine.usable_cores))
    physical = min(every, machine.physical_cores or every)
    return sorted({1, max(1, every // 2), physical, every})
