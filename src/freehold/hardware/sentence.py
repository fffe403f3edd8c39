"""Reads the words of a described machine: how many of what, with which figures. It knows no device.

description = part { "," part | " + " part }
part        = [ count "x" ] { word }
word        = size          64GB, 64GiB, 1.5TB            of memory; GB is read as GiB, as memory is sold
            | bandwidth     900GB/s, 1.8TB/s              powers of ten
            | rate          165TFLOPS (fp16), 660TOPS (int8)
            | modules       ddr5-5600 x2                  transfers of millions/s, and the channels
            | cores         16 cores
            | "nvlink"
            | "ram", "memory", "host"                     say nothing more
            | name          every other word; together they name a device
figures by hand, in brackets behind a name: mycard(24GB, 900GB/s, 165TFLOPS)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from freehold.core.errors import DescriptionError

Number = TypeVar("Number", int, float)
EXAMPLES = '"2x rtx-4090, 64GB", "macbook m4 max 64GB", "16 cores, 32GB, ddr5-5600 x2"'
LONGEST = 500
_MOST = 1024
_SIZES = {"mb": 2**20, "mib": 2**20, "g": 2**30, "gb": 2**30, "gib": 2**30, "t": 2**40, "tb": 2**40, "tib": 2**40}
_RATES = {"mb/s": 10**6, "gb/s": 10**9, "tb/s": 10**12}
_NUMBER = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)"
_COUNT = re.compile(r"^([0-9]+) ?[xX*] ?(?=\S)")
_SIZE = re.compile(_NUMBER + r"(gib|gb|g|tib|tb|t|mib|mb)", re.IGNORECASE)
_BITS = re.compile(_NUMBER + r"([GTM]i?)b")
_BANDWIDTH = re.compile(_NUMBER + r"(gb/s|tb/s|mb/s)", re.IGNORECASE)
_TERA = re.compile(_NUMBER + r"(tflops|tops)", re.IGNORECASE)
_CORES = re.compile(_NUMBER + r"-?(?:cores?)", re.IGNORECASE)
_MODULES = re.compile(r"((?:lp)?ddr[1-6]x?)-([0-9]{3,5})(?:x([0-9]{1,2}))?", re.IGNORECASE)
_JOINED = re.compile(
    r"(?<![a-z0-9.-])([0-9]+(?:\.[0-9]+)?) (?=(?:gib|gb|tib|tb|mib|mb|cores?|tflops|tops)(?:/s)?\b)", re.IGNORECASE
)
_SPEED = re.compile(r"\b((?:lp)?ddr[1-6]x?) (?=[0-9]{3,5}\b)", re.IGNORECASE)
_CHANNELS = re.compile(r"(ddr[1-6]x?-[0-9]+) ?x ?([0-9]+)(?: channels?)?\b", re.IGNORECASE)
_SILENT = frozenset({"ram", "memory", "host", "and", "with"})


@dataclass(frozen=True, slots=True)
class Modules:
    """Memory modules: `transfers_m` millions of transfers a second; `channels` of 64 bit, None where not said."""

    kind: str
    transfers_m: int
    channels: int | None


@dataclass(slots=True)
class Part:
    """One part, read. What was not said is None; `by_hand` where figures were given in brackets."""

    text: str
    count: int = 1
    name: str = ""
    memory_bytes: int | None = None
    size_word: str = ""
    bandwidth_bytes_s: float | None = None
    tera: dict[str, float] = field(default_factory=dict)
    modules: Modules | None = None
    cores: float | None = None
    nvlink: bool = False
    by_hand: bool = False


def parts(text: str) -> tuple[Part, ...]:
    """The parts of a description. Raises DescriptionError naming the word that cannot be understood."""
    if len(text) > LONGEST:
        raise wrong(f"A description of a machine has {LONGEST} characters at most; this one has {len(text)}", text[:40])
    plain = " ".join(text.replace("×", "x").split())
    found = tuple(_part(piece, bracket) for piece, bracket in _pieces(plain))
    if not found:
        raise wrong("The description of the machine is empty", text)
    return found


def wrong(what: str, word: str, hint: str = "") -> DescriptionError:
    return DescriptionError(f"{what}.", word=word, hint=hint or f"Descriptions look like {EXAMPLES}.")


def _pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """Each part and what stands in brackets behind it. Commas in brackets divide figures, not parts."""
    if text.count("(") != text.count(")") or re.search(r"\([^)]*\(", text):
        raise wrong(f"The brackets in {text!r} do not match", text)
    for piece in re.split(r"[,;](?![^(]*\))| \+ ?(?![^(]*\))", text):
        whole = re.fullmatch(r"([^()]*)(?:\(([^()]*)\))?\s*", piece)
        if whole is None:
            raise wrong(f"Nothing is understood behind the bracket in {piece.strip()!r}", piece.strip())
        if not piece.strip():
            raise wrong(f"There is an empty part between the commas of {text!r}", text)
        yield whole[1].strip(), whole[2]


def _part(text: str, bracket: str | None) -> Part:
    count = _COUNT.match(text)
    part = Part(text, by_hand=bracket is not None)
    if count:
        part.count = _between(int(count[1]), 1, _MOST, count[0].strip())
        text = text[count.end() :]
    names = [word for word in _words(text) if not _take(word, part)]
    part.name = " ".join(names)
    if bracket is not None:
        if not part.name:
            raise wrong(f"The figures in ({bracket}) belong to no name", bracket, 'Write "mycard(24GB, 900GB/s)".')
        for word in _words(bracket.replace(",", " ")):
            if not _take(word, part):
                raise wrong(f"{word!r} in ({bracket}) is no figure", word, _BY_HAND)
    return part


_BY_HAND = 'Figures by hand are a size, GB/s, TFLOPS and TOPS: "mycard(24GB, 900GB/s, 165TFLOPS)".'


def _words(text: str) -> list[str]:
    return _JOINED.sub(r"\1", _CHANNELS.sub(r"\1x\2", _SPEED.sub(r"\1-", text))).split()


def _take(word: str, part: Part) -> bool:
    """Whether the word is one of the forms that are no name; what it says is then in `part`."""
    if word.lower() in _SILENT:
        return True
    if word.lower() == "nvlink":
        part.nvlink = True
    elif bits := _BITS.fullmatch(word):
        raise wrong(f"{word!r} is bits, and memory is counted in bytes", word, f'Write "{bits[1]}{bits[2]}B".')
    elif found := _SIZE.fullmatch(word):
        _once(part.memory_bytes, word, part)
        part.memory_bytes = int(_between(float(found[1]) * _SIZES[found[2].lower()], 2**20, 2**50, word))
        part.size_word = word
    elif found := _BANDWIDTH.fullmatch(word):
        _once(part.bandwidth_bytes_s, word, part)
        part.bandwidth_bytes_s = _between(float(found[1]) * _RATES[found[2].lower()], 10**6, 10**15, word)
    elif found := _TERA.fullmatch(word):
        precision = "fp16" if found[2].lower() == "tflops" else "int8"
        _once(part.tera.get(precision), word, part)
        part.tera[precision] = _between(float(found[1]), 1e-3, 1e6, word)
    elif found := _CORES.fullmatch(word):
        _once(part.cores, word, part)
        part.cores = _between(float(found[1]), 0.1, 4096, word)
    elif found := _MODULES.fullmatch(word):
        _once(part.modules, word, part)
        channels = _between(int(found[3]), 1, 48, word) if found[3] else None
        part.modules = Modules(found[1].lower(), _between(int(found[2]), 100, 20000, word), channels)
    else:
        return False
    return True


def _once(before: object, word: str, part: Part) -> None:
    if before is not None:
        raise wrong(f"{part.text!r} says twice what {word!r} says", word)


def _between(value: Number, low: float, high: float, word: str) -> Number:
    if not low <= value <= high:
        raise wrong(f"{word!r} is outside of what a machine can have", word)
    return value
