"""Puts pieces into one tar of the form that `unaided` reads: a manifest that names every member, and nothing else.

Each piece's size and hash are known beforehand and are held to the bytes while they are written.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from freehold.core.errors import BuildChangedError, CallError
from freehold.core.ports import Progress
from freehold.store.bundles import unaided
from freehold.store.deeds.signing import Keys
from freehold.store.durable import require_space, sync_folder, writing

_STEP_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """One member: small content at hand, or a file to be read. The hash and the size are the ones to be named."""

    path: str
    size_bytes: int
    sha256: str
    content: bytes | None = None
    file: Path | None = None

    @classmethod
    def of(cls, path: str, content: bytes) -> Piece:
        return cls(path, len(content), hashlib.sha256(content).hexdigest(), content=content)

    @property
    def named(self) -> dict[str, str | int]:
        return {"path": self.path, "size_bytes": self.size_bytes, "sha256": self.sha256}


def refuse_existing(out: Path, *, replace: bool) -> None:
    """Raise CallError where `out` is there and not to be replaced, or cannot be a file."""
    if out.is_dir():
        raise CallError(f"{out} is a folder.", hint=f"Name a file in it: {out / 'house.tar'}", file=str(out))
    if os.path.lexists(out) and not replace:
        raise CallError(
            f"{out} is there already, and is left as it is.",
            hint="Name another file, or replace it: --force.",
            file=str(out),
        )


def sealed(manifest: dict[str, object], keys: Keys, context: bytes) -> bytes:
    """The bytes of `manifest.json`, signed behind the line `context` where there is a key. Raises HouseKeyError."""
    if not keys.has_own:
        return unaided.envelope(manifest, None, None)
    signature = keys.sign(unaided.canonical(manifest), context)
    return unaided.envelope(manifest, asdict(signature), keys.export())


def pack(out: Path, pieces: Sequence[Piece], progress: Progress, *, replace: bool, mode: int | None = None) -> int:
    """Write `pieces`, the manifest first, into one file at `out`, in one step; its size. `mode` are its rights,
    whatever the umask; `replace`: what is there goes. Raises CallError, BuildChangedError, NoSpaceError and other
    StoreErrors; nothing is left then."""
    size_bytes = sum(unaided.span(piece.path, piece.size_bytes) for piece in pieces) + len(unaided.END)
    # Its own name: two that write the same bundle at once must not write into one file.
    fresh, task = out.with_name(f"{out.name}.{os.getpid()}.unfinished"), f"writing {out.name}"
    with writing(out.parent):
        require_space(out.parent, unpacked_bytes=size_bytes)
    progress.start(task, total_bytes=size_bytes)
    try:
        with writing(out.parent), fresh.open("wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            for piece in pieces:
                file.write(unaided.header(piece.path, piece.size_bytes))
                _copy(piece, file, progress, task)
                file.write(unaided.padding(piece.size_bytes))
            file.write(unaided.END)
            file.flush()
            os.fsync(file.fileno())
        refuse_existing(out, replace=replace)
        with writing(out.parent):
            fresh.replace(out)
        sync_folder(out.parent)
    finally:
        fresh.unlink(missing_ok=True)
    progress.finish(task)
    return size_bytes


def _copy(piece: Piece, out: IO[bytes], progress: Progress, task: str) -> None:
    if piece.file is None:
        out.write(piece.content or b"")
        progress.advance(task, piece.size_bytes)
        return
    digest, size_bytes = hashlib.sha256(), 0
    with piece.file.open("rb") as file:
        while chunk := file.read(_STEP_BYTES):
            out.write(chunk)
            digest.update(chunk)
            size_bytes += len(chunk)
            progress.advance(task, len(chunk))
    if (size_bytes, digest.hexdigest()) != (piece.size_bytes, piece.sha256):
        raise BuildChangedError(
            f"{piece.file} changed while it was being packed: its sha256 is {digest.hexdigest()}, "
            f"and {piece.sha256} was kept.",
            hint="Look at the build: `freehold deed verify NAME`.",
            file=str(piece.file),
        )
