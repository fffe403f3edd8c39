"""AMD's and Intel's devices, as their kernel drivers show them in sysfs. No library is loaded and no program started.

AMD: `mem_info_vram_total` and `mem_info_vram_used` (Linux Documentation/gpu/amdgpu). Intel: the xe driver's
`tile*/physical_vram_size_bytes` (drivers/gpu/drm/xe/xe_tile_sysfs.c), i915's `lmem_total_bytes`, else the window that
the bus has on it; what is free they show to root alone. A processor whose graphics share the host's memory is told by
the table of devices; other graphics inside a processor are no place for a model, and nothing is said of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from freehold.core.quantity import Quantity
from freehold.hardware import figures
from freehold.hardware.accelerators.found import Accelerator, Found
from freehold.hardware.bus import OnBus
from freehold.hardware.devices import Device, Devices
from freehold.hardware.reading import number, text

_LEAST_BYTES = 2 * 2**30
"""Less of its own is what graphics inside a processor are given: no place for a model."""
_INSIDE = "0000:00:"
"""The root of the bus, where a processor's own devices are."""
_REGION = re.compile(r"^0x([0-9a-f]+) 0x([0-9a-f]+)", re.MULTILINE)
_TRANSFERS = {"2.5": 1, "5.0": 2, "8.0": 3, "16.0": 4, "32.0": 5, "64.0": 6}


def amd_and_intel(on_bus: Iterable[OnBus], table: Devices) -> Found:
    """Every device of theirs on the bus, with a line for each that has no driver or does not tell its memory."""
    found = Found()
    for each in on_bus:
        found += _one(each, table)
    return found


def _one(each: OnBus, table: Devices) -> Found:
    device = table.on_bus(each.id, each.revision)
    name = device.name if device else text(each.folder / "product_name") or f"{each.vendor} device {each.id}"
    if each.address.startswith(_INSIDE) and device is None:
        return Found()
    driver = (each.folder / "driver").resolve().name if (each.folder / "driver").exists() else None
    if driver is None:
        return Found(lines=(f"{name} is on the bus and cannot be used: no driver has it.",))
    if device is not None and device.kind != "gpu":
        return Found((Accelerator(name, each.vendor, None, None, device, driver),))
    total_bytes = _total_bytes(each.folder) or (_of_the_table(device, each.folder) if device else None)
    if total_bytes is None:
        return Found(lines=(f"{name}: its driver ({driver}) does not tell how much memory it has.",))
    used_bytes = number(each.folder / "mem_info_vram_used")
    free_bytes = None if used_bytes is None else max(0, total_bytes - used_bytes)
    card = Accelerator(name, each.vendor, total_bytes, free_bytes, device, driver, _link(each.folder))
    return Found((card,) if total_bytes >= _LEAST_BYTES else ())


def _total_bytes(folder: Path) -> int | None:
    amd = number(folder / "mem_info_vram_total")
    if amd is not None:
        return amd
    tiles = [number(file) or 0 for file in folder.glob("tile*/physical_vram_size_bytes")]
    local = [number(file) or 0 for file in folder.glob("drm/card*/lmem_total_bytes")]
    return sum(tiles) or sum(local) or None


def _of_the_table(device: Device, folder: Path) -> int | None:
    """The one size that it is sold with, else the largest that its window on the bus (BAR 2) shows whole."""
    sizes = [offer.memory_bytes * device.dies for offer in device.offers]
    if len(sizes) == 1:
        return sizes[0]
    regions = _REGION.findall(text(folder / "resource"))
    window = int(regions[2][1], 16) - int(regions[2][0], 16) + 1 if len(regions) > 2 else 0
    return max((size for size in sizes if size <= window), default=None)


def _link(folder: Path) -> Quantity | None:
    """ "16.0 GT/s PCIe" and "16": what device and slot can agree on."""
    generation = _TRANSFERS.get(text(folder / "max_link_speed").partition(" ")[0])
    lanes = number(folder / "max_link_width")
    return figures.pcie_link(generation, lanes, "as the kernel reports it") if generation and lanes else None
