"""What must be true of every deed beyond the types of its fields: it is held to this when it is read and when written.

Names and paths of a deed reach the disk, the terminal and commands that a person copies. So a name is one that can be
typed, a file's name is one of a folder, and files that are used in place lie together under their own names: an engine
finds the further parts of a split file by the first one's path alone. Labels are not signed, and these rules are what
bounds them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from freehold.store.deeds.record import Deed, DeedFile, TextFile
from freehold.store.layout import DEED_FILE, PAPERS_FOLDER
from freehold.store.naming import digest_of

LONGEST_NAME = 512
PARTS_OF_PAPERS = ("model", "license", "openness", "lineage")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*:[a-z0-9][a-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_KEY = re.compile(r"ed25519:[0-9a-f]{32}")
# Control characters, halves of characters, line and paragraph ends; and the marks that turn the reading direction.
_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def require_rules(deed: Deed) -> None:
    """Raise ValueError with the first rule that `deed` breaks."""
    for problem in _problems(deed):
        raise ValueError(problem)


def _problems(deed: Deed) -> Iterator[str]:
    for field, values in (("names", deed.names), ("files", deed.files)):
        if not values:
            yield f"deed.{field} is empty"
    for name in deed.names:
        if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            yield f"deed.names has one that is not model:tag as people type it: {name!r}"
    yield from _of_files(deed)
    yield from _of_places(deed)
    yield from _of_papers(deed.statement.papers or {})
    if deed.signature is not None and not _KEY.fullmatch(deed.signature.key):
        yield f"deed.signature.key is {deed.signature.key!r}"


def _of_files(deed: Deed) -> Iterator[str]:
    texts = deed.statement.texts
    files: tuple[DeedFile | TextFile, ...] = (*deed.files, *texts)
    for file in files:
        if not _is_name_in_folder(file.name):
            yield f"{file.name!r} is not the name of a file in a folder"
        if not _SHA256.fullmatch(file.sha256):
            yield f"the sha256 of {file.name} is {file.sha256!r}"
    for what, names in (("files", [file.name for file in deed.files]), ("texts", [text.name for text in texts])):
        if len(set(names)) != len(names):
            yield f"two of its {what} have one name"
    made_from = deed.statement.made_from
    if made_from is not None and not _DIGEST.fullmatch(made_from.parent):
        yield f"deed.statement.made_from.parent is {made_from.parent!r}"
    of_files = digest_of([file.sha256 for file in deed.files])
    if deed.digest != of_files:
        yield f"deed.digest is {deed.digest!r}, and its files make {of_files}"


def _of_places(deed: Deed) -> Iterator[str]:
    places = deed.labels.places
    if not places:
        return
    if places.keys() != {file.name for file in deed.files}:
        yield "deed.labels.places names other files than the deed"
    for name, place in places.items():
        if not Path(place).is_absolute() or Path(place).name != name or _is_odd(place):
            yield f"{place!r} is not where {name!r} can lie"
    if len({Path(place).parent for place in places.values()}) > 1:
        yield "its files are in several folders"


def _of_papers(papers: Mapping[str, Any]) -> Iterator[str]:
    for part in PARTS_OF_PAPERS:
        if papers.get(part) is not None and not isinstance(papers[part], Mapping):
            yield f"deed.statement.papers.{part} is no object"


def _is_name_in_folder(name: str) -> bool:
    taken = {"", ".", "..", DEED_FILE, PAPERS_FOLDER}
    return name.casefold() not in taken and "/" not in name and not _is_odd(name)


def _is_odd(text: str) -> bool:
    return any(unicodedata.category(each) in _UNSEEN or each in _TURNING for each in text)
