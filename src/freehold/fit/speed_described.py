"""How fast a build runs on a machine that nobody measured here: from data sheets, as a range.

A pass reads every weight that works on one of its tokens, and the caches, once; the memory's bandwidth bounds it, and
published runs reach a share of that bound. Of 123 single-stream runs of llama.cpp on one accelerator (localmaxxing's
rows as llmfit ships them, those above the physical bound left out) the middle eight tenths reach 0.38 to 0.87 with
dense models, of 45 runs with mixtures of experts, counting active weights, 0.24 to 0.41; Gemma 4 31B reaches 0.36 on an
A100 and gpt-oss 20B 0.67 on an RTX 4080 (Khmel). Where many tokens share the reading, a prompt's or those of several
requests, the matrix rate bounds it as well, and the slower of both is taken. On an accelerator every operation takes
its time beside that, whatever the bandwidth: of models of 3 to 31 billion weights a token took 2.9 to 11 ms more on a
B300 than reading them, which is 5 to 10 us an operation (Khmel). Layers on several places work one after the other, so
their times add up.

Khmel: Pavlo Khmel, "LLM throughput benchmark on 13 GPUs and 10 models", 2026-06-07, llama.cpp with one request at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from freehold.core.quantity import Estimated, Quantity, Unknown, at_least, at_most
from freehold.fit.blueprint import Layer, RunShape
from freehold.fit.cache import CACHE_TYPES
from freehold.fit.placement import Placement, Share
from freehold.fit.work import Matrix, Work
from freehold.hardware.rig import Place

OPERATION_S = (1e-6, 1e-5)
"""The least is assumed: with more an RTX 3090 would not write the 156.6 tokens/s of 8B Q4_0 that it does (llama.cpp PR
15802)."""
DENSE_SHARE = (0.36, 0.87)
EXPERTS_SHARE = (0.24, 0.67)
_BASIS = "the data sheet's bandwidth, the share of it that published runs reach, and the time of an operation"
_RATE_BASIS = "the data sheet's matrix rate and a share of it that is assumed"
# Of a type by itself: ggml's block sizes.
BITS = {
    **{"F32": 32.0, "F16": 16.0, "BF16": 16.0, "Q8_0": 8.5, "Q6_K": 6.5625, "Q5_K": 5.5, "Q5_0": 5.5, "Q5_1": 6.0},
    **{
        "Q4_K": 4.5,
        "Q4_0": 4.5,
        "Q4_1": 5.0,
        "IQ4_NL": 4.5,
        "IQ4_XS": 4.25,
        "MXFP4": 4.25,
        "NVFP4": 4.5,
        "Q3_K": 3.4375,
    },
    **{"IQ3_S": 3.4375, "IQ3_XXS": 3.0625, "Q2_K": 2.625, "IQ2_S": 2.5625, "IQ2_XS": 2.3125, "IQ2_XXS": 2.0625},
    **{"TQ2_0": 2.0625, "TQ1_0": 1.6875, "IQ1_S": 1.5625, "IQ1_M": 1.75},
}


Rate = Callable[[Place], tuple[float, float] | None]
"""The least and the most operations/s that bound what a place does; None: nobody knows."""


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass: bytes that are read and operations, of all of it and of the experts that tokens are sent to."""

    read: float
    routed_read: float
    operations: float
    routed_operations: float


def ranges(
    work: Work, run: RunShape, placement: Placement, used_tokens: int, concurrency: int
) -> tuple[Quantity, Quantity]:
    """Generation of each sequence and prompt, in tokens/s."""
    if not placement.fits:
        unknown = Unknown(placement.why_not or "it does not fit")
        return unknown, unknown
    if placement.no_engine:
        unknown = Unknown(placement.no_engine)
        return unknown, unknown
    strange = {matrix.type for matrix in (*work.matrices, work.output)} - BITS.keys()
    if strange:
        unknown = Unknown(f"how many bits {', '.join(sorted(strange))} takes is not known")
        return unknown, unknown
    return _generation(work, run, placement, used_tokens, concurrency), _prompt(work, run, placement, used_tokens)


def _generation(work: Work, run: RunShape, placement: Placement, used_tokens: int, concurrency: int) -> Quantity:
    """Every sequence asks for its next token and has a cache of its own."""
    read = _read_bytes(work.output, 1) + concurrency * _cache_read_bytes(work, run, used_tokens)
    operations = concurrency * 2 * work.output.weights
    step = _passing(work, concurrency, used_tokens, read, operations)
    # What one token computes is less than a hundredth of what it waits for, and published runs have it in their share.
    return _per_s(1, step, placement, work, _at_least_fp32 if concurrency > 1 else _boundless)


