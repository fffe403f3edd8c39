"""What a machine is, this one or one described in words, as documents of stable keys. Every figure says its kind; null
is unknown. Looking at this machine reads; only its disk's speed is measured, on one file of the store."""

from __future__ import annotations

from typing import Any

from freehold.core.quantity import Estimated, Exact, Quantity, Unknown, as_json
from freehold.core.settings import Settings, load
from freehold.hardware import cgroups, here, layout, probe
from freehold.hardware.calibration import Calibration
from freehold.hardware.describe import described
from freehold.hardware.devices import Device, Devices, Fact
from freehold.hardware.disk import read_speed
from freehold.hardware.machine import Machine
from freehold.hardware.rig import Place, Rig
from freehold.python.measuring import document, known


def this_machine(settings: Settings | None = None) -> dict[str, Any]:
    """This machine as this process may use it, now. Raises SettingsError."""
    home = (settings or load()).home
    machine = probe.machine()
    rig = here.rig(machine)
    found = known(settings)
    return {
        **_with_bandwidth(_rig(rig), found),
        "measured": {"unknown": found.reason} if isinstance(found, Unknown) else document(found),
        "processor": _processor(machine),
        "memory": _memory(machine),
        "numa": [{"node": node.number, "cores": node.cores} for node in layout.nodes()],
        "disk": {"folder": str(home), "read_bytes_per_s": as_json(read_speed(home))},
    }


def _with_bandwidth(rig: dict[str, Any], found: Calibration | Unknown) -> dict[str, Any]:
    """`rig` with what its host was measured to read, by the most threads that were tried; as it is where nobody did."""
    host = rig["places"][-1]
    if isinstance(found, Calibration):
        host["bandwidth_bytes_per_s"] = as_json(found.bandwidth[max(found.bandwidth)])
    elif host["bandwidth_bytes_per_s"]["kind"] == "unknown":
        host["bandwidth_bytes_per_s"] = as_json(found)
    return rig


def described_machine(text: str) -> dict[str, Any]:
    """What a description was understood as. Raises DescriptionError."""
    return _rig(described(text))


def known_devices(text: str = "") -> list[dict[str, Any]]:
    """The rows of the table in whose names every word of `text` stands; each fact with its source and date."""
    return [_device(device) for device in Devices.load().matching(text)]


def _processor(machine: Machine) -> dict[str, Any]:
    return {
        "model": machine.cpu_model,
        "architecture": machine.architecture,
        "system": machine.system,
        "kernel": machine.kernel,
        "usable_cores": machine.usable_cores,
        "logical_cores": machine.logical_cores,
        "physical_cores": machine.physical_cores,
        "instruction_sets": list(layout.instruction_sets(machine)) if machine.cpu_flags else None,
        "governor": machine.governor,
    }


def _memory(machine: Machine) -> dict[str, Any]:
    modules = layout.modules()
    rows = [
        {"size_bytes": each.size_bytes, "kind": each.kind, "transfers_m": each.transfers_m} for each in modules or ()
    ]
    return {
        "total_bytes": as_json(Exact(machine.memory_total_bytes)),
        "available_bytes": as_json(Exact(machine.memory_available_bytes)),
        "cgroup_limit_bytes": cgroups.limits().memory_bytes,
        "modules": rows if modules is not None else None,
    }


def _rig(rig: Rig) -> dict[str, Any]:
    return {
        "machine": rig.name,
        "here": rig.here,
        "fingerprint": rig.fingerprint,
        "cores": rig.cores,
        "places": [_place(place, here=rig.here) for place in rig.places],
        "notes": list(rig.notes),
    }


def _place(place: Place, *, here: bool) -> dict[str, Any]:
    return {
        "name": place.name,
        "kind": place.kind,
        "device": place.device,
        "memory_bytes": as_json(Exact(place.memory_bytes)),
        "usable_bytes": as_json(_usable(place, here=here)),
        "bandwidth_bytes_per_s": as_json(place.bandwidth),
        "compute_per_s": {precision: as_json(quantity) for precision, quantity in place.compute.items()},
        "no_engine": place.no_engine,
        "link_bytes_per_s": None if place.link is None else as_json(place.link),
    }


def _usable(place: Place, *, here: bool) -> Quantity:
    """What is free is counted; what a described host, or a chip that shares its memory, leaves to the system is not."""
    if place.kind == "gpu" or (here and place.kind == "host") or not place.memory_bytes:
        return Exact(place.usable_bytes)
    basis = "less what is left to the system, assumed"
    return Estimated(place.usable_bytes, place.usable_bytes, basis, place.usable_bytes)


def _device(device: Device) -> dict[str, Any]:
    link = device.link
    return {
        "device": device.key,
        "name": device.name,
        "vendor": device.vendor,
        "kind": device.kind,
        "aliases": list(device.aliases),
        "released": _fact(device.released),
        "dies": device.dies,
        "no_engine": device.no_engine,
        "offers": [
            {
                "memory_gib": _fact(offer.memory_gib),
                "memory_bytes": offer.memory_bytes,
                "visible_mib": _fact(offer.visible_mib),
                "bandwidth_gb_per_s": _fact(offer.bandwidth_gbs),
            }
            for offer in device.offers
        ],
        "tera_per_s": {precision: _fact(fact) for precision, fact in device.compute_tera.items()},
        "power_w": _fact(device.power_w),
        "cores": _fact(device.cores),
        "pcie": f"{link.pcie_generation}.0 x{link.pcie_lanes}" if link and link.pcie_generation else None,
        "peer_gb_per_s": _fact(link.peer_gbs) if link else None,
    }


def _fact(fact: Fact | None) -> dict[str, Any] | None:
    if fact is None:
        return None
    return {"value": fact.value, "source": fact.source.text, "date": fact.source.date, "url": fact.source.url}
