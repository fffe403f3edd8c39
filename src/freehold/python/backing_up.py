"""A backup of a house while it runs: one file that holds what cannot be had again.

The house goes on serving; only what is kept of requests is not erased meanwhile. What is taken is consistent because of
the order it is read in: first the ledger, up to the record that a checkpoint names, then everything that a record can
name. A key is never taken out of its file and an override never out of its, so what the ledger speaks of is there.
Everything else (deeds, trials, records of machines) is replaced in one step when it changes, and is read as it was
before or after.

Not in it: secrets of the environment, the workers' logs, downloads under way, and, unless they are asked for, the
weights, the private key, and the key that opens what is kept of requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from freehold import __version__
from freehold.core.errors import LedgerError, NotFoundError, StoreError
from freehold.core.ports import Progress
from freehold.core.settings import Settings, load_despite_errors, require_readable
from freehold.egress.record import FOLDER
from freehold.ledger.checkpoint import Checkpoint
from freehold.ledger.content.current import keys_of
from freehold.ledger.content.note import ERASING
from freehold.ledger.content.places import FOLDER as CONTENT_FOLDER
from freehold.ledger.content.places import places as content_places
from freehold.ledger.content.places import read_about
from freehold.ledger.content.turns import left_alone
from freehold.ledger.content.unnamed import FILE as UNNAMED
from freehold.ledger.record import hash_of
from freehold.ledger.recover import record_of
from freehold.ledger.segments import lines, segments
from freehold.ledger.verdict import Finding
from freehold.ledger.verify import verify
from freehold.python import backup_form as form
from freehold.python.ledger import Made, checkpoint_of, make_checkpoints, with_content
from freehold.store.bundles import unaided
from freehold.store.bundles.packing import Piece, pack, refuse_existing, sealed
from freehold.store.deeds.canonical import canonical
from freehold.store.deeds.document import document
from freehold.store.deeds.presence import file_path, sha256_of
from freehold.store.deeds.record import Deed
from freehold.store.index import scan
from freehold.store.layout import DEED_FILE, PAPERS_FOLDER
from freehold.store.overrides import FILE_NAME
from freehold.store.store import Store


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a backup is to hold beyond what it always does. `ledger` False leaves the ledger out."""

    weights: bool = False
    private_key: bool = False
    ledger: bool = True
    content_key: bool = False


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A backup that was written. `key` signed it, None where the house has none; `checkpoint` is where its ledger ends,
    None without one; `left_out` says what could not be read and is not in it, `content_findings` what is wrong with
    what is kept of requests, and comes back as it is."""

    path: Path
    size_bytes: int
    builds: int
    key: str | None
    checkpoint: Checkpoint | None
    has_private_key: bool
    has_content_key: bool
    left_out: tuple[str, ...]
    content_findings: tuple[Finding, ...]


def back_up(out: Path, wanted: Wanted, *, progress: Progress, overwrite: bool = False) -> BackedUp:
    """Write a backup of the house of this folder and environment to `out`, for its owner alone (0600).

    Raises SettingsError where no word of freehold.toml can be read, which may say where the ledger lies, CallError,
    NotFoundError where there is no home, LedgerError for a ledger that is not whole, HouseKeyError,
    BuildChangedError, NoSpaceError and other StoreErrors; nothing is left then.
    """
    refuse_existing(out, replace=overwrite)
    require_readable()
    settings = load_despite_errors()
    if not settings.home.is_dir():
        raise NotFoundError("home", str(settings.home), text=f"There is no house at {settings.home}: nothing to keep.")
    work = _Backup(settings, Store.of(settings), wanted)
    with work.content_left_alone():
        with _reading(settings.home):
            checkpoint, pieces, findings, unwhole = work.ledger()
            found = scan(work.store.layout)
            pieces = [*pieces, *work.house(), *(piece for deed in found.deeds for piece in work.build(deed))]
        manifest = work.manifest(checkpoint, found.deeds, pieces)
        first = Piece.of(unaided.MANIFEST, sealed(manifest, work.store.keys, form.CONTEXT))
        size_bytes = pack(out, [first, *pieces], progress, replace=overwrite, mode=0o600)
    members = {piece.path for piece in pieces}
    private, opens = form.PRIVATE_KEY in members, form.CONTENT_KEY in members
    left_out = [*unwhole, *(str(problem.message) for problem in found.problems)]
    if not opens and any(path.startswith(form.CONTENT) for path in members):
        left_out.append("keys/content.key, which alone opens what was kept of requests: keep a copy apart.")
    own = work.store.keys.own()
    return BackedUp(out, size_bytes, len(found.deeds), own, checkpoint, private, opens, tuple(left_out), findings)


class _Ledger(NamedTuple):
    """The checkpoint of the house's own chain, made now, the records of every chain up to its with what is kept beside
    them, and what is wrong with that: it is said and taken along, since a content that is lost must not cost the
    backup. `left_out` are the chains of processes without a house that are not whole."""

    checkpoint: Checkpoint | None = None
    pieces: Sequence[Piece] = ()
    findings: tuple[Finding, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Backup:
    settings: Settings
    store: Store
    wanted: Wanted

    def ledger(self) -> _Ledger:
        """Raises LedgerError."""
        if not self.wanted.ledger:
            return _Ledger()
        try:
            made, unwhole = make_checkpoints()
        except NotFoundError:
            return _Ledger()
        except LedgerError as error:
            hint = f"{error.hint} Without the ledger: --no-ledger, and keep a copy of its folder as it is."
            raise LedgerError(error.message, hint=hint) from error
        pieces = [
            *(piece for each in made for piece in _chain(each)),
            *_content(self._content_folder),
            *self._egress(self.settings.ledger_folder / FOLDER),
        ]
        left = tuple(f"{each.folder}, a chain that is not whole: `freehold ledger verify`" for each in unwhole)
        own = next((each for each in made if each.looked.number is None), None)
        if own is None:
            return _Ledger(None, pieces, (), left)
        return _Ledger(own.checkpoint, pieces, tuple(with_content(own.looked).verdict.findings), left)

    @property
    def _content_folder(self) -> Path:
        return self.settings.ledger_folder / CONTENT_FOLDER

    @contextmanager
    def content_left_alone(self) -> Iterator[None]:
        """Nothing that is kept is erased while it is read. Raises LedgerError."""
        with left_alone(self._content_folder) if self._content_folder.is_dir() else nullcontext():
            yield

    def _egress(self, folder: Path) -> Iterator[Piece]:
        """The record of egress, a chain of its own, up to a checkpoint of its own. Raises LedgerError."""
        if segments(folder):
            checkpoint = checkpoint_of(folder, verify(folder), self.store.keys)
            yield from _records(form.EGRESS, folder, checkpoint)
            yield Piece.of(form.EGRESS_CHECKPOINT, checkpoint.text.encode())

    def house(self) -> Iterator[Piece]:
        """Settings, keys, overrides and what was measured."""
        home, keys, settings = self.settings.home, self.store.keys, self.settings.file
        places = {form.KEY_BOOK: home / form.KEY_BOOK, form.PUBLIC_KEY: keys.public_path}
        if settings is not None:
            places[form.SETTINGS] = settings
        if self.wanted.content_key:
            places[form.CONTENT_KEY] = home / form.CONTENT_KEY
        if self.wanted.private_key:
            places[form.PRIVATE_KEY] = keys.private_path
        for key, file in keys.trusted().items():
            places[f"{form.TRUSTED}/{key.partition(':')[2]}.pub"] = file
        for file in (*sorted(home.glob("machines/*.json")), *sorted(home.glob("trials/*/*.json"))):
            places[str(file.relative_to(home))] = file
        for path, file in places.items():
            if file.exists() and form.BACKUP.is_path(path):
                yield Piece.of(path, file.read_bytes())
        overrides = home / FILE_NAME
        if overrides.exists():  # whole lines: one may be on its way
            data = overrides.read_bytes()
            yield Piece.of(form.OVERRIDES, data[: data.rfind(b"\n") + 1])

    def build(self, deed: Deed) -> Iterator[Piece]:
        """One build's deed and papers, and its weights where they are wanted."""
        folder = self.store.layout.build(deed.digest)
        into = f"{form.BUILDS if self.wanted.weights else form.DEEDS}/{deed.digest.removeprefix('sha256:')}"
        if self.wanted.weights:  # they travel along, wherever they lie here
            carried = replace(deed, labels=replace(deed.labels, places={}))
            yield Piece.of(f"{into}/{DEED_FILE}", (canonical(document(carried)) + "\n").encode())
        else:
            yield Piece.of(f"{into}/{DEED_FILE}", (folder / DEED_FILE).read_bytes())
        for text in deed.statement.texts:
            path = folder / PAPERS_FOLDER / text.name
            yield Piece(f"{into}/{PAPERS_FOLDER}/{text.name}", text.size_bytes, text.sha256, file=path)
        for file in deed.files if self.wanted.weights else ():
            yield Piece(f"{into}/{file.name}", file.size_bytes, file.sha256, file=file_path(folder, deed, file))

    def manifest(
        self, checkpoint: Checkpoint | None, deeds: tuple[Deed, ...], pieces: list[Piece]
    ) -> dict[str, object]:
        return {
            "version": unaided.VERSION,
            "kind": form.BACKUP.word,
            "freehold": __version__,
            "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "weights": self.wanted.weights,
            "ledger": None if checkpoint is None else {"chain": checkpoint.chain, "record": checkpoint.record},
            "builds": [{"name": deed.names[0], "digest": deed.digest} for deed in deeds],
            "members": [piece.named for piece in pieces],
        }


