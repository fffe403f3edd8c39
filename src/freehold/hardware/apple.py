"""An Apple chip: its name, its instruction sets, and what its graphics side may take of the one memory.

Sources: Apple Developer, "Determining instruction set characteristics"; `iogpu.wired_limit_mb` is the limit of Metal's
working set in MiB, 0 where it is the system's own choice (see `figures.working_set`).
"""

from __future__ import annotations

from collections.abc import Callable

from freehold.hardware import figures, sysctl

# Feature of the chip: the name that Linux gives it on Arm.
_FEATURES = {"AdvSIMD": "asimd", "FEAT_DotProd": "asimddp", "FEAT_I8MM": "i8mm", "FEAT_BF16": "bf16", "FEAT_SME": "sme"}


def chip(ask: Callable[[str], bytes] = sysctl.raw) -> str | None:
    """ "Apple M4 Max", None on anything else."""
    name = sysctl.text(ask("machdep.cpu.brand_string"))
    return name if name.startswith("Apple ") else None


def cpu_flags(ask: Callable[[str], bytes] = sysctl.raw) -> frozenset[str]:
    """The instruction sets that matter to the engine's kernels, by Linux's names."""
    return frozenset(
        flag
        for name, flag in _FEATURES.items()
        if sysctl.number(ask(f"hw.optional.arm.{name}") or ask(f"hw.optional.{name}"))
    )


def working_set_bytes(memory_bytes: int, ask: Callable[[str], bytes] = sysctl.raw) -> int:
    """What a model may take: as the machine's owner set it, else what macOS chooses."""
    limit_bytes = sysctl.number(ask("iogpu.wired_limit_mb")) * 2**20
    return min(memory_bytes, limit_bytes) if limit_bytes else figures.working_set(memory_bytes)
