"""A locked process for one piece of work: started, spoken to over its socket, ended. Nothing of it is left, however one
leaves. It is not kept running, as `engines.supervisor` keeps a worker: when it ends, so does the work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
    """Run `program` until the caller leaves. Raises WorkerStartError."""
    log = WorkerLog(log_dir / log_name(program.engine, f"{program.build} {program.entry[-1]}"))
    log.open()
    folder = WorkerFolder(runtime_dir)
    try:
        log.begin()
        process = await WorkerProcess.spawn(program, folder, log)
        try:
            reader, writer = await asyncio.open_unix_connection(process.started.socket_path, limit=LINE_LIMIT_BYTES)
            try:
                yield Errand(process.started, reader, writer)
            finally:
                writer.close()
        finally:
            await process.kill()
    finally:
        folder.remove()
        log.close()
