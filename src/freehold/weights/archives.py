"""Looks into archives without unpacking them: pickles inside, and members that would leave the folder.

Only directories are read, and of NumPy members their first bytes. Python's own reader of zip archives gets no more
bytes at once than a directory may have; a tar's members are walked by their headers alone.
"""

from __future__ import annotations

import ast
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from freehold.weights.checks import Findings
from freehold.weights.formats import TAR_BLOCK_BYTES, is_tar_header

MOST_MEMBERS = 20_000
MOST_ARRAYS = 1000
_LARGEST_DIRECTORY_BYTES = 2 << 20
_LONG_NAME_BYTES = 1 << 16
_ALL_LONG_NAMES_BYTES = 8 << 20
# NumPy itself reads no header of more than 10,000 bytes (numpy.lib.format, max_header_size).
NUMPY_HEAD_BYTES = 10_016
_LOCAL_BYTES = 30
_LARGEST_MEMBER_BYTES = 1 << 40
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
        try:
            with zipfile.ZipFile(_Bounded(file)) as archive:
                _zip_members(archive, file, findings)
        except _DAMAGED as error:
            findings.add("archive.damaged", f"Its directory cannot be read: {error}.")


class _Bounded:
    """A file of which nobody gets more at once than a directory may have: an end record can ask for all of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, nbytes: int = -1) -> bytes:
        wanted = nbytes if 0 <= nbytes <= _LARGEST_DIRECTORY_BYTES else _LARGEST_DIRECTORY_BYTES + 1
        data = self._file.read(wanted)
        if len(data) > _LARGEST_DIRECTORY_BYTES:
            raise ValueError(f"more than {_LARGEST_DIRECTORY_BYTES:,} bytes of it would have to be read at once")
        return data


def _zip_members(archive: zipfile.ZipFile, file: BinaryIO, findings: Findings) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    for member in members:
        link = (member.external_attr >> 16) & 0o170000 == 0o120000
        if _leaves(member.filename) or link:
            findings.add("archive.escape", f"Its member {member.filename[:200]!r} leaves the folder it is unpacked to.")
        if (other := _other_name(member, file)) is not None:
            what = f"Its member {member.filename[:200]!r} is called {other[:200]!r} at the place where it lies."
            findings.add("archive.damaged", what)
    pickled = [name for name in names if name.lower().endswith(_PICKLES)]
    if pickled:
        return findings.add("pickle.archive", f"It is a zip archive with the pickle {pickled[0][:200]!r}.")
    if {"config.json", "metadata.json"} <= set(names) or any(name.endswith(".weights.h5") for name in names):
        return findings.add("format.keras", "It is a Keras model.")
    # Not what is packed in other ways: their readers take as much memory as the file asks for.
    arrays = [each for each in members if each.filename.endswith(".npy") and each.compress_type in _PLAIN]
    for member in arrays[:MOST_ARRAYS]:
        with archive.open(member) as inner:
            check_numpy(inner.read(NUMPY_HEAD_BYTES), findings)
    if not findings.found:
        findings.add("archive.unopened", f"It is a zip archive of {len(names):,} members.")
    return None


def _other_name(member: zipfile.ZipInfo, file: BinaryIO) -> str | None:
    """The name that stands before the member's data, where that is another than the directory's: programs that read
    from the front see that one."""
    file.seek(member.header_offset)
    start = file.read(_LOCAL_BYTES)
    name = file.read(int.from_bytes(start[26:28], "little"))
    is_same = name == member.orig_filename.encode("utf-8" if member.flag_bits & 0x800 else "cp437", "replace")
    return None if start.startswith(b"PK\x03\x04") and is_same else name.decode("utf-8", "replace")


def check_numpy(head: bytes, findings: Findings) -> bool:
    """Look at the first bytes of a NumPy file: an array of objects is a pickle. True for an array of numbers; False
    with nothing found where that cannot be told."""
    try:
        size = int.from_bytes(head[8:10] if head[6] == 1 else head[8:12], "little")
        start = 10 if head[6] == 1 else 12
        described = head[start : start + size].decode("latin-1")
        # Escapes could hide a letter.
        is_told = 1 <= head[6] <= 3 and len(described) == size and "\\" not in described
        kinds = list(_strings(ast.literal_eval(described)["descr"])) if is_told else []
    except (ValueError, SyntaxError, LookupError, TypeError, RecursionError, MemoryError):
        return False
    if any("O" in kind or "object" in kind for kind in kinds):
        findings.add("pickle.numpy", "It is a NumPy file of pickled objects.")
    return bool(kinds) and not findings.found


def _strings(descr: Any) -> Iterator[str]:
    """The types in the description of an array: one, or one a field beside the field's name."""
    if isinstance(descr, str):
        yield descr
    elif isinstance(descr, list):
        for field in descr:
            yield from _strings(field[1])
    elif isinstance(descr, tuple):
        yield from _strings(descr[0])
    else:
        raise ValueError("no type")


