"""What looking for accelerators gave: those that can be planned with, and a line for everything that is in the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freehold.core.quantity import Quantity
    from freehold.hardware.devices import Device


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One device as its driver sees it. `memory_bytes` None: it has none of its own and takes the host's. `free_bytes`
    None: its driver does not tell what is free. `device` is its row in the table, `driver` its driver's version."""

    name: str
    vendor: str
    memory_bytes: int | None
    free_bytes: int | None
    device: Device | None
    driver: str | None = None
    link: Quantity | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """`lines` are for people: a driver that is missing, a device that has vanished, a figure that nobody tells."""

    accelerators: tuple[Accelerator, ...] = ()
    lines: tuple[str, ...] = ()

    def __add__(self, other: Found) -> Found:
        return Found(self.accelerators + other.accelerators, self.lines + other.lines)
