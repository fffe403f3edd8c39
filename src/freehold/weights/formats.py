"""Recognizes what a file is by its bytes, never by its name: `recognize`.

It looks at the beginning, and at the end for a zip archive's directory, because a zip is read from its end and can
carry any other file before it. Pickles of protocols 0 and 1 have no magic: they are known by their first operations.
One that begins with thousands of bytes that do nothing is not known; its file is of no format that can be judged then.
"""

from __future__ import annotations

import io
import pickletools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

Format = Literal[
    "gguf", "safetensors", "pickle", "zip", "tar", "compressed", "numpy", "hdf5", "program", "pointer", "json", "text",
    "empty",
]  # fmt: skip

HEAD_BYTES = 4096
# A zip's end record: 22 bytes and a comment of at most 65,535 (PKWARE appnote, 4.3.16).
_ZIP_ENTRY = b"PK\x01\x02"
_ZIP_END = b"PK\x05\x06"
_ZIP_END_BYTES = 22
# Where an end record has no room for the numbers, a locator before it says where a larger one is (4.3.14, 4.3.15).
_ZIP64_LOCATOR = b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES = 20
_ZIP64_END_BYTES = 56
TAR_BLOCK_BYTES = 512
TAIL_BYTES = _ZIP_END_BYTES + 65_535
_LARGEST_OPCODES = 2000

_MAGICS: tuple[tuple[bytes, Format], ...] = (
    (b"GGUF", "gguf"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x93NUMPY", "numpy"),
    (b"version https://git-lfs.github.com/spec/", "pointer"),
    (b"\x1f\x8b", "compressed"),
    (b"(\xb5/\xfd", "compressed"),
    (b"\xfd7zXZ\x00", "compressed"),
    (b"BZh", "compressed"),
    (b"7z\xbc\xaf\x27\x1c", "compressed"),
    (b"Rar!\x1a\x07", "compressed"),
    (b"\x7fELF", "program"),
    (b"\xcf\xfa\xed\xfe", "program"),
    (b"\xca\xfe\xba\xbe", "program"),
    (b"#!", "program"),
)
_HDF5 = b"\x89HDF\r\n\x1a\n"
# Whatever a program puts before an HDF5 file takes 512 bytes or a power of two above (format specification, II.A).
_HDF5_PLACES = (512, 1024, 2048)
_PICKLE_START = re.compile(rb"\x80[\x00-\x05]")
_PROGRAM_MZ = re.compile(rb"MZ.{58}", re.DOTALL)
_IMPORTS = frozenset({"GLOBAL", "STACK_GLOBAL", "INST"})


@dataclass(frozen=True, slots=True)
class Recognized:
    """What a file is by its first bytes (None: nothing that is known here), and whether it is a zip by its end."""

    format: Format | None
    zip_at_end: bool


def recognize(file: BinaryIO, size_bytes: int) -> Recognized:
    """What `file` of `size_bytes` is. Reads at most its first 4 kB and its last 64 kB."""
    file.seek(0)
    head = file.read(HEAD_BYTES)

    def read(nbytes: int, place: int) -> bytes:
        file.seek(place)
        return file.read(nbytes)

    return Recognized(format_of(head), is_zip_end(read, size_bytes))


def format_of(head: bytes) -> Format | None:
    """The format that the first bytes of a file show."""
    if not head:
        return "empty"
    acts = acts_as_pickle(head)
    # Before the magics: the length of a header can spell the first bytes of a pickle or of a program.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**32 and not acts:
        return "safetensors"
    for magic, name in _MAGICS:
        if head.startswith(magic):
            return name
    if acts or _PICKLE_START.match(head):
        return "pickle"
    if is_tar_header(head[:TAR_BLOCK_BYTES]):
        return "tar"
    if head.startswith(_HDF5) or any(head[place:].startswith(_HDF5) for place in _HDF5_PLACES):
        return "hdf5"
    if _PROGRAM_MZ.match(head):
        return "program"
    return _kind_of_text(head)


def _kind_of_text(head: bytes) -> Format | None:
    if b"\0" in head:
        return None
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The last character may be cut in two.
        if error.start < len(head) - 3:
            return None
        text = head[: error.start].decode("utf-8")
    start = text.lstrip("\ufeff \t\r\n")
    # A template for jinja2 begins with a brace as well.
    return "json" if start.startswith(("{", "[")) and not start.startswith(("{{", "{%", "{#")) else "text"


def acts_as_pickle(head: bytes) -> bool:
    """True where the bytes are pickle operations that import something and call it, or that import and come to their
    end. Lists of words begin with operations too, and do neither."""
    imports = False
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(io.BytesIO(head))):
            if opcode.name in {"GLOBAL", "INST"} and not _is_import(argument):
                return False
            if imports and opcode.name in {"STOP", "REDUCE"}:
                return True
            imports = imports or opcode.name in _IMPORTS
            if opcode.name == "STOP" or number > _LARGEST_OPCODES:
                break
    except Exception:  # noqa: S110 - genops raises whatever odd bytes lead it to; what came before them counts
        pass
    return False


def _is_import(argument: object) -> bool:
    return isinstance(argument, str) and bool(re.fullmatch(r"[\w.]+ [\w.]+", argument))


def is_tar_header(block: bytes) -> bool:
    """True for a tar's header, old ones without a magic included: the sum over its bytes stands in it."""
    if len(block) < TAR_BLOCK_BYTES:
        return False
    said = block[148:156].strip(b" \0")
    if not said.isdigit() or not said.isascii() or not set(said) <= set(b"01234567"):
        return block[257:262] == b"ustar"
    rest = block[:148] + b" " * 8 + block[156:]
    # Some programs of old took the bytes for numbers with a sign.
    return int(said, 8) in {sum(rest), sum(rest) - 256 * sum(byte > 127 for byte in rest)}


def is_zip_end(read: Callable[[int, int], bytes], size_bytes: int) -> bool:
    """True where a zip archive ends the file: its end record, and a directory where that says. Programs open such a
    file as an archive whatever it begins with. `read` gives up to so many bytes from a place on."""
    first = max(0, size_bytes - TAIL_BYTES)
    tail = read(TAIL_BYTES, first)
    at = tail.rfind(_ZIP_END)
    while at >= 0:
        record = tail[at : at + _ZIP_END_BYTES]
        if len(record) == _ZIP_END_BYTES:
            places = _directories(record, first + at, read)
            if any(0 <= place < size_bytes and read(len(_ZIP_ENTRY), place) == _ZIP_ENTRY for place in places):
                return True
        at = tail.rfind(_ZIP_END, 0, at)
    return False


def _directories(record: bytes, at: int, read: Callable[[int, int], bytes]) -> Iterator[int]:
    """Where programs look for the directory: before the end record, or at the place that is said."""
    yield at - int.from_bytes(record[12:16], "little")
    yield int.from_bytes(record[16:20], "little")
    locator_at = at - _ZIP64_LOCATOR_BYTES
    locator = read(_ZIP64_LOCATOR_BYTES, locator_at) if locator_at >= 0 else b""
    if locator.startswith(_ZIP64_LOCATOR):
        for place in {int.from_bytes(locator[8:16], "little"), locator_at - _ZIP64_END_BYTES}:
            large = read(_ZIP64_END_BYTES, place) if 0 <= place < at else b""
            yield place - int.from_bytes(large[40:48], "little")
            yield int.from_bytes(large[48:56], "little")