def check_tar(path: Path, findings: Findings) -> None:
    """Look at the headers of the uncompressed tar at `path`."""
    with path.open("rb") as file:
        try:
            for number, (name, target) in enumerate(_tar_members(file)):
                if number >= MOST_MEMBERS:
                    raise ValueError(f"more than {MOST_MEMBERS:,} members")
                if _leaves(name) or (target is not None and _leaves(target)):
                    what = f"Its member {name[:200]!r} leaves the folder it is unpacked to."
                    findings.add("archive.escape", what)
                elif name.lower().endswith(_PICKLES):
                    findings.add("pickle.archive", f"It is a tar archive with the pickle {name[:200]!r}.")
        except ValueError as error:
            findings.add("archive.damaged", f"It has {error}.")
    if not findings.found:
        findings.add("archive.unopened", "It is a tar archive.")
    return


def _tar_members(file: BinaryIO) -> Iterator[tuple[str, str | None]]:
    """Name and link target of each member, up to the first block that is no header. Long names (GNU's type L and K,
    POSIX's x) come in a member of their own, whose text is given as a name too. Raises ValueError for too many."""
    left_bytes = _ALL_LONG_NAMES_BYTES
    while len(block := file.read(TAR_BLOCK_BYTES)) == TAR_BLOCK_BYTES and is_tar_header(block):
        size_bytes, kind = _octal(block[124:136]), block[156:157]
        held = file.tell()
        if kind in b"LKxg":
            left_bytes -= min(size_bytes, _LONG_NAME_BYTES)
            if left_bytes < 0:
                raise ValueError(f"long names of more than {_ALL_LONG_NAMES_BYTES:,} bytes")
            yield from ((line, None) for line in _long_names(file.read(min(size_bytes, _LONG_NAME_BYTES))))
        else:
            prefix, name = _text(block[345:500]), _text(block[:100])
            yield (f"{prefix}/{name}" if prefix else name), (_text(block[157:257]) if kind in b"12" else None)
        file.seek(held + -(-size_bytes // TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES)


def _long_names(data: bytes) -> Iterator[str]:
    for line in data.decode("utf-8", "replace").replace("\0", "\n").splitlines():
        key, is_pair, value = line.partition("=")
        if not is_pair:
            yield line
        elif key.endswith(("path", "linkpath")):
            yield value


def _octal(field: bytes) -> int:
    if field[0] & 0x80:  # a number of bytes, as GNU's tar writes those that are too long for digits
        return min(int.from_bytes(field[1:]), _LARGEST_MEMBER_BYTES)
    digits = field.strip(b" \0")
    return int(digits, 8) if digits and all(48 <= digit <= 55 for digit in digits) else 0


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _leaves(name: str) -> bool:
    """True where unpacking `name` would write outside: absolute, a drive, or a part that goes up."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or ":" in name[:3]
