"""The license texts and notices that come with weights: which files they are, and keeping them beside the build.

A license record says how a text was read; the text itself is what binds. It is kept as it was published on the day of
the pull, with its hash in the deed. Small files only, and few: these are texts for people. One that cannot be had never
fails a pull, and is named in the deed as missing.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import aiohttp

from freehold.core.errors import CallError, SourceError
from freehold.core.ports import Progress
from freehold.store import transfer
from freehold.store.deeds.record import Deed, TextFile
from freehold.store.durable import make_folder, write_whole, writing
from freehold.store.naming import is_file_name, public_url
from freehold.store.plan import Part
from freehold.store.transfer import Dropped

MAX_TEXTS = 8
MAX_TEXT_BYTES = 1 << 20
MISSING = "license_texts_missing"  # the key of a plan's provenance that names texts which could not be had
_TIMEOUT_S = 60.0
_TEXT = re.compile(
    r"(licen[cs]e|notice|copying|use[-_]?policy|usage[-_]?policy|acceptable[-_]?use)[^/]*", re.IGNORECASE
)
_PROGRAM = re.compile(r".*\.(py|sh|js|json|gguf|safetensors|bin)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Kept:
    """The texts that are in the folder now, and a line for each that is not."""

    texts: tuple[TextFile, ...]
    missing: tuple[str, ...]


def is_text(path: str) -> bool:
    """True for the name of a license text or notice: LICENSE, NOTICE.txt, USE_POLICY.md, and their kind."""
    name = PurePosixPath(path).name
    return bool(_TEXT.fullmatch(name)) and not _PROGRAM.fullmatch(name) and is_file_name(name)


def chosen(paths: Iterable[str]) -> dict[str, str]:
    """The first `MAX_TEXTS` license texts among `paths`, and what each is called in one folder."""
    names: dict[str, str] = {}
    for path in sorted(paths):
        name = PurePosixPath(path).name
        if name in names.values():
            name = path.replace("/", "_")
        if is_file_name(name) and name not in names.values() and len(names) < MAX_TEXTS:
            names[path] = name
    return names


async def keep_texts(
    parts: Sequence[Part], folder: Path, *, session: aiohttp.ClientSession, progress: Progress
) -> Kept:
    """Put the texts of a plan into `folder`, which is made where there is one. Raises StoreError for the disk alone."""
    texts: list[TextFile] = []
    missing: list[str] = []
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)  # of an earlier run of this pull
    for part in parts[:MAX_TEXTS]:
        try:
            data = part.content if part.content is not None else await _fetched(part, session)
        except (SourceError, Dropped, TimeoutError) as error:
            missing.append(f"{part.name} ({getattr(error, 'message', str(error)) or 'no answer in time'})")
            continue
        await asyncio.to_thread(_write, folder, part.name, data)
        texts.append(TextFile(part.name, len(data), hashlib.sha256(data).hexdigest(), _source(part)))
    for line in missing:
        progress.note(f"Not kept beside the weights: {line}")
    return Kept(tuple(texts), tuple(missing))


def with_text(folder: Path, deed: Deed, text: TextFile, data: bytes) -> Deed:
    """`deed` with one text more, which is put into `folder`, that of the texts of its build; the same deed where it has
    that text. Raises CallError, StoreError."""
    texts, name = deed.statement.texts, deed.names[0]
    if any(text.sha256 == kept.sha256 for kept in texts):
        return deed
    if any(text.name.casefold() == kept.name.casefold() for kept in texts):
        raise CallError(
            f"{name} has another text named {text.name} beside it.", hint="Give the file another name, and add that."
        )
    if len(texts) == MAX_TEXTS:
        raise CallError(f"{name} has {MAX_TEXTS} texts beside it, and that is the most.")
    make_folder(folder)
    write_whole(folder / text.name, data, mode=0o444)
    return Deed(replace(deed.statement, texts=(*texts, text)), deed.labels, deed.signature)


async def _fetched(part: Part, session: aiohttp.ClientSession) -> bytes:
    headers = {"Accept-Encoding": "identity"}
    async with (
        asyncio.timeout(_TIMEOUT_S),
        transfer.get(session, part.url, private=part.headers, headers=headers) as response,
    ):
        data = b""
        async for chunk in response.content.iter_chunked(1 << 16):
            data += chunk
            if len(data) > MAX_TEXT_BYTES:
                raise SourceError(f"{part.name} is larger than a license text: over {MAX_TEXT_BYTES:,} bytes.")
        return data


def _write(folder: Path, name: str, data: bytes) -> None:
    make_folder(folder)
    with writing(folder):
        (folder / name).write_bytes(data)


def _source(part: Part) -> str:
    return f"{public_url(part.url)}#{part.member}" if part.member else public_url(part.url)
