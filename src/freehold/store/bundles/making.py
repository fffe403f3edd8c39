"""Makes a bundle: the deeds and files of held builds, and the wheels that run them, in one tar with a manifest first.

Equal builds, wheels and key give equal bytes: there is no date in it, and no owner. Every weight file is hashed while
it is written and held to its deed. Of a deed the statement travels as it is, with its signature; of its labels the
names alone, because the other places a house asked are its own business.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import IO

from freehold import __version__
from freehold.core.builds import HeldBuild
from freehold.core.errors import BuildChangedError, CallError
from freehold.core.ports import Progress
from freehold.store.bundles import unaided
from freehold.store.bundles.makers import CONTEXT
from freehold.store.bundles.wheels import WheelsFor
from freehold.store.deeds.canonical import canonical
from freehold.store.deeds.document import document
from freehold.store.deeds.presence import file_path, sha256_of
from freehold.store.deeds.record import Deed, Labels
from freehold.store.durable import require_space, sync_folder, writing
from freehold.store.layout import DEED_FILE, PAPERS_FOLDER
from freehold.store.store import Store

_STEP_BYTES = 1 << 20
NO_TEXT = "no license text came with these weights, and whoever packed them had added none"


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle that was written. `key` is the fingerprint of the key that signed it, `manifest_sha256` its seal,
    `without_text` the builds of which it has no license text."""

    path: Path
    size_bytes: int
    manifest_sha256: str
    builds: tuple[str, ...]
    wheels: int
    key: str | None
    without_text: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wheels:
    """A folder of wheels, and what they are for."""

    folder: Path
    made_for: WheelsFor


@dataclass(frozen=True, slots=True)
class _Piece:
    """One member: small content at hand, or a file to be read. The hash and the size are the ones to be named."""

    path: str
    size_bytes: int
    sha256: str
    content: bytes | None = None
    file: Path | None = None

    @classmethod
    def of(cls, path: str, content: bytes) -> _Piece:
        return cls(path, len(content), hashlib.sha256(content).hexdigest(), content=content)

    @property
    def named(self) -> dict[str, str | int]:
        return {"path": self.path, "size_bytes": self.size_bytes, "sha256": self.sha256}


def refuse_existing(out: Path, *, replace: bool) -> None:
    """Raise CallError where `out` is there and not to be replaced, or cannot be a file."""
    if out.is_dir():
        raise CallError(f"{out} is a folder.", hint=f"Name a file: -o {out / 'house.tar'}", file=str(out))
    if os.path.lexists(out) and not replace:
        raise CallError(
            f"{out} is there already, and is left as it is.",
            hint="Name another file, or replace it: --force.",
            file=str(out),
        )


def make(
    builds: Sequence[HeldBuild],
    wheels: Wheels | None,
    out: Path,
    *,
    store: Store,
    progress: Progress,
    replace: bool = False,
) -> Made:
    """Write `builds`, which `store` has found, into one bundle at `out`, in one step. `replace`: what is there goes.

    Raises CallError, BuildChangedError, HouseKeyError, NoSpaceError and other StoreErrors; nothing is left then.
    """
    refuse_existing(out, replace=replace)
    unique = {build.digest: build for build in builds}
    if not unique:
        raise CallError("A bundle needs a build.", hint="freehold bundle make MODEL -o house.tar")
    pieces = [*_helpers(), *_wheels(wheels)]
    deeds = {build.digest: store.deed(build) for build in unique.values()}
    for digest in sorted(deeds):
        pieces += _build(store, deeds[digest])
    manifest = {
        "version": unaided.VERSION,
        "freehold": __version__,
        "builds": [_summary(build, deeds[build.digest]) for build in unique.values()],
        "wheels": wheels.made_for.shown() if wheels else None,
        "members": [piece.named for piece in pieces],
    }
    first = _envelope(store, manifest)
    size_bytes = unaided.span(unaided.MANIFEST, len(first)) + len(unaided.END)
    size_bytes += sum(unaided.span(piece.path, piece.size_bytes) for piece in pieces)
    _write(out, [_Piece.of(unaided.MANIFEST, first), *pieces], size_bytes, progress, replace=replace)
    return Made(
        path=out,
        size_bytes=size_bytes,
        manifest_sha256=hashlib.sha256(unaided.canonical(manifest).encode()).hexdigest(),
        builds=tuple(build.name for build in unique.values()),
        wheels=sum(piece.path.startswith("wheels/") for piece in pieces),
        key=store.keys.own(),
        without_text=tuple(build.name for build in unique.values() if not deeds[build.digest].statement.texts),
    )


def _summary(build: HeldBuild, deed: Deed) -> dict[str, object]:
    texts = [text.name for text in deed.statement.texts]
    note = None if texts else NO_TEXT
    return {
        "name": build.name,
        "digest": build.digest,
        "license": build.license,
        "license_texts": texts,
        "license_note": note,
    }


def _envelope(store: Store, manifest: dict[str, object]) -> bytes:
    if not store.keys.has_own:
        return unaided.envelope(manifest, None, None)
    signature = store.keys.sign(unaided.canonical(manifest), CONTEXT)
    return unaided.envelope(manifest, asdict(signature), store.keys.export())


def _helpers() -> Iterator[_Piece]:
    here = resources.files(__package__)
    yield _Piece.of("README.txt", (here / "README.txt").read_bytes())
    yield _Piece.of("open.py", (here / "unaided.py").read_bytes())


def _wheels(wheels: Wheels | None) -> Iterator[_Piece]:
    for path in sorted(wheels.folder.glob("*.whl")) if wheels else ():
        yield _Piece(f"wheels/{path.name}", path.stat().st_size, sha256_of(path), file=path)


def _build(store: Store, deed: Deed) -> Iterator[_Piece]:
    folder, into = store.layout.build(deed.digest), f"builds/{deed.digest.removeprefix('sha256:')}"
    carried = dataclasses.replace(deed, labels=Labels(deed.names, deed.labels.named_at))
    yield _Piece.of(f"{into}/{DEED_FILE}", (canonical(document(carried)) + "\n").encode())
    for text in deed.statement.texts:
        path = folder / PAPERS_FOLDER / text.name
        yield _Piece(f"{into}/{PAPERS_FOLDER}/{text.name}", text.size_bytes, text.sha256, file=path)
    for file in deed.files:
        yield _Piece(f"{into}/{file.name}", file.size_bytes, file.sha256, file=file_path(folder, deed, file))


def _write(out: Path, pieces: Sequence[_Piece], size_bytes: int, progress: Progress, *, replace: bool) -> None:
    # Its own name: two that write the same bundle at once must not write into one file.
    fresh, task = out.with_name(f"{out.name}.{os.getpid()}.unfinished"), f"writing {out.name}"
    with writing(out.parent):
        require_space(out.parent, unpacked_bytes=size_bytes)
    progress.start(task, total_bytes=size_bytes)
    try:
        with writing(out.parent), fresh.open("wb") as file:
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


def _copy(piece: _Piece, out: IO[bytes], progress: Progress, task: str) -> None:
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
