"""How fast a build runs on a machine that nobody measured here: from data sheets, as a range.

Generation reads every weight that works on the token, and the cache, once; the memory's bandwidth bounds it, and
published runs reach a share of that bound. Of 123 single-stream runs of llama.cpp on one accelerator (localmaxxing's
rows as llmfit ships them, those above the physical bound left out) the middle eight tenths reach 0.38 to 0.87 with
dense models; of 45 runs with mixtures of experts, counting active weights, 0.24 to 0.41. Reading a prompt is bounded
by the matrix rate. Layers on several places work one after the other, so their times add up.
"""

from __future__ import annotations

from freehold.core.quantity import Estimated, Quantity, Unknown, at_least, at_most
from freehold.fit.blueprint import RunShape
from freehold.fit.cache import CACHE_TYPES
from freehold.fit.placement import Placement, Share
from freehold.fit.work import Matrix, Work
from freehold.hardware.rig import Place

DENSE_SHARE = (0.38, 0.87)
EXPERTS_SHARE = (0.24, 0.41)
_BASIS = "the data sheet's bandwidth and the share of it that published runs reach"
_PROMPT_BASIS = "the data sheet's matrix rate and a share of it that is assumed"
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
    return _generation(work, run, placement, used_tokens, concurrency), _prompt(work, placement)


def _generation(work: Work, run: RunShape, placement: Placement, used_tokens: int, concurrency: int) -> Quantity:
    read = sum(count * _read_bytes(each, concurrency) for each, count in work.matrices.items()) + _read_bytes(
        work.output, 1
    )
    read += concurrency * _cache_read_bytes(work, run, used_tokens)
    low, high = EXPERTS_SHARE if any(matrix.experts > 1 for matrix in work.matrices) else DENSE_SHARE
    quickest = slowest = 0.0
    for place, part in _parts(placement, work, read, concurrency):
        promised = at_most(place.bandwidth)
        if not promised:
            return Unknown(f"the bandwidth of {place.name} is not known")
        quickest, slowest = quickest + part / promised / high, slowest + part / promised / low
    return Estimated(1 / slowest, 1 / quickest, _BASIS)


def _parts(placement: Placement, work: Work, read: float, concurrency: int) -> list[tuple[Place, float]]:
    """Bytes that each place reads, in turn: of its layers, and on the host of the experts that were left there."""
    layers, host = sum(work.layers.values()), placement.shares[-1]
    routed = sum(n * _read_bytes(each, concurrency) for each, n in work.matrices.items() if each.experts > 1)
    left = routed * placement.host_experts / layers
    kept = 1 - left / read * layers / max(1, placement.offloaded_layers)
    parts = [(share.place, read * _part(share, work) * kept) for share in placement.shares[:-1] if share.layers]
    alone = len(placement.shares) == 1
    at_host = left + read * (1.0 if alone else _part(host, work))
    return [*parts, (host.place, at_host)] if at_host else parts


def _prompt(work: Work, placement: Placement) -> Quantity:
    """Experts that lie with the host are computed by it or go over the link for every batch, as the engine decides:
    neither is bounded by what the accelerators compute."""
    if placement.host_experts:
        host = placement.shares[-1].place.name
        return Unknown(f"how fast the experts of {placement.host_experts} layers are computed from {host} is not known")
    operations = 2 * sum(count * each.weights * each.used for each, count in work.matrices.items())
    quickest = slowest = 0.0
    for share in placement.shares:
        if not share.layers:
            continue
        rate = share.place.compute.get("fp16")
        low, high = (None, None) if rate is None else (at_least(rate), at_most(rate))
        if not low or not high:
            return Unknown(f"the matrix rate of {share.place.name} is not known")
        part = operations * _part(share, work)
        quickest, slowest = quickest + part / high, slowest + part / low
    return Estimated(1 / slowest, 1 / quickest, _PROMPT_BASIS)


def _part(share: Share, work: Work) -> float:
    return share.layers / sum(work.layers.values())


def _read_bytes(matrix: Matrix, tokens: int) -> float:
    touched = matrix.experts * (1 - (1 - matrix.used / matrix.experts) ** tokens)
    return touched * matrix.weights * BITS[matrix.type] / 8


def _cache_read_bytes(work: Work, run: RunShape, used_tokens: int) -> float:
    total = 0.0
    for layer, count in work.layers.items():
        seen = min(used_tokens, layer.window_tokens or used_tokens)
        for kind, size in ((run.cache_type_k, layer.key_size), (run.cache_type_v, layer.value_size)):
            values, size_bytes = CACHE_TYPES[kind]
            total += count * seen * layer.kv_heads * size * size_bytes / values
    return total
