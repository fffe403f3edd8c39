"""Where the layers of a build go on a machine, whether all of it fits, and if not, why.

The engine's rule: the last layers and the output go to the accelerators, each a run of layers that follow each other;
the first layers and the embedding stay with the host, also where it is the output's table. Of a mixture of experts,
experts go to the host before any layer does, because the rest of a layer is used by every token. Splits of single
matrices over devices (tensor parallel) are not planned. Source: llama.cpp b11549, `llama_model_base::load_tensors` and
`common/fit.cpp`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from freehold.core.quantity import Estimated, Exact, Quantity
from freehold.fit.blueprint import Blueprint, RunShape
from freehold.fit.loads import LayerLoad, Loads, loads
from freehold.fit.memory import MemoryNeed, need
from freehold.fit.refused import refused
from freehold.hardware.rig import Place, Rig

MARGIN_BYTES = 1 << 30
"""Left free on every accelerator: its driver's context and pools, which no arithmetic shows (llama.cpp's default)."""
NO_MEMORY = 'how much memory the machine has was not said; add it, as in "16 cores, 64GB"'


@dataclass(frozen=True, slots=True)
class Share:
    """What one place holds: `first_layer` and so many `layers` on, at the high end `bytes` in all."""

    place: Place
    first_layer: int
    layers: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Placement:
    """`fits` None: it cannot be told. `why_not` says why it does not fit, or cannot be told.

    `shares` is empty unless it fits; the high end of `need` is their sum. `computing` places have a compute buffer.
    `offloaded_layers` are on accelerators, of which `host_experts` (the first of them) have their experts with the
    host.
    """

    fits: bool | None
    need: MemoryNeed
    shares: tuple[Share, ...] = ()
    offloaded_layers: int = 0
    host_experts: int = 0
    why_not: str | None = None
    computing: int = 1

    @property
    def no_engine(self) -> str | None:
        """Why no engine here runs it where it lies: memory is only half of what it takes."""
        silent = (share.place for share in self.shares if share.layers and share.place.no_engine)
        return next((f"no engine here runs on {each.name}: {each.no_engine}" for each in silent), None)


@dataclass(frozen=True, slots=True)
class Layout:
    """`offloaded` layers, the last ones, on accelerators; the first `host_experts` of those without their experts."""

    shares: tuple[Share, ...]
    offloaded: int
    host_experts: int

    @property
    def computing(self) -> int:
        """How many places compute: those with layers, and the host where it has experts alone."""
        alone = self.host_experts > 0 and not self.shares[-1].layers
        return sum(share.layers > 0 for share in self.shares) + alone


def place(blueprint: Blueprint, run: RunShape, rig: Rig) -> Placement:
    """Where `blueprint`, run as `run` says, goes on `rig`."""
    needed = need(blueprint, run)
    if (refusal := refused(blueprint, run)) is not None:
        return Placement(False, needed, why_not=f"the engine makes no context for it: {refusal}")
    if blueprint.cannot_say is None and not rig.accelerators and not rig.host_is_known:
        return Placement(None, needed, why_not=NO_MEMORY)
    high = loads(blueprint, run, needed, high=True)
    low = loads(blueprint, run, needed, high=False)
    if high is None or low is None:
        reason = getattr(needed.total_bytes, "reason", None) or "its layers are not known"
        return Placement(None, needed, why_not=reason)
    found = layout(high, rig)
    if found is None:
        perhaps = layout(low, rig) is not None
        return Placement(None if perhaps else False, needed, why_not=_why_not(low, high, rig))
    copy = _embedding_copy(blueprint, low, high) if found.offloaded else Exact(0)
    lying = needed.lying_in(found.computing, copy)
    return Placement(*(True, lying, found.shares, found.offloaded, found.host_experts), computing=found.computing)


def _embedding_copy(blueprint: Blueprint, low: Loads, high: Loads) -> Quantity:
    """What the host has of an output that lies on an accelerator."""
    if blueprint.tensors is not None or not high.tied:
        return Exact(high.tied)
    return Estimated(low.tied, high.tied, "the type that outputs are kept in, where the embedding is the output")


def layout(parts: Loads, rig: Rig) -> Layout | None:
    """The layout that uses the accelerators most; None where nothing fits.

    The more layers, or experts, are left to the host, the less the accelerators hold and the more the host does: so the
    first layout that the accelerators hold is the only one to ask the host about.
    """
    count = len(parts.layers)
    if not rig.accelerators:
        share = Share(rig.host, 0, count, _host_bytes(parts, count, 0, alone=True))
        return Layout((share,), 0, 0) if share.bytes <= rig.host.usable_bytes else None
    stack = _Stack(parts.layers)
    moe = any(layer.experts for layer in parts.layers)
    left = _first(count if moe else 0, lambda experts: _on_devices(parts, stack, rig, count, experts) is not None)
    offloaded, experts = count, left or 0
    if left is None:
        first = _first(
            count, lambda first: _on_devices(parts, stack, rig, count - first, count - first if moe else 0) is not None
        )
        offloaded = count - (count if first is None else first)
        experts = offloaded if moe else 0
    shares = _on_devices(parts, stack, rig, offloaded, experts)
    host = Share(rig.host, 0, count - offloaded, _host_bytes(parts, count - offloaded, experts, alone=False))
    if shares is None or not _host_holds(rig, host, experts):
        return None
    return Layout((*shares, host), offloaded, experts)


def _first(limit: int, holds: Callable[[int], bool]) -> int | None:
    """The smallest number up to `limit` that holds, where all larger ones do; None where none does."""
    if not holds(limit):
        return None
    low, high = 0, limit
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _host_holds(rig: Rig, host: Share, experts: int) -> bool:
    """A host whose memory nobody named is taken to hold the process, and no layer."""
    if not rig.host_is_known:
        return not host.layers and not experts
    return host.bytes <= rig.host.usable_bytes


class _Stack:
    """The bytes of layers, added up once: a layout is looked for in hundreds of ways."""

    def __init__(self, layers: Sequence[LayerLoad]) -> None:
        self._whole = (0, *accumulate(layer.whole for layer in layers))
        self._lean = (0, *accumulate(layer.dense + layer.cache for layer in layers))

    def bytes(self, first: int, end: int, with_experts_from: int) -> int:
        """Of the layers from `first` up to `end`, which have their experts from `with_experts_from` on."""
        between = min(max(first, with_experts_from), end)
        return self._lean[between] - self._lean[first] + self._whole[end] - self._whole[between]

    def begin(self, first: int, end: int, with_experts_from: int, room: int) -> int:
        """The first of the layers, not before `first`, that have room together with those after it up to `end`."""
        between = min(max(first, with_experts_from), end)
        found = bisect_left(self._whole, self._whole[end] - room, between, end)
        if found > between:
            return found
        left = room - self._whole[end] + self._whole[between]
        return bisect_left(self._lean, self._lean[between] - left, first, between)


def _on_devices(parts: Loads, stack: _Stack, rig: Rig, offloaded: int, experts: int) -> tuple[Share, ...] | None:
    """The accelerators filled from the last layer back; None where they do not hold that."""
    end, first = len(parts.layers), len(parts.layers) - offloaded
    shares: list[Share] = []
    output = parts.output if offloaded else 0
    for device in reversed(rig.accelerators):
        room = device.usable_bytes - MARGIN_BYTES - parts.each - output
        begin = stack.begin(first, end, first + experts, room)
        if begin < end:
            used = stack.bytes(begin, end, first + experts)
            shares.append(Share(device, begin, end - begin, used + output + parts.each))
            output = 0
        end = begin
    return None if end > first else tuple(reversed(shares))


def _host_bytes(parts: Loads, first: int, experts: int, *, alone: bool) -> int:
    """What stays with the host where `first` layers do, and the experts of so many after them."""
    whole = sum(layer.whole for layer in parts.layers[:first])
    left = sum(layer.experts for layer in parts.layers[first : first + experts])
    output = parts.output if alone or first == len(parts.layers) else parts.tied
    computes = parts.each if alone or first or experts else 0
    return whole + left + output + parts.embedding + parts.host + computes


def _why_not(low: Loads, high: Loads, rig: Rig) -> str:
    """What is needed and what there is, in numbers."""
    count = len(high.layers)
    least, most = (_host_bytes(parts, count, 0, alone=True) / 1e9 for parts in (low, high))
    there = sum(max(0, each.usable_bytes - MARGIN_BYTES - high.each) for each in rig.accelerators)
    there += rig.host.usable_bytes if rig.host_is_known or not rig.accelerators else 0
    return f"it needs {least:,.1f} to {most:,.1f} GB and {rig.name} has {there / 1e9:,.1f} GB for it"
