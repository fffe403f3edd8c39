"""The headers of weight files that were not downloaded: their first bytes, asked for by range.

Each file becomes one of its full size on this disk, of which only the beginning takes room, so that whoever checks
headers sees the size that the source states. How long a header is nobody says beforehand: the beginning is asked for
in growing pieces until the header can be read. What lies inside an archive cannot be read this way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import aiohttp

from freehold.core.errors import SourceError, WeightsError
from freehold.store import transfer
from freehold.store.plan import Plan, PlannedFile

Read = TypeVar("Read")

PIECES_BYTES = (1 << 21, 1 << 23, 1 << 25, 1 << 27)
"""2 to 128 MiB: a header's tables of tokens are its largest part, and the longest known take 20."""
_CHUNK_BYTES = 1 << 18


async def read_headers(plan: Plan, folder: Path, read: Callable[[Sequence[Path]], Read]) -> Read:
    """What `read` makes of the files of `plan`, of which `folder` gets the headers.

    Raises SourceError where the source does not send parts of a file or hides it in an archive, and what `read` raises
    of a header that is wrong.
    """
    for file in plan.files:
        if len(file.parts) != 1 or file.parts[0].member is not None or file.size_bytes is None:
            raise SourceError(
                f"The header of {file.name} of {plan.origin} cannot be read: it lies in an archive or has no size.",
                hint="Pull it first, or ask by the name of its model.",
            )
    async with transfer.open_session(plan.tls, proxy=plan.proxy) as session:
        for last, piece in enumerate(PIECES_BYTES, 1):
            paths = [await _begin(session, file, folder, piece) for file in plan.files]
            try:
                return await asyncio.to_thread(read, paths)
            except WeightsError:
                if last == len(PIECES_BYTES) or all((file.size_bytes or 0) <= piece for file in plan.files):
                    raise
    raise AssertionError("the last piece returns or raises")


async def _begin(session: aiohttp.ClientSession, file: PlannedFile, folder: Path, nbytes: int) -> Path:
    """The file in `folder` with its first `nbytes` at least."""
    part, size_bytes = file.parts[0], file.size_bytes or 0
    path = folder / Path(file.name).name
    have = path.stat().st_blocks * 512 if path.exists() else 0
    if have >= min(nbytes, size_bytes):
        return path
    headers = {"Accept-Encoding": "identity", "Range": f"bytes=0-{min(nbytes, size_bytes) - 1}"}
    try:
        async with transfer.get(session, part.url, private=part.headers, headers=headers) as response:
            left = min(nbytes, size_bytes)
            with path.open("wb") as out:
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    out.write(chunk[:left])
                    left -= len(chunk[:left])
                    if left <= 0:
                        break
                out.truncate(size_bytes)
    except transfer.Dropped as dropped:
        raise SourceError(f"The header of {file.name} did not arrive: {dropped}.", hint="Try again.") from dropped
    return path
