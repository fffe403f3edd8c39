"""Builds in several files: each piece says its number and how many there are; together they must be one build."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from freehold.weights.checks import Findings
from freehold.weights.gguf.architecture import architecture_of
from freehold.weights.gguf.header import Header

# As gguf-split writes them, counted from 1: model-00002-of-00005.gguf.
_NAME = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a build of several: `number` of `count`, from 0. `said_tensors`: how many the whole build has."""

    number: int
    count: int
    said_tensors: int | None
    architecture: str | None
    tensor_names: frozenset[str]


def piece_of(header: Header, path: Path, notes: Findings) -> Piece | None:
    """The place this file says it has; None for a build of one file. Notes a place that cannot be."""
    count, number = _integer(header, "split.count"), _integer(header, "split.no") or 0
    if not count or count == 1:
        if number:
            notes.add("gguf.split.number", f"It says it is file {number:,}, counted from 0, and not of several.")
        return None
    if not 0 <= number < count:
        notes.add("gguf.split.number", f"It says it is file {number:,}, counted from 0, of {count:,}.")
        return None
    named = _NAME.fullmatch(path.name)
    if named and (int(named["number"]), int(named["count"])) != (number + 1, count):
        message = f"Its name says it is file {int(named['number'])} of {int(named['count'])}"
        notes.add("gguf.split.name", f"{message}, and it says of itself that it is file {number + 1:,} of {count:,}.")
    names = frozenset(tensor.name for tensor in header.tensors)
    return Piece(number, count, _integer(header, "split.tensors.count"), architecture_of(header), names)


def _integer(header: Header, key: str) -> int | None:
    entry = header.keys.get(key)
    return entry.value if entry is not None and isinstance(entry.value, int) else None


def check_pieces(pieces: Sequence[tuple[str, Piece]]) -> tuple[Findings, ...]:
    """What is wrong with pieces that none of them shows alone. `pieces` are (name of the file, its piece)."""
    groups: defaultdict[tuple[str, int], list[tuple[str, Piece]]] = defaultdict(list)
    for file, piece in pieces:
        named = _NAME.fullmatch(file)
        groups[named["stem"] if named else str(Path(file).parent), piece.count].append((file, piece))
    return tuple(_checked(group) for group in groups.values())


def _checked(group: list[tuple[str, Piece]]) -> Findings:
    group.sort(key=lambda each: each[1].number)
    notes, count = Findings(group[0][0]), group[0][1].count
    times = Counter(piece.number for _, piece in group)
    for number in sorted(number for number, found in times.items() if found > 1):
        notes.add("gguf.split.twice", f"File {number + 1} of {count} is here {times[number]} times.")
    missing = [number for number in range(min(count, max(times) + 2)) if number not in times]
    if len(times) < count:
        which = f", among them file {missing[0] + 1}" if missing else ""
        notes.add("gguf.split.missing", f"It is one of {count:,} files and {len(times):,} are here{which}.")
    architectures = {piece.architecture for _, piece in group if piece.architecture is not None}
    if len(architectures) > 1:
        notes.add("gguf.split.architecture", f"Its pieces are of {len(architectures)} architectures.")
    _check_tensors(group, notes, whole=len(times) == count)
    return notes


def _check_tensors(group: Sequence[tuple[str, Piece]], notes: Findings, *, whole: bool) -> None:
    once = {piece.number: piece for _, piece in group}.values()
    found = Counter(name for piece in once for name in piece.tensor_names)
    for name in sorted(name for name, times in found.items() if times > 1)[:8]:
        notes.add("gguf.split.tensor", f"Two of its pieces have the tensor {name!r}.")
    said = {piece.said_tensors for piece in once if piece.said_tensors is not None}
    held = sum(len(piece.tensor_names) for piece in once)
    if len(said) > 1 or (whole and said and said != {held}):
        numbers = " and ".join(f"{number:,}" for number in sorted(said))
        notes.add("gguf.split.total", f"Its pieces say they have {numbers} tensors together, and hold {held:,}.")
