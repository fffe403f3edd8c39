"""The facts about a machine that choices are made from. Data only; `probe` fills it, a test may invent one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """`usable_cores` is what the scheduler will give us: affinity mask and cgroup quota; it may be a fraction.

    `physical_cores` None is unknown. Memory is what this process may use: the smaller of the machine's and the
    cgroup's. `cpu_flags` are the kernel's names (x86 `flags`, Arm `Features`), empty where it does not tell.
    `governor` is what sets the first core's clock, None where nothing says; `accelerator_ids` are vendor:device of the
    graphics and compute processors on the bus, sorted, whether their driver works or not.
    """

    usable_cores: float
    logical_cores: int
    physical_cores: int | None
    memory_total_bytes: int
    memory_available_bytes: int
    architecture: str
    system: str
    kernel: str
    cpu_model: str | None
    cpu_flags: frozenset[str]
    governor: str | None = None
    accelerator_ids: tuple[str, ...] = ()
