"""The table of devices that ships with Freehold, and finding one of it by the names people and drivers use."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources

from freehold.core.names import nearest
from freehold.hardware.devices.names import plain, without_size
from freehold.hardware.devices.reader import read_devices
from freehold.hardware.devices.record import Device


class Devices:
    """Every device known by name. `Devices.load()` reads the rows that ship with Freehold."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self.devices = tuple(devices)
        self._by_key = {device.key: device for device in self.devices}
        self._by_name = {
            plain(name): device for device in self.devices for name in (device.key, device.name, *device.aliases)
        }
        self._by_pci = {id: device for device in self.devices for id in device.pci}

    @classmethod
    @cache
    def load(cls) -> Devices:
        """The table that ships with Freehold. Raises CatalogError with every wrong row of every file at once."""
        folder = resources.files("freehold.hardware.devices").joinpath("rows")
        files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
        return cls(read_devices({file.name: file.read_text(encoding="utf-8") for file in files}))

    def get(self, name: str) -> Device | None:
        """The device of this name, however it is spelled, or None."""
        return self._by_name.get(plain(name))

    def reported(self, name: str, memory_bytes: int) -> Device | None:
        """The device that a driver means by `name`, which may hold the size of its memory; of several that share the
        name, the first with about as much."""
        bare = without_size(name)
        alike = (device for device in self.family(bare) if _has(device, memory_bytes))
        return self.get(name) or self.get(bare) or next(alike, None)

    def on_bus(self, pci: str, revision: str = "") -> Device | None:
        """The device with this vendor:device; some share one, and only their revision tells them apart."""
        return self._by_pci.get(f"{pci}:{revision}") or self._by_pci.get(pci)

    def family(self, name: str) -> tuple[Device, ...]:
        """Every device that people mean by a name that several share ("h100"), in the table's order."""
        wanted = plain(name)
        return tuple(device for device in self.devices if device.family and plain(device.family) == wanted)

    def nearest(self, name: str) -> tuple[str, ...]:
        """The keys of the devices whose names look most like `name`, best first."""
        found = nearest(plain(name), self._by_name, limit=6)
        return tuple(dict.fromkeys(self._by_name[each].key for each in found))[:3]

    def matching(self, text: str) -> tuple[Device, ...]:
        """The devices of whose names every word of `text` is a part; all of them for no text."""
        words = text.lower().split()
        return tuple(device for device in self.devices if all(word in _said(device) for word in words))


def _has(device: Device, memory_bytes: int) -> bool:
    """A driver reports up to a tenth less than is soldered on: ECC and firmware take theirs."""
    return any(0.9 <= memory_bytes / (offer.memory_gib.value * 2**30) <= 1.01 for offer in device.offers)


def _said(device: Device) -> str:
    return " ".join((device.key, device.name, device.vendor, device.kind, *device.aliases)).lower()
