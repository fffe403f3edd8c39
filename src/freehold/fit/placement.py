"""Where the layers of a build go on a machine, whether all of it fits, and if not, why.

The engine's rule: the last layers and the output go to the accelerators, each a run of layers that follow each other;
the first layers and the embedding stay with the host. Of a mixture of experts, experts go to the host before any layer
does, because the rest of a layer is used by every token. Splits of single matrices over devices (tensor parallel) are
not planned. Source: llama.cpp b11549, `llama_model_base::load_tensors` and `common/fit.cpp`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from freehold.fit.blueprint import Blueprint, RunShape
from freehold.fit.cache import CELLS
from freehold.fit.loads import Loads, loads
from freehold.fit.memory import MemoryNeed, need
from freehold.hardware.rig import Place, Rig

MARGIN_BYTES = 1 << 30
"""Left free on every accelerator: its driver's context and pools, which no arithmetic shows (llama.cpp's default)."""

MOST_SLOTS = 256
"""LLAMA_MAX_SEQ."""

UNSTATED_CONTEXT_TOKENS = 131_072


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

    `shares` is empty unless it fits. `offloaded_layers` are on accelerators, of which `host_experts` (the first of
    them) have their experts with the host. `largest_context_tokens` is for each slot, with as many layers on
    accelerators; None where nobody can tell, 0 where none fits.
    """

    fits: bool | None
    need: MemoryNeed
    shares: tuple[Share, ...] = ()
    offloaded_layers: int = 0
    host_experts: int = 0
    why_not: str | None = None
    largest_context_tokens: int | None = None
    largest_slots: int | None = None


@dataclass(frozen=True, slots=True)
class _Layout:
    """`offloaded` layers, the last ones, on accelerators; the first `host_experts` of those without their experts."""

    shares: tuple[Share, ...]
    offloaded: int
    host_experts: int


def place(blueprint: Blueprint, run: RunShape, rig: Rig) -> Placement:
    """Where `blueprint`, run as `run` says, goes on `rig`."""
    needed = need(blueprint, run)
    high = loads(blueprint, run, needed, high=True)
    low = loads(blueprint, run, needed, high=False)
    if high is None or low is None:
        reason = getattr(needed.total_bytes, "reason", None) or "its layers are not known"
        return Placement(None, needed, why_not=reason)
    found = _layout(high, rig)
    if found is None:
        reason = _why_not(high, rig)
        perhaps = _layout(low, rig) is not None
        largest = _largest_context(blueprint, run, rig, 0)
        return Placement(None if perhaps else False, needed, why_not=reason, largest_context_tokens=largest)
    return Placement(
        True,
        needed,
        found.shares,
        found.offloaded,
        found.host_experts,
        largest_context_tokens=_largest_context(blueprint, run, rig, found.offloaded),
        largest_slots=_largest_slots(blueprint, run, rig, found.offloaded),
    )


def _layout(parts: Loads, rig: Rig) -> _Layout | None:
    """The layout that uses the accelerators most; None where nothing fits."""
    count = len(parts.layers)
    if not rig.accelerators:
        share = Share(rig.host, 0, count, _host_bytes(parts, count, 0, alone=True))
        return _Layout((share,), 0, 0) if share.bytes <= rig.host.usable_bytes else None
    moe = any(layer.experts for layer in parts.layers)
    options = [(count, 0), *(((count, experts) for experts in range(1, count + 1)) if moe else ())]
    options += [(offloaded, offloaded if moe else 0) for offloaded in range(count - 1, -1, -1)]
    for offloaded, experts in options:
        shares = _packed(parts, rig, offloaded, experts)
        if shares is not None:
            return _Layout(shares, offloaded, experts)
    return None


def _packed(parts: Loads, rig: Rig, offloaded: int, experts: int) -> tuple[Share, ...] | None:
    """The accelerators filled from the last layer back, and the host with the rest; None where it does not fit."""
    count = len(parts.layers)
    first = count - offloaded
    host = Share(rig.host, 0, first, _host_bytes(parts, first, experts, alone=False))
    if host.bytes > rig.host.usable_bytes:
        return None
    shares: list[Share] = []
    index, output = count - 1, parts.output if offloaded else 0
    for device in reversed(rig.accelerators):
        room = device.usable_bytes - MARGIN_BYTES - parts.each - output
        last, used = index, 0
        while index >= first and used + _on_device(parts, index, first + experts) <= room:
            used += _on_device(parts, index, first + experts)
            index -= 1
        if index < last:
            shares.append(Share(device, index + 1, last - index, used + output + parts.each))
            output = 0
    if index >= first:
        return None
    return (*reversed(shares), host)


def _on_device(parts: Loads, index: int, with_experts_from: int) -> int:
    layer = parts.layers[index]
    return layer.whole if index >= with_experts_from else layer.dense + layer.cache


def _host_bytes(parts: Loads, first: int, experts: int, *, alone: bool) -> int:
    """What stays with the host where `first` layers do, and the experts of so many after them."""
    whole = sum(layer.whole for layer in parts.layers[:first])
    left = sum(layer.experts for layer in parts.layers[first : first + experts])
    output = parts.output if alone or first == len(parts.layers) else 0
    computes = parts.each if alone or first or experts else 0
    return whole + left + output + parts.embedding + parts.host + computes


def _why_not(parts: Loads, rig: Rig) -> str:
    """What is needed and what there is, in numbers."""
    count = len(parts.layers)
    wanted = _host_bytes(parts, count, 0, alone=True)
    there = sum(max(0, each.usable_bytes - MARGIN_BYTES - parts.each) for each in rig.accelerators)
    there += rig.host.usable_bytes
    return f"it needs up to {wanted / 1e9:.1f} GB and {rig.name} has {there / 1e9:.1f} GB for it"


def _largest_context(blueprint: Blueprint, run: RunShape, rig: Rig, offloaded: int) -> int:
    """The longest context of each slot, up to what it was trained with, that leaves as many layers on accelerators."""
    longest = (blueprint.trained_tokens or UNSTATED_CONTEXT_TOKENS) // CELLS
    return CELLS * _most(
        longest, lambda cells: _holds(blueprint, replace(run, context_tokens=cells * CELLS), rig, offloaded)
    )


def _largest_slots(blueprint: Blueprint, run: RunShape, rig: Rig, offloaded: int) -> int:
    return _most(MOST_SLOTS, lambda slots: _holds(blueprint, replace(run, slots=slots), rig, offloaded))


def _holds(blueprint: Blueprint, run: RunShape, rig: Rig, offloaded: int) -> bool:
    parts = loads(blueprint, run, need(blueprint, run), high=True)
    found = _layout(parts, rig) if parts is not None else None
    return found is not None and found.offloaded >= offloaded


def _most(limit: int, holds: Callable[[int], bool]) -> int:
    """The largest number up to `limit` that holds, where all smaller ones do; 0 where none does."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low
