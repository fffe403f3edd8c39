"""How a machine's processors and memory are laid out: NUMA nodes, memory modules, and the instruction sets that the
engine has kernels for. Read from sysfs and from the SMBIOS table, which on most systems root alone may read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from freehold.hardware.machine import Machine
from freehold.hardware.reading import text

_NODES = Path("/sys/devices/system/node")
_SMBIOS = Path("/sys/firmware/dmi/tables/DMI")
_MEMORY_DEVICE = 17
_KINDS = {0x18: "DDR3", 0x1A: "DDR4", 0x1E: "LPDDR4", 0x22: "DDR5", 0x23: "LPDDR5"}
# In the order in which they came; ggml has kernels for each.
_INSTRUCTION_SETS = (
    *(
        "sse4_2",
        "avx",
        "f16c",
        "fma",
        "avx2",
        "avx_vnni",
        "avx512f",
        "avx512_vnni",
        "avx512_bf16",
        "amx_int8",
        "amx_bf16",
    ),
    *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme"),
)


@dataclass(frozen=True, slots=True)
class Node:
    """One NUMA node: its cores as the kernel lists them ("0-15,32-47"), None where it has none."""

    number: int
    cores: str | None


@dataclass(frozen=True, slots=True)
class Module:
    """One memory module. `transfers_m`: millions of transfers a second it is run at, None where nothing says."""

    size_bytes: int
    kind: str | None
    transfers_m: int | None


def instruction_sets(machine: Machine) -> tuple[str, ...]:
    """Those that the processor has and the engine has kernels for, by Linux's names, oldest first."""
    return tuple(name for name in _INSTRUCTION_SETS if name in machine.cpu_flags)


def nodes(root: Path = _NODES) -> tuple[Node, ...]:
    """Every NUMA node by number; none where the kernel does not tell."""
    numbers = sorted(int(folder.name[4:]) for folder in root.glob("node*") if folder.name[4:].isdecimal())
    return tuple(Node(number, text(root / f"node{number}" / "cpulist") or None) for number in numbers)


def modules(table: Path = _SMBIOS) -> tuple[Module, ...] | None:
    """The modules that are plugged in, None where their table cannot be read. Source: SMBIOS specification DSP0134
    3.7, section 7.18 (memory device, type 17)."""
    try:
        data = table.read_bytes()
    except OSError:
        return None
    return tuple(module for structure in _structures(data) if (module := _module(structure)) is not None) or None


def _structures(data: bytes) -> Iterator[bytes]:
    """The memory devices' formatted parts. A structure is its length in byte 1, then strings up to two zero bytes."""
    start = 0
    while start + 4 <= len(data) and data[start + 1] >= 4:
        length = data[start + 1]
        if data[start] == _MEMORY_DEVICE:
            yield data[start : start + length]
        end = data.find(b"\0\0", start + length)
        if end < 0:
            return
        start = end + 2


def _module(structure: bytes) -> Module | None:
    """None for an empty slot, and for a structure that is too short to say a size."""
    size = int.from_bytes(structure[0x0C:0x0E], "little")
    if size == 0x7FFF:
        size_bytes = (int.from_bytes(structure[0x1C:0x20], "little") & 0x7FFFFFFF) * 2**20
    elif size == 0xFFFF:
        size_bytes = 0
    else:
        size_bytes = (size & 0x7FFF) * (2**10 if size & 0x8000 else 2**20)
    if not size_bytes or len(structure) < 0x15:
        return None
    speeds = (int.from_bytes(structure[at : at + 2], "little") for at in (0x20, 0x15) if len(structure) >= at + 2)
    transfers = next((speed for speed in speeds if 0 < speed < 0xFFFF), None)
    return Module(size_bytes, _KINDS.get(structure[0x12]), transfers)
