"""One row of the table of devices: what its maker, or a named source, says of it. Nothing here was measured by us.

Bandwidths and links are in GB/s (10^9 bytes), memory is in GiB (2^30 bytes): the "24 GB" of a card and the "64 GB" of a
module are binary (JEDEC JESD100B.01, prefixes of semiconductor memory).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from freehold.hardware.rig import PlaceKind

Precision = Literal["fp32", "fp16", "int8", "fp8", "fp4"]
"""`fp32` is the plain vector rate; the others are matrix rates, dense, never with sparsity, or vector rates where there
are no matrix units. `fp16` is also bf16, with sums kept in FP32 where the maker tells that rate apart."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where facts of a row come from: `text` names the document, `date` is its own, as exact as it is known."""

    key: str
    text: str
    date: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure, in the unit that its field names, and who says so."""

    value: float
    source: Source


@dataclass(frozen=True, slots=True)
class Offer:
    """One memory size that a device is sold with. `visible_mib` is what its driver then reports as all there is."""

    memory_gib: Fact
    bandwidth_gbs: Fact | None = None
    visible_mib: Fact | None = None

    @property
    def memory_bytes(self) -> int:
        """What a program can see of it, else what is soldered on."""
        if self.visible_mib is not None:
            return int(self.visible_mib.value * 2**20)
        return int(self.memory_gib.value * 2**30)


@dataclass(frozen=True, slots=True)
class Link:
    """How the device is reached: PCIe, and NVLink or its like to its neighbors, in GB/s of both ways together, as
    makers state it. `bridged`: only where a bridge is plugged between two of them."""

    pcie_generation: int | None
    pcie_lanes: int | None
    peer_gbs: Fact | None
    bridged: bool
    source: Source


@dataclass(frozen=True, slots=True)
class Device:
    """`kind` "unified" and "host" are whole computers. None is unknown.

    A card of several `dies` is as many devices to its driver: memory, bandwidth and rates are those of one of them,
    power is the card's.
    Devices of one `family` share a name that people use ("h100"); `aliases` are other spellings of this one. `pci`
    holds the ids it has on the bus, as vendor:device or vendor:device:revision, in lower-case hexadecimal.
    `no_engine`: why no engine here runs on it, None where one does.
    """

    key: str
    name: str
    vendor: str
    kind: PlaceKind
    offers: tuple[Offer, ...]
    released: Fact | None
    compute_tera: Mapping[Precision, Fact]
    power_w: Fact | None
    link: Link | None
    cores: Fact | None
    dies: int = 1
    aliases: tuple[str, ...] = ()
    family: str | None = None
    pci: tuple[str, ...] = ()
    no_engine: str | None = None
