"""A build cut into what can be put in different places: its layers, its experts, its output, its embedding.

Each cut once at the low and once at the high end of what is known, so that a range is never taken for a point.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from freehold.core.quantity import Quantity, at_least, at_most
from freehold.fit.blueprint import EMBEDDING, Blueprint, RunShape
from freehold.fit.cache import STATE_BYTES, layer_cache_bytes
from freehold.fit.counts import counts
from freehold.fit.memory import MemoryNeed
from freehold.fit.recipes import Tables, table_bytes


@dataclass(frozen=True, slots=True)
class LayerLoad:
    """Bytes of one layer: `experts` can be left on the host while the rest is on an accelerator."""

    dense: int
    experts: int
    cache: int

    @property
    def whole(self) -> int:
        return self.dense + self.experts + self.cache


@dataclass(frozen=True, slots=True)
class Loads:
    """Bytes of each part. `embedding` stays with the host; `each` is what every place takes that computes (its compute
    buffer), `host` what the host takes besides (output buffer, process).

    `tied` is the part of `output` that is the embedding as well: where the output lies on an accelerator, the host has
    that part too (llama.cpp b11549, `TENSOR_DUPLICATED`).
    """

    layers: tuple[LayerLoad, ...]
    output: int
    embedding: int
    each: int
    host: int
    tied: int = 0


def loads(blueprint: Blueprint, run: RunShape, needed: MemoryNeed, *, high: bool) -> Loads | None:
    """The parts of `blueprint`, at the high end of what is known or the low; None where something is not known."""
    weights = _end(needed.weights_bytes, high=high)
    compute, process = _end(needed.compute_bytes, high=high), _end(needed.process_bytes, high=high)
    output = _end(needed.output_bytes, high=high)
    if weights is None or compute is None or process is None or output is None or not blueprint.layers:
        return None
    each = {
        layer: layer_cache_bytes(blueprint, layer, run) + layer.state_elements * STATE_BYTES * run.slots
        for layer in blueprint.kinds
    }
    caches = [each[layer] for layer in blueprint.layers] if len(each) > 1 else [*each.values()] * len(blueprint.layers)
    besides = output + process + run.adapters_bytes + run.projector_bytes
    if blueprint.tensors is not None:
        cut = _from_tensors(blueprint, caches)
    else:
        cut = _even(blueprint, caches, weights, tied=_may_be_tied(blueprint, high=high))
    return Loads(cut.layers, cut.output, cut.embedding, compute, besides, cut.tied)


@dataclass(frozen=True, slots=True)
class _Cut:
    """The weights: those of the layers with their caches, and what lies before and behind them."""

    layers: tuple[LayerLoad, ...]
    output: int
    embedding: int
    tied: int


def _from_tensors(blueprint: Blueprint, caches: list[int]) -> _Cut:
    dense: defaultdict[int, int] = defaultdict(int)
    experts: defaultdict[int, int] = defaultdict(int)
    output = embedding = tied = 0
    for tensor in blueprint.tensors or ():
        if tensor.layer is not None and tensor.layer < len(caches):
            (experts if tensor.role == "expert" else dense)[tensor.layer] += tensor.size_bytes
        elif tensor.role == "embedding":
            embedding += tensor.size_bytes
        else:
            output += tensor.size_bytes
            tied += tensor.size_bytes if tensor.name == EMBEDDING else 0
    layers = tuple(LayerLoad(dense[index], experts[index], cache) for index, cache in enumerate(caches))
    return _Cut(layers, output, embedding, tied)


def _even(blueprint: Blueprint, caches: list[int], weights: int, *, tied: bool) -> _Cut:
    """Where no tensor is known: the layers alike, embedding and output by the types that its recipe gives them, or by
    their share of the parameters. `tied`: they are one table."""
    tables = table_bytes(blueprint) or _alike(blueprint, weights)
    output = min(tables.output, weights // 2)
    embedding = 0 if tied else min(tables.embedding, weights // 2)
    each = (weights - output - embedding) // len(caches)
    experts = int(each * _routed_share(blueprint))
    layer = {cache: LayerLoad(each - experts, experts, cache) for cache in set(caches)}
    left = weights - output - embedding - each * len(caches)
    return _Cut(tuple(layer[cache] for cache in caches), output + left, embedding, output if tied else 0)


def _alike(blueprint: Blueprint, weights: int) -> Tables:
    """Both tables by their share of the parameters."""
    table = blueprint.vocabulary * blueprint.hidden
    each = int(weights * table / blueprint.parameters) if blueprint.parameters else 0
    return Tables(each, each)


def _may_be_tied(blueprint: Blueprint, *, high: bool) -> bool:
    """Whether embedding and output are one table, as its count of weights tells; where that leaves both open, they are
    at the high end, which takes more."""
    counted = counts(blueprint)
    tables = {count.tables for count in counted.possible} if counted is not None else set()
    return 1 in tables if high else tables == {1}


def _routed_share(blueprint: Blueprint) -> float:
    """How much of a layer its experts are: from the parameters that work on a token and those that do not."""
    if not blueprint.experts or not blueprint.parameters or not blueprint.active_parameters:
        return 0.0
    idle = blueprint.parameters - blueprint.active_parameters
    used = blueprint.experts_used / blueprint.experts
    return min(0.99, idle / (1 - used) / blueprint.parameters) if used < 1 else 0.0


def _end(quantity: Quantity, *, high: bool) -> int | None:
    found = at_most(quantity) if high else at_least(quantity)
    return None if found is None else int(found)
