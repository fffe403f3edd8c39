"""Has a held GGUF build converted to OpenVINO's form, once: a derived build with a deed of its own.

The conversion opens untrusted bytes, so it runs in a locked process like every worker, with a copy of the file in the
one folder that it may write to. What it leaves there is looked at before it becomes a build (`store.derived`).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from freehold.core.builds import HeldBuild, Stamp, WeightFacts
from freehold.core.errors import WorkerStartError
from freehold.core.settings import EngineOptions
from freehold.engines.errand import started
from freehold.engines.log import log_name
from freehold.engines.openvino import installed
from freehold.engines.openvino.files import FILES, FORMAT, MODEL, binary
from freehold.engines.program import WorkerProgram
from freehold.engines.watcher import Watcher
from freehold.store.derived import Make, Making
from freehold.store.durable import make_folder, require_space, writing

Derive = Callable[[HeldBuild, Making, Make, WeightFacts], Awaitable[HeldBuild]]
"""`store.derived.derive` with the house's store and catalog."""

PROCESSORS = Path("/sys/devices/system/cpu")
"""Without it OpenVINO spins for ever, counting cores."""

ARCHITECTURES = frozenset({"llama", "qwen2", "qwen3"})
"""Those that the GGUF reader of openvino-genai 2026.4 builds a graph for."""

_LEAST_S, _BYTES_PER_S = 60.0, 10e6
_CHUNK_BYTES = 2**20
_GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class Converter:
    """Converts builds for engines that listen in `runtime_dir` and log to `log_dir`; `watcher` is told of it."""

    runtime_dir: Path
    log_dir: Path
    derive: Derive
    watcher: Watcher | None = None

    async def converted(self, build: HeldBuild, options: EngineOptions) -> HeldBuild:
        """The build itself where it is in OpenVINO's form, else what was or is now made from it.

        Raises WorkerStartError where it cannot be, and what `store.derived.derive` raises.
        """
        if build.facts.format == FORMAT:
            return build
        release = installed.require(build.name)
        _refuse(build)
        making = Making(FORMAT, "converted by OpenVINO's GGUF reader, its 4-bit weights made exact", FORMAT, release)

        async def make(folder: Path, stamps: Sequence[Stamp]) -> Sequence[str]:
            await self._make(build, options, folder, stamps)
            return FILES

        return await self.derive(build, making, make, replace(build.facts, format=FORMAT))

    async def _make(self, build: HeldBuild, options: EngineOptions, out: Path, stamps: Sequence[Stamp]) -> None:
        work = make_folder(out / "work")
        # The copy, what the reader writes, and what is kept: each about as large as the file, 8-bit weights aside.
        require_space(out, unpacked_bytes=4 * build.size_bytes)
        source = work / "source.gguf"
        await _copied(build, stamps[0], source)
        program = WorkerProgram(
            engine="openvino-conversion",
            build=build.name,
            entry=("-m", "freehold.engines.openvino.converter"),
            config={"source": str(source), "work": str(work), "out": str(out)},
            read=(PROCESSORS,),
            write=(out,),
            largest_file_bytes=4 * build.size_bytes + 2**30,
            lock=options.lock,
            start_timeout_s=max(options.start_timeout_s, _LEAST_S + build.size_bytes / _BYTES_PER_S),
            watcher=self.watcher,
        )
        await self._run(program)
        with writing(out):
            for name in FILES:
                if name not in {MODEL, binary(MODEL)}:
                    (work / name).rename(out / name)
            await asyncio.to_thread(shutil.rmtree, work)

    async def _run(self, program: WorkerProgram) -> None:
        """Run the program to the word that it is done. Raises WorkerStartError; then no process is left either."""
        log = self.log_dir / log_name(program.engine, program.build)
        async with started(program, runtime_dir=self.runtime_dir, log=log) as process:
            await process.stop(_GRACE_S)


def _refuse(build: HeldBuild) -> None:
    """Raise WorkerStartError for what the reader is known not to take."""
    architecture, hint = build.facts.architecture, "Run it with llama.cpp: leave `engine` out of freehold.toml."
    if build.facts.format != "gguf" or len(build.files) != 1:
        raise WorkerStartError(build.name, "OpenVINO's reader takes GGUF builds of one file alone.", hint=hint)
    if architecture not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        reason = f"OpenVINO's GGUF reader does not know the architecture {architecture!r}, only {known}."
        raise WorkerStartError(build.name, reason, hint=hint)


async def _copied(build: HeldBuild, stamp: Stamp, target: Path) -> None:
    """Copy the very file that was confirmed; cancelled, nothing copies on. Raises WorkerStartError where it is another
    one by now."""
    given_up = threading.Event()
    copying = asyncio.ensure_future(asyncio.to_thread(_copy, build, stamp, target, given_up))
    try:
        await asyncio.shield(copying)
    except asyncio.CancelledError:
        given_up.set()
        await asyncio.gather(copying, return_exceptions=True)
        raise


def _copy(build: HeldBuild, stamp: Stamp, target: Path, given_up: threading.Event) -> None:
    with build.files[0].open("rb") as source, writing(target.parent), target.open("xb") as out:
        if Stamp.of(os.fstat(source.fileno())) != stamp:
            raise WorkerStartError(
                build.name, f"{build.files[0]} was changed after its hash was taken.", hint="Try again."
            )
        while not given_up.is_set() and (chunk := source.read(_CHUNK_BYTES)):
            out.write(chunk)
