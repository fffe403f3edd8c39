"""From what makers promise to what may be planned with: data sheets into ranges, memory into what a model may take.

Nothing here is measured. A range's high end is the data sheet's own figure, its low end a share of it. Few cores may
read less than the low end of a wide memory, and so may types of weights whose unpacking is slower than their reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.core.quantity import Estimated, Quantity, Unknown

if TYPE_CHECKING:
    from freehold.hardware.devices import Device, Fact, Offer

GIB = 2**30
READ_SHARE = 0.5
"""Of a memory's bandwidth. Token generation of llama.cpp read 0.78 of an RTX 3090's 936 GB/s (PR 15802, 8B Q4_0) and
0.66 (ninfer-3090 issue 36, 27B); of an M1 Max's 400 GB/s 0.58 with IQ4_NL, and 0.44 with Q3_K_M, slow to unpack
(llama.cpp issue 27525, 27B)."""
COMPUTE_SHARE = 0.25
"""Of a peak of matrix operations: assumed, not published."""
LINK_SHARE = 0.7
"""Of a link's signaling rate less its line code: assumed; packets carry headers."""
SYSTEM_BYTES = 2 * GIB
"""Left to the system and other programs of a machine that is only described: assumed, at most a quarter of it."""
_LINE_RATE_GTS = {1: 2.5, 2: 5.0, 3: 8.0, 4: 16.0, 5: 32.0, 6: 64.0, 7: 128.0}


def binary(nbytes: int) -> str:
    """Memory as it is sold: "64 GiB", and what is less than one "512 MiB"."""
    return f"{nbytes / GIB:.4g} GiB" if nbytes >= GIB else f"{nbytes / 2**20:.4g} MiB"


def said(fact: Fact) -> str:
    """Who says it: "NVIDIA L40S data sheet, 2023"."""
    return f"{fact.source.text}, {fact.source.date}"


def promised(high: float, share: float, basis: str) -> Estimated:
    """Between `share` of the promised figure and the figure itself."""
    return Estimated(high * share, high, f"{share:.0%} to all of it; {basis}")


def bandwidth(offer: Offer) -> Quantity:
    """Bytes/s of a device's own memory."""
    fact = offer.bandwidth_gbs
    if fact is None:
        return Unknown("the table of devices has no source for its bandwidth")
    return promised(fact.value * 1e9, READ_SHARE, said(fact))


def compute(device: Device) -> dict[str, Quantity]:
    """Operations/s by precision; a precision that nobody is cited for is left out."""
    return {
        precision: promised(fact.value * 1e12, COMPUTE_SHARE, f"dense; {said(fact)}")
        for precision, fact in device.compute_tera.items()
    }


def link(device: Device, *, bridged: bool = False) -> Quantity | None:
    """Bytes/s one way: over NVLink or its like where the device has it (or `bridged` says so), else over PCIe."""
    known = device.link
    if known is None:
        return None
    if known.peer_gbs is not None and (bridged or not known.bridged):
        return promised(known.peer_gbs.value * 1e9 / 2, LINK_SHARE, f"half of both ways; {said(known.peer_gbs)}")
    if known.pcie_generation is None or known.pcie_lanes is None:
        return None
    return pcie_link(known.pcie_generation, known.pcie_lanes, f"{known.source.text}, {known.source.date}")


def pcie_link(generation: int, lanes: int, said_by: str) -> Quantity | None:
    """Bytes/s one way over PCIe; None for a generation that nobody has defined."""
    if generation not in _LINE_RATE_GTS or lanes < 1:
        return None
    return promised(_pcie_bytes_per_s(generation, lanes), LINK_SHARE, f"PCIe {generation}.0 x{lanes}; {said_by}")


def _pcie_bytes_per_s(generation: int, lanes: int) -> float:
    """One way, less the line code: 8b/10b to generation 2, 128b/130b to 5, 242 of 256 bytes of a flit from 6 on
    (PCI Express Base Specification)."""
    code = 0.8 if generation <= 2 else 128 / 130 if generation <= 5 else 242 / 256
    return _LINE_RATE_GTS[generation] * 1e9 * code / 8 * lanes


def left_to_models(memory_bytes: int) -> int:
    """Of a described host's memory."""
    return memory_bytes - min(SYSTEM_BYTES, memory_bytes // 4)


def working_set(memory_bytes: int) -> int:
    """What macOS lets the graphics side of an Apple chip take unless `iogpu.wired_limit_mb` says otherwise: two thirds,
    three quarters from 36 GiB on. Source: Metal's recommendedMaxWorkingSetSize as llama.cpp logs it (discussion 2182:
    10.67 of 16 GiB, 48 of 64); releases since macOS 15 give a little more."""
    return memory_bytes * 2 // 3 if memory_bytes < 36 * GIB else memory_bytes * 3 // 4
