"""Looks into archives without unpacking them: pickles inside, and members that would leave the folder.

Only directories are read, and of NumPy members their first bytes. A zip's directory is bounded before Python's own
reader sees it; a tar's members are walked by their headers alone.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from freehold.weights.checks import Findings
from freehold.weights.formats import TAIL_BYTES

MOST_MEMBERS = 20_000
MOST_ARRAYS = 1000
_LARGEST_DIRECTORY_BYTES = 2 << 20
_BLOCK = 512
_LONG_NAME_BYTES = 1 << 16
_NUMPY_HEAD_BYTES = 256
# What Python's reader raises for directories and members that are damaged, encrypted or packed in ways it lacks.
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, ValueError, LookupError, RuntimeError, EOFError),
    *(OSError, OverflowError),
)
_PLAIN = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin")


def check_zip(path: Path, findings: Findings) -> None:
    """Look at the directory of the zip at `path`."""
    with path.open("rb") as file:
        if _directory_bytes(file) > _LARGEST_DIRECTORY_BYTES:
            return findings.add("archive.damaged", f"Its directory is larger than {_LARGEST_DIRECTORY_BYTES:,} bytes.")
        try:
            with zipfile.ZipFile(file) as archive:
                _zip_members(archive, findings)
        except _DAMAGED as error:
            findings.add("archive.damaged", f"Its directory cannot be read: {error}.")
    return None


def _directory_bytes(file: BinaryIO) -> int:
    size_bytes = file.seek(0, 2)
    file.seek(max(0, size_bytes - TAIL_BYTES))
    tail = file.read(TAIL_BYTES)
    at = tail.rfind(b"PK\x05\x06")
    said = int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0
    # 0xFFFFFFFF stands for a zip64 record: its directory is bounded by the file then.
    return size_bytes if said == 0xFFFFFFFF else said


def _zip_members(archive: zipfile.ZipFile, findings: Findings) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    for member in members:
        link = (member.external_attr >> 16) & 0o170000 == 0o120000
        if _leaves(member.filename) or link:
            findings.add("archive.escape", f"Its member {member.filename[:200]!r} leaves the folder it is unpacked to.")
    pickled = [name for name in names if name.lower().endswith(_PICKLES)]
    if pickled:
        return findings.add("pickle.archive", f"It is a zip archive with the pickle {pickled[0][:200]!r}.")
    if {"config.json", "metadata.json"} <= set(names) or any(name.endswith(".weights.h5") for name in names):
        return findings.add("format.keras", "It is a Keras model.")
    # Not what is packed in other ways: their readers take as much memory as the file asks for.
    arrays = [each for each in members if each.filename.endswith(".npy") and each.compress_type in _PLAIN]
    for member in arrays[:MOST_ARRAYS]:
        with archive.open(member) as inner:
            check_numpy(inner.read(_NUMPY_HEAD_BYTES), findings)
    if not findings.found:
        findings.add("archive.unopened", f"It is a zip archive of {len(names):,} members.")
    return None


def check_numpy(head: bytes, findings: Findings) -> None:
    """Look at the first bytes of a NumPy file: an array of objects is a pickle."""
    start = head[8:_NUMPY_HEAD_BYTES]
    if b"'|O'" in start or b"'O'" in start or b'"|O"' in start or b"object" in start:
        findings.add("pickle.numpy", "It is a NumPy file of pickled objects.")


def check_tar(path: Path, findings: Findings) -> None:
    """Look at the headers of the uncompressed tar at `path`."""
    with path.open("rb") as file:
        for number, (name, target) in enumerate(_tar_members(file)):
            if number >= MOST_MEMBERS:
                return findings.add("archive.damaged", f"It has more than {MOST_MEMBERS:,} members.")
            if _leaves(name) or (target is not None and _leaves(target)):
                findings.add("archive.escape", f"Its member {name[:200]!r} leaves the folder it is unpacked to.")
            elif name.lower().endswith(_PICKLES):
                findings.add("pickle.archive", f"It is a tar archive with the pickle {name[:200]!r}.")
    if not findings.found:
        findings.add("archive.unopened", "It is a tar archive.")
    return None


def _tar_members(file: BinaryIO) -> Iterator[tuple[str, str | None]]:
    """Name and link target of each member, up to the first block that is no header. Long names (GNU's type L and K,
    POSIX's x) come in a member of their own, whose text is given as a name too."""
    while len(block := file.read(_BLOCK)) == _BLOCK and block[257:262] == b"ustar":
        size_bytes, kind = _octal(block[124:136]), block[156:157]
        held = file.tell()
        if kind in b"LKxg":
            yield from ((line, None) for line in _long_names(file.read(min(size_bytes, _LONG_NAME_BYTES))))
        else:
            prefix, name = _text(block[345:500]), _text(block[:100])
            yield (f"{prefix}/{name}" if prefix else name), (_text(block[157:257]) if kind in b"12" else None)
        file.seek(held + -(-size_bytes // _BLOCK) * _BLOCK)


def _long_names(data: bytes) -> Iterator[str]:
    for line in data.decode("utf-8", "replace").replace("\0", "\n").splitlines():
        key, is_pair, value = line.partition("=")
        if not is_pair:
            yield line
        elif key.endswith(("path", "linkpath")):
            yield value


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    return int(digits, 8) if digits and all(48 <= digit <= 55 for digit in digits) else 0


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _leaves(name: str) -> bool:
    """True where unpacking `name` would write outside: absolute, a drive, or a part that goes up."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or ":" in name[:3]
