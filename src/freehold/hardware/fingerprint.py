"""A stable name for a machine, as far as measurements depend on it: taken elsewhere, or before it was changed, they are
not this machine's. It names a kind of machine, not one specimen: no serial number, no host name, nothing secret.

It changes with the processor, the cores and the memory that may be used, the instruction sets, the clock's governor and
the accelerators; not with a restart, the kernel's version or what else is running.
"""

from __future__ import annotations

import hashlib
import json
import re

from freehold.hardware.machine import Machine

_GIB = 2**30


def fingerprint(machine: Machine) -> str:
    """A few words for people and ten digits for certainty: "amd-epyc-7763-2c-24g-1f0c9a77d2"."""
    parts = [
        machine.system,
        machine.architecture,
        machine.cpu_model,
        round(machine.usable_cores, 2),
        machine.physical_cores,
        machine.logical_cores,
        _memory_gib(machine),
        sorted(machine.cpu_flags),
        machine.governor,
        machine.accelerator_ids,
    ]
    digits = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]
    words = re.findall(
        r"[a-z0-9]+", re.sub(r"\((?:r|tm)\)|@.*", "", (machine.cpu_model or machine.architecture).lower())
    )
    return "-".join([*words[:5], f"{machine.usable_cores:g}c", f"{_memory_gib(machine)}g", digits])


def _memory_gib(machine: Machine) -> int:
    """Rounded: what the kernel keeps for itself differs by some megabytes from start to start."""
    return round(machine.memory_total_bytes / _GIB)