def _prompt(work: Work, run: RunShape, placement: Placement, used_tokens: int) -> Quantity:
    """Experts that lie with the host are computed by it or go over the link for every batch, as the engine decides:
    neither is bounded by what the accelerators compute."""
    if placement.host_experts:
        host = placement.shares[-1].place.name
        return Unknown(f"how fast the experts of {placement.host_experts} layers are computed from {host} is not known")
    tokens = min(used_tokens, run.batch_tokens)
    step = _passing(work, tokens, used_tokens / 2, _cache_read_bytes(work, run, used_tokens // 2), 0.0)
    return _per_s(tokens, step, placement, work, _fp16)


def _passing(work: Work, tokens: int, seen: float, read: float, operations: float) -> _Pass:
    """A pass of `tokens`, each of which looks back at `seen`; `read` and `operations` come on top."""
    bytes_ = {each: count * _read_bytes(each, tokens) for each, count in work.matrices.items()}
    computed = {each: count * 2 * each.weights * each.used * tokens for each, count in work.matrices.items()}
    looked = tokens * sum(count * _looking(layer, seen) for layer, count in work.layers.items())
    return _Pass(
        read=read + sum(bytes_.values()),
        routed_read=sum(size for each, size in bytes_.items() if each.experts > 1),
        operations=operations + looked + sum(computed.values()),
        routed_operations=sum(count for each, count in computed.items() if each.experts > 1),
    )


def _per_s(tokens: int, step: _Pass, placement: Placement, work: Work, rate_of: Rate) -> Quantity:
    """Tokens/s of a pass of so many, on places that compute as `rate_of` says."""
    shares = EXPERTS_SHARE if step.routed_read else DENSE_SHARE
    quickest = slowest = 0.0
    reading = _parts(placement, work, step.read, step.routed_read)
    computing = _parts(placement, work, step.operations, step.routed_operations)
    for (place, read), (_, operations) in zip(reading, computing, strict=True):
        promised, rates = at_most(place.bandwidth), rate_of(place)
        if not promised:
            return Unknown(f"the bandwidth of {place.name} is not known")
        if rates is None:
            return Unknown(f"the matrix rate of {place.name} is not known")
        (slow_share, quick_share), (slow_rate, quick_rate) = shares, rates
        quick_s, slow_s = (_operations(place, placement, work) * each for each in OPERATION_S)
        slowest += max(
            read / promised / slow_share, read / promised / quick_share + slow_s, operations / slow_rate + slow_s
        )
        quickest += max(read / promised / quick_share, operations / quick_rate) + quick_s
    basis = _BASIS if rate_of is _boundless else f"{_BASIS}; {_RATE_BASIS}"
    return Estimated(tokens / slowest, tokens / quickest, basis)


def _operations(place: Place, placement: Placement, work: Work) -> float:
    """Of the graph, those of an accelerator's layers: a processor begins one at once."""
    if place.kind == "host":
        return 0.0
    return work.nodes * sum(_part(share, work) for share in placement.shares if share.place == place)


def _fp16(place: Place) -> tuple[float, float] | None:
    """The least and the most operations/s of its matrices; None where nobody says."""
    return _ends(place.compute.get("fp16"))


def _at_least_fp32(place: Place) -> tuple[float, float] | None:
    """The same, where a rate in 32 bits is known alone without a bound above: in 16 bits it is no slower."""
    single = _ends(place.compute.get("fp32"))
    return _fp16(place) or (None if single is None else (single[0], math.inf))


def _boundless(_: Place) -> tuple[float, float]:
    return math.inf, math.inf


def _ends(rate: Quantity | None) -> tuple[float, float] | None:
    low, high = (None, None) if rate is None else (at_least(rate), at_most(rate))
    return None if not low or not high else (low, high)


def _parts(placement: Placement, work: Work, whole: float, routed: float) -> list[tuple[Place, float]]:
    """What each place has of a pass, in turn: of its layers, and on the host of the experts that were left there."""
    layers, host = sum(work.layers.values()), placement.shares[-1]
    left = routed * placement.host_experts / layers
    kept = 1 - left / whole * layers / max(1, placement.offloaded_layers)
    parts = [(share.place, whole * _part(share, work) * kept) for share in placement.shares[:-1] if share.layers]
    alone = len(placement.shares) == 1
    at_host = left + whole * (1.0 if alone else _part(host, work))
    return [*parts, (host.place, at_host)] if at_host else parts


def _part(share: Share, work: Work) -> float:
    return share.layers / sum(work.layers.values())


def _read_bytes(matrix: Matrix, tokens: int) -> float:
    touched = matrix.experts * (1 - (1 - matrix.used / matrix.experts) ** tokens)
    return touched * matrix.weights * BITS[matrix.type] / 8


def _looking(layer: Layer, seen: float) -> float:
    """Operations of all heads of a layer that look at `seen` tokens: a key and a value of each. A latent key is the
    value as well."""
    return 2 * layer.heads * (layer.key_size + (layer.value_size or layer.key_size)) * _seen(layer, seen)


def _seen(layer: Layer, tokens: float) -> float:
    return min(tokens, layer.window_tokens or tokens)


def _cache_read_bytes(work: Work, run: RunShape, used_tokens: int) -> float:
    total = 0.0
    for layer, count in work.layers.items():
        for kind, size in ((run.cache_type_k, layer.key_size), (run.cache_type_v, layer.value_size)):
            values, size_bytes = CACHE_TYPES[kind]
            total += count * _seen(layer, used_tokens) * layer.kv_heads * size * size_bytes / values
    return total