@contextmanager
def _reading(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{error.filename or home} cannot be read: {error.strerror}.",
            hint="Make the backup as the account that runs the house.",
        ) from error


def _chain(made: Made) -> Iterator[Piece]:
    """The house's own chain, or one of a process that answered without a house."""
    folder, number = made.looked.folder, made.looked.number
    into = form.LEDGER if number is None else form.local_chain(number)
    yield from _records(into, folder, made.checkpoint)
    yield from (_as_it_lies(f"{into}/{path.name}", path) for path in folder.glob("torn-*"))
    place = form.CHECKPOINT if number is None else form.local_checkpoint(number)
    yield Piece.of(place, made.checkpoint.text.encode())


def _records(into: str, folder: Path, checkpoint: Checkpoint) -> Iterator[Piece]:
    """Every segment up to the record of `checkpoint`: whole ones by their file, the last by its lines until there."""
    paths = segments(folder)
    firsts = [int(path.stem.removeprefix("records-")) for path in paths]
    kept = [path for path, first in zip(paths, firsts, strict=True) if first <= checkpoint.record]
    for path in kept[:-1]:
        yield _as_it_lies(f"{into}/{path.name}", path)
    size_bytes = 0
    for line in lines(kept[-1]):
        size_bytes += len(line)
        record = record_of(line.removesuffix(b"\n"))
        if record is not None and record["seq"] == checkpoint.record and hash_of(line[:-1]) == checkpoint.head:
            with kept[-1].open("rb") as file:
                yield Piece.of(f"{into}/{kept[-1].name}", file.read(size_bytes))
            return
    raise LedgerError(
        f"{kept[-1]} changed while it was being read: record {checkpoint.record:,} is not where it was.",
        hint="`freehold ledger verify` says what happened.",
    )


def _as_it_lies(into: str, path: Path) -> Piece:
    """A file that nobody writes any more, however large it is."""
    return Piece(into, path.stat().st_size, sha256_of(path), file=path)


def _content(folder: Path) -> Iterator[Piece]:
    """What is kept of requests, sealed as it lies there, the note of an erasure that was cut off, which the next start
    carries out, and the one of what no record names. The last segment may be written on: what of it is read first names
    no more than what is read after holds, and the next start finds what no record up to the checkpoint names."""
    for name in (ERASING, UNNAMED):
        if (folder / name).exists():
            yield Piece.of(f"{form.CONTENT}/{name}", (folder / name).read_bytes())
    kept = content_places(folder)
    for place in kept:
        for path in (place.about, keys_of(place, read_about(place)), place.sealed):
            if not path.exists():
                continue
            into = f"{form.CONTENT}/{path.name}"
            if place == kept[-1]:
                yield Piece.of(into, path.read_bytes())
            else:
                yield _as_it_lies(into, path)
