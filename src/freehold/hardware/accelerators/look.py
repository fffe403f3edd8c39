"""Looks for every accelerator of this machine. A machine without one gives none, and no line either."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freehold.hardware import bus
from freehold.hardware.accelerators.found import Found
from freehold.hardware.accelerators.nvml import is_installed, nvidia

if TYPE_CHECKING:
    from freehold.hardware.devices import Devices


def look(*, pci: Path = bus.PCI, load: Callable[[str], Any] = ctypes.CDLL, table: Devices | None = None) -> Found:
    """What is there now. `pci` is the bus in sysfs and `load` opens NVIDIA's library: a test gives recorded ones."""
    present = tuple(bus.processors(pci))
    if not present and not is_installed(load):  # a virtual machine may have a card that its bus does not show
        return Found()
    from freehold.hardware.accelerators.sysfs import amd_and_intel
    from freehold.hardware.devices import Devices  # 20 ms, for machines that have a device

    known = table or Devices.load()
    green = [each for each in present if each.vendor == "NVIDIA"]
    return nvidia(green, known, load) + amd_and_intel((each for each in present if each not in green), known)
