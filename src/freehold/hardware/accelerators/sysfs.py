"""AMD's and Intel's devices, as their kernel drivers show them in sysfs. No library is loaded and no program started.

AMD: `mem_info_vram_total` and `mem_info_vram_used` (Linux Documentation/gpu/amdgpu). Intel: the xe driver's
`tile*/physical_vram_size_bytes` (drivers/gpu/drm/xe/xe_tile_sysfs.c), i915's `lmem_total_bytes`; what is free they show
to root alone. A processor whose graphics share the host's memory is told by the table of devices, else by having none.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from freehold.core.quantity import Quantity
from freehold.hardware import figures
from freehold.hardware.accelerators.found import Accelerator, Found
from freehold.hardware.bus import OnBus
from freehold.hardware.devices import Devices
from freehold.hardware.reading import number, text

_LEAST_BYTES = 2 * 2**30
"""Less of its own is what graphics inside a processor are given: no place for a model."""
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
    driver = (each.folder / "driver").resolve().name if (each.folder / "driver").exists() else None
    if driver is None:
        return Found(lines=(f"{name} is on the bus and cannot be used: no driver has it.",))
    if device is not None and device.kind != "gpu":
        return Found((Accelerator(name, each.vendor, None, None, device, driver),))
    total_bytes = _total_bytes(each.folder)
    if total_bytes is None and device is not None and len(device.offers) == 1:
        total_bytes = device.offers[0].memory_bytes * device.dies
    if total_bytes is None:
        return Found(lines=(f"{name}: its driver ({driver}) does not tell how much memory it has.",))
    if total_bytes < _LEAST_BYTES:
        return Found(lines=(f"{name} has {total_bytes / 2**20:.0f} MiB of its own: no model is planned there.",))
    used_bytes = number(each.folder / "mem_info_vram_used")
    free_bytes = None if used_bytes is None else max(0, total_bytes - used_bytes)
    return Found((Accelerator(name, each.vendor, total_bytes, free_bytes, device, driver, _link(each.folder)),))


def _total_bytes(folder: Path) -> int | None:
    amd = number(folder / "mem_info_vram_total")
    if amd is not None:
        return amd
    tiles = [number(file) or 0 for file in folder.glob("tile*/physical_vram_size_bytes")]
    local = [number(file) or 0 for file in folder.glob("drm/card*/lmem_total_bytes")]
    return sum(tiles) or sum(local) or None


def _link(folder: Path) -> Quantity | None:
    """ "16.0 GT/s PCIe" and "16": what device and slot can agree on."""
    generation = _TRANSFERS.get(text(folder / "max_link_speed").partition(" ")[0])
    lanes = number(folder / "max_link_width")
    return figures.pcie_link(generation, lanes, "as the kernel reports it") if generation and lanes else None
