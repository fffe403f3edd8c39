"""Checks a safetensors file without believing a number in it: `check_safetensors`.

What is checked: lengths, JSON, keys that come twice, dtypes, shapes, that the tensors cover the data exactly. What is
not: the numbers themselves, nor whether an engine knows the architecture. The header is walked member by member, so
that memory follows the number of tensors; one that would take longer than the limits allow is left undecided.

Source: the format as huggingface/safetensors describes it (README, "Format") and its reference reader enforces it
(MAX_HEADER_SIZE 100,000,000, tensors contiguous from 0, no duplicate keys).
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from freehold.weights.bounded_json import DuplicateKeyError, JsonError, loads_once, string_at, walk_object
from freehold.weights.checks import Findings, Stopped, in_bytes, quoted
from freehold.weights.report import Finding

MAX_HEADER_BYTES = 100_000_000
# Measured: 16 MiB of the smallest tensors there can be, and of the longest name, stay under 2 s and 200 MB. The largest
# headers published have about 10 MB.
DECIDED_HEADER_BYTES = 16 << 20
DECIDED_TENSORS = 131_072
DECIDED_METADATA = 65_536
_MAX_ENTRY = 4096
_WRAPS = 2**63
_ENTRY = re.compile(r"\{[^{}]*\}")
_METADATA = "__metadata__"

# Bits of one value; F4 and the two F6 pack several values into a byte.
DTYPE_BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
    "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SafetensorsLook:
    """What is wrong with one file, and what it says of itself: its tensors' names and its metadata."""

    findings: tuple[Finding, ...]
    undecided: tuple[Finding, ...]
    tensors: frozenset[str] = frozenset()
    metadata: Mapping[str, str] = field(default_factory=dict)


class _Tensor(NamedTuple):
    begin: int
    end: int
    name: str


def check_safetensors(path: Path, name: str | None = None) -> SafetensorsLook:
    """Look at one file. It never raises for what the file holds; OSError where it cannot be read. Findings name it
    `name`, or as `path` was given."""
    findings = Findings(name or str(path))
    reading = _Reading(findings)
    with path.open("rb") as file, contextlib.suppress(Stopped):
        reading.read(file, os.fstat(file.fileno()).st_size)
    return SafetensorsLook(findings.found, findings.undecided, frozenset(reading.names), dict(reading.metadata))


