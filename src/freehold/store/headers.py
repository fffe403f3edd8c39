"""Reads the headers of a build that lies somewhere else, and nothing of its weights: a few megabytes of many gigabytes.

What comes is a file as long as the real one with a hole where the weights would be, so that whoever checks weight files
checks it by the same rules. Nobody can hold it against a hash: it is good for arithmetic, never for running. A server
that does not answer for parts of a file is hung up on once the header is there; no header takes more than
`MOST_BYTES`, or longer than `LONGEST_S`.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import aiohttp

from freehold.core.errors import SourceError, SourceUnreachableError
from freehold.store import transfer
from freehold.store.archive_member import member_bytes
from freehold.store.naming import is_file_name
from freehold.store.plan import Part, Plan, PlannedFile
from freehold.store.transfer import Dropped, Patience
from freehold.weights.gguf import holds_header

FIRST_LOOK_BYTES = 1 << 20
MOST_BYTES = 64 << 20
"""The largest headers in use come to some 40 MB, where a whole tokenizer is embedded as JSON; most have 2 to 10."""
LONGEST_BYTES = 10**13
"""What is told beyond that is no length of a file: many file systems have none so long."""
CHUNK_BYTES = 1 << 18
LONGEST_S = 300.0
"""For one file: the largest headers come in that time at 2 Mbit/s. What is slower holds up whoever waits for it."""


async def fetch_headers(
    plan: Plan, folder: Path, *, patience: Patience | None = None, longest_s: float = LONGEST_S
) -> tuple[Path, ...]:
    """The files of `plan` in `folder`, headers only, in order; of files on this disk, they themselves.

    Raises SourceUnreachableError, also where one has not come after `longest_s`, GatedError, and SourceError where a
    server does not say how long a file is, or one that does not answer for parts has it inside an archive.
    """
    names = [file.name for file in plan.files]
    if not all(map(is_file_name, names)) or len(set(names)) != len(names):
        raise SourceError(f"{plan.origin} names files that cannot be kept: {', '.join(names)}.")
    async with transfer.open_session(plan.tls, patience, plan.proxy) as session:
        fetched = (_fetch(file, folder / file.name, session, patience or Patience()) for file in plan.files)
        return tuple([await _in_time(each, file, longest_s) for each, file in zip(fetched, plan.files, strict=True)])


async def _in_time(coming: Awaitable[Path], file: PlannedFile, longest_s: float) -> Path:
    """What is `coming`, where it comes in time: a server that sends a byte now and then is never silent."""
    try:
        async with asyncio.timeout(longest_s) as limit:
            return await coming
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise SourceUnreachableError(
            f"The header of {file.name} did not come within {longest_s:g} s.",
            hint="Try again, or pull it: a pull goes on for as long as anything comes.",
            file=file.name,
        ) from error


async def _fetch(file: PlannedFile, into: Path, session: aiohttp.ClientSession, patience: Patience) -> Path:
    part = file.parts[0]
    if urlsplit(part.url).scheme == "file" and part.member is None:
        return Path(url2pathname(urlsplit(part.url).path))
    failures = 0
    while True:
        try:
            size_bytes = await _beginning(file, into, session)
            break
        except Dropped as dropped:
            failures += 1
            if failures >= patience.attempts:
                raise transfer.gave_up(part.url, dropped, failures, kept_bytes=0) from dropped
            wait_s = max(dropped.wait_s or 0, patience.first_wait_s * 2 ** (failures - 1))
            await asyncio.sleep(min(wait_s, patience.longest_wait_s))
    try:
        os.truncate(into, size_bytes)
    except OSError as error:
        raise SourceError(
            f"{part.name} has {size_bytes:,} bytes by its server, and {into.parent} takes no file of that length "
            f"({error.strerror}).",
            file=part.name,
        ) from error
    return into


async def _beginning(file: PlannedFile, into: Path, session: aiohttp.ClientSession) -> int:
    """Write the beginning of `file` up to the end of its header to `into`; how long the whole file is."""
    part = file.parts[0]
    if part.member is not None:
        if file.size_bytes is None:
            raise SourceError(f"{part.name} does not say how long {file.name} is.", file=file.name)
        await _write(member_bytes(part, session, MOST_BYTES), into, file.name)
        return file.size_bytes
    headers = {"Accept-Encoding": "identity", "Range": f"bytes=0-{MOST_BYTES - 1}"}
    async with transfer.get(session, part.url, private=part.headers, headers=headers) as response:
        size_bytes = _whole_size(response, part)
        await _write(response.content.iter_chunked(CHUNK_BYTES), into, part.name)
        return size_bytes


def _whole_size(response: aiohttp.ClientResponse, part: Part) -> int:
    """How long the whole file is, by what the server says and what the source named."""
    said = response.content_length
    if response.status != 200:
        match = re.fullmatch(r"bytes 0-\d+/(\d{1,13})", response.headers.get("Content-Range", ""))
        said = int(match[1]) if match else None
    if said is None and response.status == 200:
        said = part.size_bytes
    if said is None or said > LONGEST_BYTES:
        raise SourceError(f"The server of {part.name} does not say how long it is.", file=part.name)
    if part.size_bytes not in {None, said}:
        raise SourceError(
            f"{part.name} has {said:,} bytes at its server; its source named {part.size_bytes:,}.",
            hint="The mirror is broken or out of date: try another.",
            file=part.name,
        )
    return said


async def _write(chunks: AsyncIterator[bytes], into: Path, name: str) -> None:
    """Write what comes until it holds a header, or ends."""
    written, next_look = 0, FIRST_LOOK_BYTES
    with into.open("wb", buffering=0) as out:
        async for chunk in chunks:
            written += out.write(chunk)
            if written >= next_look:
                if await asyncio.to_thread(holds_header, into):
                    return
                next_look = 2 * written
            if written > MOST_BYTES:
                raise SourceError(f"The header of {name} goes on beyond {MOST_BYTES:,} bytes.", file=name)
