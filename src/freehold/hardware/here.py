"""This machine as a rig: its accelerators as their drivers report them, and its host.

How fast it is stays the data sheet's word, or unknown, until it is measured.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from freehold.core.quantity import Quantity, Unknown
from freehold.hardware import apple, figures
from freehold.hardware.accelerators import Accelerator, Found, look
from freehold.hardware.fingerprint import fingerprint
from freehold.hardware.machine import Machine
from freehold.hardware.rig import ONE_AFTER_THE_OTHER, Place, Rig

if TYPE_CHECKING:
    from freehold.hardware.devices import Device

NOT_MEASURED = "not measured on this machine"


def rig(machine: Machine, found: Found | None = None) -> Rig:
    """What models can be run on here, now: what is free changes from call to call. `found` is looked for if None."""
    seen = look() if found is None else found
    own = [each for each in seen.accelerators if each.memory_bytes is not None]
    shared = next((each for each in seen.accelerators if each.memory_bytes is None), None)
    return Rig(
        name="this machine",
        places=(*map(_place, own, range(1, len(own) + 1)), _host(machine, shared)),
        cores=machine.usable_cores,
        here=True,
        fingerprint=fingerprint(machine),
        notes=(*seen.lines, *_notes(own)),
    )


def _place(each: Accelerator, number: int) -> Place:
    total_bytes = each.memory_bytes or 0
    return Place(
        name=f"{each.name} {number}",
        kind="gpu",
        memory_bytes=total_bytes,
        usable_bytes=total_bytes if each.free_bytes is None else each.free_bytes,
        bandwidth=_bandwidth(each.device, total_bytes),
        compute=figures.compute(each.device) if each.device else {},
        link=each.link,
        device=each.device.key if each.device else None,
        no_engine=each.device.no_engine if each.device else None,
    )


def _bandwidth(device: Device | None, memory_bytes: int) -> Quantity:
    if device is None:
        return Unknown("the table of devices does not have it")
    nearest = min(device.offers, key=lambda offer: abs(offer.memory_bytes - memory_bytes))
    return figures.bandwidth(nearest)


def _host(machine: Machine, shared: Accelerator | None) -> Place:
    total_bytes, free_bytes = machine.memory_total_bytes, machine.memory_available_bytes
    host = Place("host", "host", total_bytes, free_bytes, Unknown(NOT_MEASURED))
    device = shared.device if shared else None
    if machine.system == "Darwin" and machine.architecture == "arm64":
        from freehold.hardware.devices import Devices

        host = replace(host, usable_bytes=min(free_bytes, apple.working_set_bytes(total_bytes)))
        device = Devices.load().get(machine.cpu_model or "")
    elif shared is None:
        return host
    name = device.name if device else shared.name if shared else machine.cpu_model or "host"
    host = replace(host, name=name, kind="unified", device=device.key if device else None)
    return replace(host, bandwidth=_bandwidth(device, total_bytes), compute=figures.compute(device)) if device else host


def _notes(own: list[Accelerator]) -> list[str]:
    silent = (each.name for each in own if each.free_bytes is None)
    lines = [f"{name}: its driver does not tell what is free; all of it is taken to be." for name in silent]
    return [*lines, ONE_AFTER_THE_OTHER] if len(own) > 1 else lines