class _Reading:
    """One header, from its length to the last tensor."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._tensors: list[_Tensor] = []
        self._first_place = 8
        self._has_metadata = False
        self.names: set[str] = set()
        self.metadata: dict[str, str] = {}

    def read(self, file: BinaryIO, size_bytes: int) -> None:
        head = file.read(9)
        if len(head) < 9:
            raise self._end("safetensors.truncated", f"It has {in_bytes(size_bytes)}; the smallest header takes 10.")
        length = int.from_bytes(head[:8], "little")
        if length > MAX_HEADER_BYTES:
            raise self._end(
                "safetensors.header.length",
                f"Its header claims {length:,} bytes; {MAX_HEADER_BYTES:,} is the limit.",
                0,
            )
        if length > size_bytes - 8:
            raise self._end(
                "safetensors.truncated", f"Its header claims {in_bytes(length)} and {size_bytes - 8:,} follow.", 0
            )
        if head[8:] != b"{":
            raise self._end("safetensors.header.start", f"Its header begins with {quoted(head[8:])}.", 8)
        if length > DECIDED_HEADER_BYTES:
            what = f"Its header has {length:,} bytes; up to {DECIDED_HEADER_BYTES:,} are decided."
            raise self._end("safetensors.header.undecided", what, 8)
        self._walk(self._text(b"{" + file.read(length - 1)))
        self._cover(size_bytes - 8 - length)

    def _text(self, header: bytes) -> str:
        try:
            return header.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._end("safetensors.header.text", "Its header is not UTF-8.", 8 + error.start) from error

    def _walk(self, text: str) -> None:
        try:
            end = walk_object(text, 0, lambda key, at: self._member(text, key, at))
        except JsonError as error:
            raise self._end("safetensors.header.json", f"Its header {error}.", 8 + error.position) from error
        if text[end:].strip(" "):
            self._add("safetensors.header.trailing", "Something follows the JSON in its header.", 8 + end)

    def _member(self, text: str, key: str, at: int) -> int:
        if key in self.names or (key == _METADATA and self._has_metadata):
            self._add("safetensors.key.duplicate", f"It has {_short(key)} twice.", 8 + at)
        if key == _METADATA:
            self._has_metadata = True
            return self._metadata(text, at)
        if len(self.names) >= DECIDED_TENSORS:
            raise self._end("safetensors.header.undecided", f"It has more than {DECIDED_TENSORS:,} tensors.", 8 + at)
        self.names.add(key)
        found = _ENTRY.match(text, at, at + _MAX_ENTRY)
        if found is None:
            raise JsonError(f"has no tensor's entry at {_short(key)}", at)
        self._entry(key, found[0], 8 + at)
        return found.end()

    def _metadata(self, text: str, at: int) -> int:
        def pair(key: str, place: int) -> int:
            if len(self.metadata) >= DECIDED_METADATA:
                what = f"Its metadata has more than {DECIDED_METADATA:,} keys."
                raise self._end("safetensors.header.undecided", what, 8 + place)
            if key in self.metadata:
                self._add("safetensors.key.duplicate", f"Its metadata has {_short(key)} twice.", 8 + place)
            if text[place : place + 1] != '"':
                # What else stands there may be of any size and depth: nothing after it is read.
                raise self._end("safetensors.metadata", f"Its metadata {_short(key)} is no string.", 8 + place)
            self.metadata[key], end = string_at(text, place)
            return end

        if text[at : at + 1] != "{":
            raise self._end("safetensors.metadata", "Its __metadata__ is no object.", 8 + at)
        return walk_object(text, at, pair)

    def _entry(self, name: str, text: str, place: int) -> None:
        try:
            entry = loads_once(text)
        except DuplicateKeyError as error:
            return self._add("safetensors.key.duplicate", f"The tensor {_short(name)} {error}.", place)
        except JsonError as error:
            return self._add("safetensors.header.json", f"The entry of tensor {_short(name)} {error}.", place)
        dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
        # Programs differ in whether -0 is a whole number.
        if (
            "-" in text
            or len(entry) != 3
            or not isinstance(dtype, str)
            or not _counts(shape)
            or not _counts(offsets, 2)
        ):
            return self._add(
                "safetensors.entry", f"The tensor {_short(name)} is described as {json.dumps(entry)[:120]}.", place
            )
        begin, end = offsets
        if end < begin:
            return self._add("safetensors.offsets.order", f"The tensor {_short(name)} ends before it begins.", place)
        self._tensors.append(_Tensor(begin, end, name))
        return self._size(name, dtype, shape, end - begin, place)

    def _size(self, name: str, dtype: str, shape: list[int], nbytes: int, place: int) -> None:
        bits = DTYPE_BITS.get(dtype)
        if bits is None:
            return self._add("safetensors.dtype", f"The tensor {_short(name)} is of dtype {_short(dtype)}.", place)
        # Never zero: a wrapped product is found even where another dimension is 0.
        if math.prod(max(size, 1) for size in shape) * bits // 8 >= _WRAPS:
            what = f"The tensor {_short(name)} of shape {str(shape)[:120]} takes more bytes than 63 bits count."
            return self._add("safetensors.shape.wrap", what, place)
        said = math.prod(shape) * bits
        if said != nbytes * 8:
            what = f"The tensor {_short(name)} takes {in_bytes(nbytes)}; its shape and dtype say {said / 8:,.10g}."
            return self._add("safetensors.shape.size", what, place)
        return None

    def _cover(self, data_bytes: int) -> None:
        """Every byte of the data belongs to exactly one tensor. Nothing is said of this where an entry was refused."""
        if self._findings.found:
            return None
        covered = 0
        for begin, end, name in sorted(self._tensors):
            if end > data_bytes:
                what = f"The tensor {_short(name)} ends at byte {end:,} of the data, which has {data_bytes:,}."
                return self._add("safetensors.offsets.outside", what)
            if begin < covered:
                return self._add("safetensors.offsets.overlap", f"The tensor {_short(name)} lies inside another one.")
            if begin > covered:
                what = f"No tensor takes the {in_bytes(begin - covered)} before {_short(name)}."
                return self._add("safetensors.offsets.gap", what)
            covered = end
        if covered < data_bytes:
            self._add(
                "safetensors.trailing", f"No tensor takes the {in_bytes(data_bytes - covered)} after the last one."
            )
        return None

    def _add(self, check: str, message: str, offset: int | None = None) -> None:
        self._findings.add(check, message, offset=offset)

    def _end(self, check: str, message: str, offset: int | None = None) -> Stopped:
        return self._findings.stop(check, message, offset)


def _counts(value: object, length: int | None = None) -> bool:
    """A list of whole numbers from 0, of `length` items where that is given. True and False are no numbers."""
    return (
        isinstance(value, list)
        and (length is None or len(value) == length)
        and all(type(item) is int and item >= 0 for item in value)
    )


def _short(name: str) -> str:
    return repr(name if len(name) <= 80 else name[:77] + "...")
