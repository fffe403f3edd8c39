"""Which device a part of a description means, with which memory: found in the table, or made from figures by hand.

A name that several devices share means the first of them in the table that has the memory named, and a note says so. A
device that is sold with several sizes of memory needs one beside it: it is asked about, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from freehold.core.errors import DescriptionError
from freehold.core.quantity import Quantity, Unknown
from freehold.hardware import figures
from freehold.hardware.figures import GIB
from freehold.hardware.sentence import Part, wrong

if TYPE_CHECKING:
    from freehold.hardware.devices import Device, Devices, Offer
    from freehold.hardware.rig import PlaceKind

_COUNTED = re.compile(r"(?P<first>[0-9]{1,4}) (?P<after>.+)|(?P<before>.+?) ?[xX*] ?(?P<last>[0-9]{1,4})")
"""A name with its number of devices where people write it and it is not understood: "2 l40s", "rtx4090x2"."""
_SAME_SIZE = 0.005
"""Sizes this near are one: 141 GB of an H200 are 140.4 GiB to its driver."""


@dataclass(frozen=True)
class Chosen:
    """`device` None: it is in no table, and `part` has its figures."""

    part: Part
    device: Device | None
    offer: Offer | None
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return self.part.count

    @property
    def name(self) -> str:
        return self.device.name if self.device else self.part.name

    @property
    def kind(self) -> PlaceKind:
        return self.device.kind if self.device else "gpu"

    @property
    def memory_bytes(self) -> int:
        if self.offer is not None:
            return self.offer.memory_bytes
        return self.part.memory_bytes or 0

    @cached_property
    def bandwidth(self) -> Quantity:
        by_hand = self.part.bandwidth_bytes_s
        if by_hand is not None:
            return figures.promised(by_hand, figures.READ_SHARE, "as described")
        if self.offer is None and self.device is not None:
            return figures.bandwidth(self.device.offers[-1])
        return figures.bandwidth(self.offer) if self.offer else Unknown("its bandwidth was not named")

    @cached_property
    def compute(self) -> Mapping[str, Quantity]:
        by_hand = {
            precision: figures.promised(tera * 1e12, figures.COMPUTE_SHARE, "as described")
            for precision, tera in self.part.tera.items()
        }
        return {**(figures.compute(self.device) if self.device else {}), **by_hand}

    @cached_property
    def link(self) -> Quantity | None:
        return figures.link(self.device, bridged=self.part.nvlink) if self.device else None


def chosen(part: Part, table: Devices) -> Chosen:
    """What `part` means. Raises DescriptionError for an unknown name, a size that is not sold, and an open choice."""
    if part.modules or part.cores:
        raise wrong(
            f"{part.text!r} mixes a device with modules or cores of the host", part.text, "Divide them by a comma."
        )
    candidates = _candidates(part, table)
    if not candidates:
        if part.by_hand and part.memory_bytes is not None:
            return Chosen(part, None, None)
        raise _unknown(part, table)
    if part.nvlink and not any(device.link and device.link.peer_gbs for device in candidates):
        raise wrong(f"No NVLink is known of {candidates[0].key}", "nvlink", "Leave it out, and PCIe is planned with.")
    if part.by_hand and part.memory_bytes is not None and not _fitting(candidates, part.memory_bytes):
        return Chosen(part, candidates[0], None)
    return _of_size(part, candidates)


def _candidates(part: Part, table: Devices) -> tuple[Device, ...]:
    device = table.get(part.name)
    return (device,) if device else table.family(part.name)


def _fitting(candidates: tuple[Device, ...], memory_bytes: int) -> list[tuple[Device, Offer]]:
    return [
        (device, offer)
        for device in candidates
        for offer in device.offers
        if abs(offer.memory_gib.value * device.dies * GIB - memory_bytes) <= _SAME_SIZE * memory_bytes
    ]


def _of_size(part: Part, candidates: tuple[Device, ...]) -> Chosen:
    if part.memory_bytes is None:
        fitting = [(device, offer) for device in candidates[:1] for offer in device.offers]
        if len(fitting) > 1:
            raise _ask(part, candidates)
        others = [device.key for device in candidates[1:]]
    else:
        fitting = _fitting(candidates, part.memory_bytes)
        if not fitting:
            raise _not_sold(part, candidates)
        others = [device.key for device, _ in fitting[1:] if device is not fitting[0][0]]
    device, offer = fitting[0]
    notes: list[str] = []
    if others:
        notes.append(f"{part.name!r} is read as {device.key}; there are also {', '.join(others)}.")
    if device.dies > 1:
        notes.append(f"One {device.key} is {device.dies} devices of {offer.memory_gib.value:g} GiB to its driver.")
    return Chosen(part, device, offer, tuple(notes))


def _sizes(devices: tuple[Device, ...]) -> list[str]:
    sizes = {offer.memory_gib.value * device.dies for device in devices for offer in device.offers}
    return [f"{gib:g}GB" for gib in sorted(sizes)]


def _ask(part: Part, candidates: tuple[Device, ...]) -> DescriptionError:
    sizes = _sizes(candidates)
    return wrong(
        f"{part.name!r} is sold with {', '.join(sizes[:-1])} and {sizes[-1]} of memory",
        part.name,
        f'Say which: "{part.name} {sizes[-1]}".',
    )


def _not_sold(part: Part, candidates: tuple[Device, ...]) -> DescriptionError:
    sizes = _sizes(candidates)
    return wrong(
        f"{candidates[0].name} is sold with {', '.join(sizes)} of memory, and {part.size_word!r} is none of that",
        part.size_word,
        f'If yours was changed: "{part.name}({part.size_word})". The memory of the host follows a comma.',
    )


def _unknown(part: Part, table: Devices) -> DescriptionError:
    near = table.nearest(part.name)
    counted = _COUNTED.fullmatch(part.name)
    if counted and (name := counted["after"] or counted["before"]) and (table.get(name) or table.family(name)):
        number = counted["first"] or counted["last"]
        return DescriptionError(
            f"{part.name!r} is no device of the table: a count stands before the name, with an x.",
            word=part.name,
            nearest=near,
            hint=f'Write "{number}x {name}".',
        )
    guess = f"Nearest: {', '.join(near)}. " if near else ""
    return DescriptionError(
        f"{part.name!r} is no device of the table, and no size, bandwidth, modules or cores.",
        word=part.name,
        nearest=near,
        hint=f"{guess}`freehold machine --devices` lists them all. One that is not there is described by its figures: "
        f'"1x mycard(24GB, 900GB/s)".',
    )
