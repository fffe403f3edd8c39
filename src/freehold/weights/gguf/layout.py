"""Where the tensors of one file lie: aligned, inside it, none in another, and nothing else between or after them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from freehold.weights.checks import Findings, in_bytes
from freehold.weights.gguf.header import Header
from freehold.weights.gguf.tensors import LARGEST_INT64, Tensor
from freehold.weights.gguf.values import INTEGERS
from freehold.weights.identify import LOOKED_AT_BYTES, describe

DEFAULT_ALIGNMENT = 32
MAX_ALIGNMENT = 1 << 20
LEAST_ALIGNMENT = 8
MAX_PADDING_BYTES = 16 << 20


Read = Callable[[int, int], bytes]
"""Up to so many bytes of the file, from a place on."""


def check_layout(header: Header, size_bytes: int, read: Read, notes: Findings) -> int | None:
    """Check the places of all tensors, and that what fills the file up between them is zero; where bytes that belong
    to none begin, or None where there are none."""
    for name, times in Counter(tensor.name for tensor in header.tensors).items():
        if times > 1:
            notes.add("gguf.tensor.duplicate", f"It has the tensor {name!r} twice.")
    alignment = _alignment(header, notes)
    sized = sorted((tensor for tensor in header.tensors if tensor.sized), key=lambda tensor: tensor.offset)
    total = sum(tensor.size_bytes for tensor in sized)
    if total > LARGEST_INT64:
        notes.add("gguf.tensor.total", f"Its tensors come to {total:,} bytes, which does not fit 63 bits.")
        return None
    if alignment is None:
        return None
    complete = len(sized) == len(header.tensors)
    end = _check_places(sized, alignment, notes, complete=complete)
    start = _up(header.end, alignment)
    if start + end > size_bytes and sized:
        _say_outside(sized, start, size_bytes, notes)
        return None
    if complete and not any(tensor.offset % alignment for tensor in sized):
        _check_padding([header.end, *(start + each.offset + each.size_bytes for each in sized)], alignment, read, notes)
    after = _up(start + end, alignment) if sized else _up(header.end, alignment)
    return after if complete and after < size_bytes else None


def _check_padding(ends: Sequence[int], alignment: int, read: Read, notes: Findings) -> None:
    """From each of `ends` up to the next aligned place, every byte is zero."""
    padded = [end for end in ends if end % alignment]
    nbytes = sum(_up(end, alignment) - end for end in padded)
    if nbytes > MAX_PADDING_BYTES:
        notes.add("gguf.tensor.padding", f"{nbytes:,} bytes fill it up; {MAX_PADDING_BYTES:,} are looked at.")
        return
    for end in padded:
        if read(_up(end, alignment) - end, end).strip(b"\0"):
            notes.add("gguf.tensor.padding", "Bytes that only fill it up are not zero.", end)


def _alignment(header: Header, notes: Findings) -> int | None:
    entry = header.keys.get("general.alignment")
    if entry is None:
        return DEFAULT_ALIGNMENT
    found = entry.value
    if entry.kind not in INTEGERS or not isinstance(found, int):
        return None  # the wrong type is said elsewhere
    if LEAST_ALIGNMENT <= found <= MAX_ALIGNMENT and not found & (found - 1):
        return found
    notes.add(
        "gguf.layout.alignment", f"It has a general.alignment of {found:,}; powers of two from 8 to 1 MiB are allowed."
    )
    return None


def _check_places(sized: Sequence[Tensor], alignment: int, notes: Findings, *, complete: bool) -> int:
    """Where the last tensor ends, from the start of the tensor data."""
    end = 0
    for tensor in sized:
        what = f"It has the tensor {tensor.name!r}"
        if tensor.offset % alignment:
            notes.add("gguf.tensor.alignment", f"{what} at a place that is not aligned to {alignment} bytes.")
        elif tensor.offset < end:
            notes.add("gguf.tensor.overlap", f"{what} inside another one.")
        elif complete and tensor.offset > _up(end, alignment):
            gap = tensor.offset - end
            notes.add("gguf.tensor.gap", f"No tensor takes the {in_bytes(gap)} before {tensor.name!r}.")
        end = max(end, tensor.offset + tensor.size_bytes)
    return end


def _say_outside(sized: Sequence[Tensor], start: int, size_bytes: int, notes: Findings) -> None:
    outside = [tensor for tensor in sized if start + tensor.offset + tensor.size_bytes > size_bytes]
    said_bytes = max(start + tensor.offset + tensor.size_bytes for tensor in outside)
    names = f"{outside[0].name!r}" + (f" and {len(outside) - 1:,} more" if len(outside) > 1 else "")
    message = f"It is truncated or its header lies: that describes {in_bytes(said_bytes)} and it has {size_bytes:,}"
    notes.add("gguf.tensor.outside", f"{message}; the tensor {names} would lie beyond its end.", size_bytes)


def check_rest(trailing_at: int | None, trailing: bytes, archive: bool, size_bytes: int, notes: Findings) -> None:
    """Judge what stands after the last tensor (`trailing`, its first bytes), and whether it is an `archive` as well."""
    if archive:
        notes.add("gguf.layout.archive", "The same bytes are a zip archive: another program may open something else.")
    if trailing_at is not None and not archive:
        nbytes = size_bytes - trailing_at
        kind = describe(trailing[:LOOKED_AT_BYTES])
        message = f"Nothing takes the {in_bytes(nbytes)} after its last tensor; what stands there is {kind}."
        notes.add("gguf.layout.trailing", message, trailing_at)


def _up(place: int, alignment: int) -> int:
    return -(-place // alignment) * alignment
