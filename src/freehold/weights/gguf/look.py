"""One look at a GGUF file: everything that is wrong with it, what it is, and the texts that others judge.

`check_gguf` never raises for what a file holds; `read_facts` and `read_split` refuse what a look finds wrong. No look
reads the tensors, so it takes as long for twenty gigabytes as for twenty megabytes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from freehold.core.builds import WeightFacts
from freehold.core.errors import WeightsError
from freehold.weights.checks import Findings, Stopped
from freehold.weights.formats import is_zip_end
from freehold.weights.gguf.architecture import architecture_of, check_architecture
from freehold.weights.gguf.cursor import Cursor
from freehold.weights.gguf.facts import TEMPLATE, facts_of, text
from freehold.weights.gguf.header import Header, read_header
from freehold.weights.gguf.key_types import check_types
from freehold.weights.gguf.layout import check_layout, check_rest
from freehold.weights.gguf.outline import Outline, outline_of
from freehold.weights.gguf.splits import Piece, check_pieces, piece_of
from freehold.weights.gguf.tokenizer import check_tokenizer
from freehold.weights.gguf.values import Array
from freehold.weights.identify import LOOKED_AT_BYTES
from freehold.weights.report import Finding

# What is found where a file ends before its header does.
_TOO_SHORT = frozenset(
    {"gguf.header.truncated", "gguf.string.length", "gguf.array.length", "gguf.count.tensors", "gguf.count.keys"}
)

Metadata = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GgufLook:
    """What one file is and what is wrong with it.

    `facts` are None where something wrong kept them from being read. `templates` are the texts of every
    `tokenizer.chat_template*` by key, `metadata` the values of `general.*` and `quantize.*` by key, as the file
    states them. `piece` is None for a file that stands alone.
    """

    file: str
    findings: tuple[Finding, ...] = ()
    undecided: tuple[Finding, ...] = ()
    facts: WeightFacts | None = None
    templates: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Metadata] = field(default_factory=dict)
    piece: Piece | None = None


@dataclass(frozen=True, slots=True)
class SplitLook:
    """What is wrong with files that belong together and with none of them alone."""

    findings: tuple[Finding, ...] = ()
    undecided: tuple[Finding, ...] = ()


def check_gguf(path: Path) -> GgufLook:
    """Look at one file, by itself. It never raises for what a file holds. Findings name the file as `path` does."""
    notes = Findings(str(path))
    header, piece = _looked(path, notes)
    if header is None:
        return GgufLook(notes.file, notes.found, notes.undecided)
    sound = not notes.refused and not notes.undecided
    return GgufLook(
        file=notes.file,
        findings=notes.found,
        undecided=notes.undecided,
        facts=facts_of(header, header.tensors) if sound else None,
        templates={key: found for key in header.keys if key.startswith(TEMPLATE) and (found := text(header, key))},
        metadata=_metadata(header),
        piece=piece,
    )


def check_splits(looks: Sequence[GgufLook]) -> SplitLook:
    """Look at all files of one place together: pieces that are missing, doubled, or of another build."""
    every = check_pieces([(look.file, look.piece) for look in looks if look.piece is not None])
    return SplitLook(
        tuple(finding for notes in every for finding in notes.found),
        tuple(finding for notes in every for finding in notes.undecided),
    )


def read_facts(path: Path) -> WeightFacts:
    """What the weight file at `path` says of itself. Raises WeightsError with what is wrong, naming the file."""
    return read_split((path,))


def read_split(paths: Sequence[Path]) -> WeightFacts:
    """The facts of a build whose tensors are spread over `paths`, in order; the first file carries the keys."""
    headers = _checked(paths)
    facts = facts_of(headers[0], [tensor for header in headers for tensor in header.tensors])
    if facts is None:
        raise _says_nothing(paths[0])
    return facts


def read_outline(paths: Sequence[Path]) -> Outline:
    """The numbers and the tensors of a build of one file or several, in order. Raises WeightsError as `read_split`, but
    for what is wrong in the strings of the token table, of which an outline says nothing: they are most of a header."""
    headers = _checked(paths, tokens=False)
    outline = outline_of(headers[0], [tensor for header in headers for tensor in header.tensors])
    if outline is None:
        raise _says_nothing(paths[0])
    return outline


def holds_header(path: Path) -> bool:
    """Whether the file's bytes hold a header to its end; also True where no further byte could make them one.

    For files of which only the beginning is there. What the header says is not judged.
    """
    notes = Findings(path.name)
    try:
        with _opened(path, notes) as (descriptor, size_bytes):
            read_header(Cursor(descriptor, size_bytes, notes), tokens=False)
    except Stopped:
        return not any(finding.check in _TOO_SHORT for finding in (*notes.found, *notes.undecided))
    return True


def _checked(paths: Sequence[Path], *, tokens: bool = True) -> list[Header]:
    """The headers of `paths`, with nothing in them or between them that is refused."""
    headers: list[Header] = []
    pieces: list[tuple[str, Piece]] = []
    for number, path in enumerate(paths):
        notes = Findings(path.name)
        header, piece = _looked(path, notes, tokens=tokens)
        if header is None:
            raise _refusal(path, notes)
        _refuse(path, notes)
        if header.order == "big":
            raise _error(path, "is a big-endian GGUF, which the engines here do not read", "Convert it.")
        _check_place(path, piece, number, len(paths))
        headers.append(header)
        pieces += [(path.name, piece)] if piece is not None else []
    for notes in check_pieces(pieces):
        _refuse(paths[0], notes)
    return headers


def _looked(path: Path, notes: Findings, *, tokens: bool = True) -> tuple[Header | None, Piece | None]:
    """The header and the place of a file, with all that is wrong in `notes`; no header where it cannot be read."""
    try:
        with _opened(path, notes) as (descriptor, size_bytes):
            cursor = Cursor(descriptor, size_bytes, notes)
            header = read_header(cursor, tokens=tokens)
            read = partial(os.pread, descriptor)
            trailing_at = check_layout(header, size_bytes, read, notes)
            trailing = b"" if trailing_at is None else read(LOOKED_AT_BYTES, trailing_at)
            archive = is_zip_end(read, size_bytes)
    except (Stopped, OSError) as error:
        if isinstance(error, OSError):
            notes.add("gguf.file.unreadable", f"It cannot be read: {error.strerror}.")
        elif notes.empty:
            notes.add("gguf.header.unread", "Its header could not be read to its end.")
        return None, None
    check_rest(trailing_at, trailing, archive, size_bytes, notes)
    check_types(header, architecture_of(header), notes)
    check_architecture(header, notes)
    check_tokenizer(header, notes)
    piece = piece_of(header, path, notes)
    if not header.tensors and piece is None:
        notes.add("gguf.tensor.none", "It holds no weights.")
    return header, piece


@contextmanager
def _opened(path: Path, notes: Findings) -> Iterator[tuple[int, int]]:
    # Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise notes.stop("gguf.file.kind", "It is not a regular file.")
        yield descriptor, found.st_size
    finally:
        os.close(descriptor)


def _metadata(header: Header) -> dict[str, Metadata]:
    found: dict[str, Metadata] = {}
    for key, entry in header.keys.items():
        if not key.startswith(("general.", "quantize.")):
            continue
        value = entry.value.texts if isinstance(entry.value, Array) else entry.value
        if value is not None:
            found[key] = value
    return found


def _check_place(path: Path, piece: Piece | None, number: int, count: int) -> None:
    said_count, said_number = (piece.count, piece.number) if piece is not None else (1, 0)
    if said_count != count:
        message = f"is one of {said_count} files and {count} are here"
        raise _error(path, message, "Pull all files of the build.")
    if said_number != number:
        raise _error(path, f"says it is file {said_number} of its build, counted from 0, and stands as {number}", "")


def _says_nothing(path: Path) -> WeightsError:
    return _error(path, "holds no weights or does not say its architecture", "")


def _refuse(path: Path, notes: Findings) -> None:
    if notes.refused or notes.undecided:
        raise _refusal(path, notes)


def _refusal(path: Path, notes: Findings) -> WeightsError:
    """The gravest of what was found, as an error."""
    found = [finding for finding in notes.found if finding.severity == "refuse"]
    first = (*found, *notes.undecided)[0]
    said = first.message.removeprefix("It ")
    message = f"{path.name} {said}" if said != first.message else f"{path.name} is refused. {said}"
    return WeightsError(message, hint=first.hint, file=path.name, check=first.check)


def _error(path: Path, what: str, hint: str) -> WeightsError:
    return WeightsError(f"{path.name} {what}.", hint=hint, file=path.name)
