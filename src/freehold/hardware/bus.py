"""The graphics and compute processors on the PCI bus, by their ids: seen without any driver. Reads sysfs only.

Virtual and management displays (QEMU, virtio, ASPEED) are left out: only makers whose devices run models count.
Source: PCI Code and ID Assignment Specification; Linux Documentation/ABI/testing/sysfs-bus-pci.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from freehold.hardware.reading import text

PCI = Path("/sys/bus/pci/devices")
_MAKERS = {"10de": "NVIDIA", "1002": "AMD", "8086": "Intel", "1da3": "Intel"}  # the last is Habana
# Display controllers of every kind, and processing accelerators.
_CLASSES = ("03", "12")


@dataclass(frozen=True, slots=True)
class OnBus:
    """One processor on the bus: its `address`, `id` as vendor:device, and `revision` in two hexadecimal digits."""

    address: str
    vendor: str
    id: str
    revision: str
    folder: Path


def processors(root: Path = PCI) -> Iterator[OnBus]:
    """Every one of a known maker, by address."""
    try:
        folders = sorted(root.iterdir())
    except OSError:
        return
    for folder in folders:
        maker, device, kind = (text(folder / name).removeprefix("0x") for name in ("vendor", "device", "class"))
        if maker in _MAKERS and kind.startswith(_CLASSES):
            revision = text(folder / "revision").removeprefix("0x")
            yield OnBus(folder.name, _MAKERS[maker], f"{maker}:{device}", revision, folder)


def accelerator_ids(root: Path = PCI) -> tuple[str, ...]:
    """The ids of all of them, sorted; two of one kind stand twice."""
    return tuple(sorted(found.id for found in processors(root)))
