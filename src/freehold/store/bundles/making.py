"""Makes a bundle: the deeds and files of held builds, and the wheels that run them, in one tar with a manifest first.

Equal builds, wheels and key give equal bytes: there is no date in it, and no owner. Every weight file is hashed while
it is written and held to its deed. Of a deed the statement travels as it is, with its signature; of its labels the
names alone, because the other places a house asked are its own business.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from freehold import __version__
from freehold.core.builds import HeldBuild
from freehold.core.errors import CallError
from freehold.core.ports import Progress
from freehold.store.bundles import unaided
from freehold.store.bundles.makers import CONTEXT
from freehold.store.bundles.packing import Piece, pack, refuse_existing, sealed
from freehold.store.bundles.wheels import WheelsFor
from freehold.store.deeds.canonical import canonical
from freehold.store.deeds.document import document
from freehold.store.deeds.presence import file_path, sha256_of
from freehold.store.deeds.record import Deed, Labels
from freehold.store.layout import DEED_FILE, PAPERS_FOLDER
from freehold.store.store import Store

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
    first = sealed(manifest, store.keys, CONTEXT)
    size_bytes = pack(out, [Piece.of(unaided.MANIFEST, first), *pieces], progress, replace=replace)
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


def _helpers() -> Iterator[Piece]:
    here = resources.files(__package__)
    yield Piece.of("README.txt", (here / "README.txt").read_bytes())
    yield Piece.of("open.py", (here / "unaided.py").read_bytes())


def _wheels(wheels: Wheels | None) -> Iterator[Piece]:
    for path in sorted(wheels.folder.glob("*.whl")) if wheels else ():
        yield Piece(f"wheels/{path.name}", path.stat().st_size, sha256_of(path), file=path)


def _build(store: Store, deed: Deed) -> Iterator[Piece]:
    folder, into = store.layout.build(deed.digest), f"builds/{deed.digest.removeprefix('sha256:')}"
    carried = dataclasses.replace(deed, labels=Labels(deed.names, deed.labels.named_at))
    yield Piece.of(f"{into}/{DEED_FILE}", (canonical(document(carried)) + "\n").encode())
    for text in deed.statement.texts:
        path = folder / PAPERS_FOLDER / text.name
        yield Piece(f"{into}/{PAPERS_FOLDER}/{text.name}", text.size_bytes, text.sha256, file=path)
    for file in deed.files:
        yield Piece(f"{into}/{file.name}", file.size_bytes, file.sha256, file=file_path(folder, deed, file))
