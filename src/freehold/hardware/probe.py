"""Looks at the machine it runs on. Reads, never writes; asks nothing outside. What cannot be seen is None or empty."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

from freehold.hardware import apple, bus, cgroups
from freehold.hardware.machine import Machine
from freehold.hardware.reading import text

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def memory_available_bytes() -> int:
    """What this process may still take of the machine's memory, now."""
    return _smaller(psutil.virtual_memory().available, cgroups.limits().memory_available_bytes)


def machine() -> Machine:
    """This machine as this process may use it, now: available memory changes from call to call."""
    allowed = cgroups.limits()
    memory = psutil.virtual_memory()
    model, flags = processor()
    return Machine(
        usable_cores=min(float(_scheduled_cores()), allowed.cores or float("inf")),
        logical_cores=os.cpu_count() or 1,
        physical_cores=psutil.cpu_count(logical=False),
        memory_total_bytes=_smaller(memory.total, allowed.memory_bytes),
        memory_available_bytes=_smaller(memory.available, allowed.memory_available_bytes),
        architecture=platform.machine(),
        system=platform.system(),
        kernel=platform.release(),
        cpu_model=model or apple.chip() or platform.processor() or None,
        cpu_flags=flags or apple.cpu_flags(),
        governor=text(_GOVERNOR) or None,
        accelerator_ids=bus.accelerator_ids(),
    )


def _scheduled_cores() -> int:
    """The cores we may run on; macOS has no affinity mask and lets us have them all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _smaller(measured_bytes: int, limit_bytes: int | None) -> int:
    return measured_bytes if limit_bytes is None else min(measured_bytes, limit_bytes)


def processor(
    cpuinfo: Path = Path("/proc/cpuinfo"), board: Path = Path("/proc/device-tree/model")
) -> tuple[str | None, frozenset[str]]:
    """Model name and feature flags of the first core; the kernel's file has one block per core. Arm processors have no
    name there: theirs is the board's with the core's implementer and part (Arm Architecture Reference Manual, MIDR)."""
    first = text(cpuinfo).split("\n\n", 1)[0]
    rows = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}
    flags = frozenset((rows.get("flags") or rows.get("Features") or "").split())
    core = [rows[key] for key in ("CPU implementer", "CPU part") if key in rows]
    arm = " ".join([*text(board).split("\0", 1)[:1], f"Arm {'/'.join(core)}"]).strip() if core else None
    return rows.get("model name") or arm, flags
