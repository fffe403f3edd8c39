"""A locked process for one piece of work: started, spoken to over its socket where it listens, ended. Nothing of it
is left, however one leaves. It is not kept running, as `engines.supervisor` keeps a worker: when it ends, so does the
work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from freehold.engines.folder import WorkerFolder
from freehold.engines.log import WorkerLog, log_name
from freehold.engines.process import WorkerProcess
from freehold.engines.program import Started, WorkerProgram

LINE_LIMIT_BYTES = 2**22


class Errand(NamedTuple):
    """What the process said of itself, and the two ends of one connection to it."""

    started: Started
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@asynccontextmanager
async def errand(program: WorkerProgram, *, runtime_dir: Path, log_dir: Path) -> AsyncIterator[Errand]:
    """Run `program`, which listens, until the caller leaves. Raises WorkerStartError."""
    log = log_dir / log_name(program.engine, f"{program.build} {program.entry[-1]}")
    async with started(program, runtime_dir=runtime_dir, log=log) as process:
        reader, writer = await asyncio.open_unix_connection(process.started.socket_path, limit=LINE_LIMIT_BYTES)
        try:
            yield Errand(process.started, reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def started(program: WorkerProgram, *, runtime_dir: Path, log: Path) -> AsyncIterator[WorkerProcess]:
    """Run `program` until the caller leaves, once it has said that it is ready; what it writes goes to the file `log`.
    Raises WorkerStartError."""
    with ExitStack() as ends:
        kept = WorkerLog(log)
        kept.open()
        ends.callback(kept.close)
        kept.begin()
        folder = WorkerFolder(runtime_dir)
        ends.callback(folder.remove)
        process = await WorkerProcess.spawn(program, folder, kept)
        try:
            yield process
        finally:
            await process.kill()
