"""This machine as a rig: its accelerators as their drivers report them, and its host. How fast the host's memory is
stays unknown until it is measured."""

from __future__ import annotations

from freehold.core.quantity import Unknown
from freehold.hardware.fingerprint import fingerprint
from freehold.hardware.machine import Machine
from freehold.hardware.rig import Place, Rig

NOT_MEASURED = "not measured on this machine: `freehold machine --measure` does"


def rig(machine: Machine) -> Rig:
    """What models can be run on here, now: what is free changes from call to call."""
    return Rig("this machine", (_host(machine),), machine.usable_cores, here=True, fingerprint=fingerprint(machine))


def _host(machine: Machine) -> Place:
    memory = machine.memory_total_bytes
    return Place("host", "host", memory, machine.memory_available_bytes, Unknown(NOT_MEASURED))
