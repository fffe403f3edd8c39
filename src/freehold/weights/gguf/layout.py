"""Where the tensors of one file lie: aligned, inside it, none in another, and nothing else between or after them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from freehold.weights.gguf.header import Header
from freehold.weights.gguf.notes import Notes
from freehold.weights.gguf.tensors import LARGEST_INT64, Tensor
from freehold.weights.gguf.values import INTEGERS
from freehold.weights.identify import LOOKED_AT_BYTES, describe

DEFAULT_ALIGNMENT = 32
MAX_ALIGNMENT = 1 << 20
LEAST_ALIGNMENT = 8
# The end record of a zip archive: 22 bytes and a comment of up to 65,535 (APPNOTE.TXT, section 4.3.16).
ZIP_TAIL_BYTES = 22 + 65_535
_ZIP_END = b"PK\5\6"
# Stands 20 bytes before the end record where that has no room for the real numbers (section 4.3.15).
_ZIP64_LOCATOR = b"PK\6\7"


def check_layout(header: Header, size_bytes: int, notes: Notes) -> int | None:
    """Check the places of all tensors; where bytes that belong to none begin, or None where there are none."""
    for name, times in Counter(tensor.name for tensor in header.tensors).items():
        if times > 1:
            notes.say("gguf.tensor.duplicate", f"It has the tensor {name!r} twice.")
    alignment = _alignment(header, notes)
    sized = sorted((tensor for tensor in header.tensors if tensor.sized), key=lambda tensor: tensor.offset)
    total = sum(tensor.size_bytes for tensor in sized)
    if total > LARGEST_INT64:
        notes.say("gguf.tensor.total", f"Its tensors come to {total:,} bytes, which does not fit 63 bits.")
        return None
    if alignment is None:
        return None
    complete = len(sized) == len(header.tensors)
    end = _check_places(sized, alignment, notes, complete=complete)
    start = _up(header.end, alignment)
    if start + end > size_bytes and sized:
        _say_outside(sized, start, size_bytes, notes)
        return None
    after = _up(start + end, alignment) if sized else _up(header.end, alignment)
    return after if complete and after < size_bytes else None


def _alignment(header: Header, notes: Notes) -> int | None:
    entry = header.keys.get("general.alignment")
    if entry is None:
        return DEFAULT_ALIGNMENT
    found = entry.value
    if entry.kind not in INTEGERS or not isinstance(found, int):
        return None  # the wrong type is said elsewhere
    if LEAST_ALIGNMENT <= found <= MAX_ALIGNMENT and not found & (found - 1):
        return found
    notes.say("gguf.layout.alignment", f"It has a general.alignment of {found:,}; powers of two from 8 to 1 MiB are.")
    return None


def _check_places(sized: Sequence[Tensor], alignment: int, notes: Notes, *, complete: bool) -> int:
    """Where the last tensor ends, from the start of the tensor data."""
    end = 0
    for tensor in sized:
        what = f"It has the tensor {tensor.name!r}"
        if tensor.offset % alignment:
            notes.say("gguf.tensor.alignment", f"{what} at a place that is not aligned to {alignment} bytes.")
        elif tensor.offset < end:
            notes.say("gguf.tensor.overlap", f"{what} inside another one.")
        elif complete and tensor.offset > _up(end, alignment):
            gap = tensor.offset - end
            notes.say("gguf.tensor.gap", f"Before the tensor {tensor.name!r}, {gap:,} bytes belong to no tensor.")
        end = max(end, tensor.offset + tensor.size_bytes)
    return end


def _say_outside(sized: Sequence[Tensor], start: int, size_bytes: int, notes: Notes) -> None:
    outside = [tensor for tensor in sized if start + tensor.offset + tensor.size_bytes > size_bytes]
    said_bytes = max(start + tensor.offset + tensor.size_bytes for tensor in outside)
    names = f"{outside[0].name!r}" + (f" and {len(outside) - 1:,} more" if len(outside) > 1 else "")
    message = f"It is truncated or its header lies: that describes {said_bytes:,} bytes and it has {size_bytes:,}"
    notes.say("gguf.tensor.outside", f"{message}; the tensor {names} would lie beyond its end.", size_bytes)


def check_rest(trailing_at: int | None, trailing: bytes, tail: bytes, size_bytes: int, notes: Notes) -> None:
    """Judge what stands after the last tensor (`trailing`, its first bytes) and the last bytes of the file (`tail`)."""
    archive = _holds_zip(tail, size_bytes)
    if archive:
        notes.say("gguf.layout.archive", "The same bytes are a zip archive: another program may open something else.")
    if trailing_at is not None and not archive:
        nbytes = size_bytes - trailing_at
        kind = describe(trailing[:LOOKED_AT_BYTES])
        message = f"After its last tensor, {nbytes:,} bytes belong to nothing. They are {kind}."
        notes.say("gguf.layout.trailing", message, trailing_at)


def _holds_zip(tail: bytes, size_bytes: int) -> bool:
    """Whether a zip reader would find an archive: an end record whose numbers fit the file."""
    place = tail.rfind(_ZIP_END)
    while place >= 0:
        record = tail[place : place + 22]
        disks, entries_here, entries = record[4:8], record[8:10], record[10:12]
        directory = int.from_bytes(record[12:16], "little") + int.from_bytes(record[16:20], "little")
        fits = len(record) == 22 and disks == b"\0\0\0\0" and entries_here == entries
        large = tail[max(0, place - 20) : place].startswith(_ZIP64_LOCATOR)
        if fits and (large or directory <= size_bytes - len(tail) + place):
            return True
        place = tail.rfind(_ZIP_END, 0, place)
    return False


def _up(place: int, alignment: int) -> int:
    return -(-place // alignment) * alignment
