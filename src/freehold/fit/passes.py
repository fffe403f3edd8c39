"""How long one pass of the engine over a batch takes, from a build's work and the machine's calibration.

    t = t_pass + t_node * nodes + (tokens - 1) * t_width * (inputs + outputs of all matrices)
      + sum over matrices of weights * t_weight[type](tokens at once)
      + sum over layers of looks at tokens (`fit.looks`) * t_attention[cache, head size](tokens at once)
      + t_vocabulary * vocabulary + sequences * (t_sequence + t_sampling * vocabulary)

What the width of a single token costs is part of the operations' time, as it was measured. A weight's time holds both
what reading it costs and what computing with it costs, whichever bounds it; so it is measured for each type, and by how
many tokens share the reading. Of a mixture of experts, those are read that at least one of the tokens is sent to, taken
to be spread evenly: E * (1 - (1 - k/E)^tokens) of E.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from freehold.core.quantity import Measured
from freehold.fit.blueprint import Layer, RunShape
from freehold.fit.looks import looks, tiled
from freehold.fit.work import Matrix, Work
from freehold.hardware.calibration import ByTokens, Calibration

Pick = Callable[[Measured], float]
"""Which end of a measurement is reckoned with."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One pass: `tokens` new ones of each of `sequences`, which hold `held` tokens before; `asked` of the sequences
    want the token that comes next."""

    sequences: int
    tokens: int
    held: int
    asked: int


def not_measured(work: Work, run: RunShape, calibration: Calibration) -> str | None:
    """What of `work` this machine was not measured for; None where nothing is missing."""
    types = {matrix.type for matrix in (*work.matrices, work.output)} - calibration.weights.keys()
    if types:
        return f"weights of {', '.join(sorted(types))} were not measured on this machine"
    if run.cache_type_k != run.cache_type_v or run.cache_type_k not in calibration.attention:
        return f"a cache of {run.cache_type_k} and {run.cache_type_v} was not measured on this machine"
    if not run.flash_attention:
        return "attention without flash attention was not measured on this machine"
    return None


def pass_s(work: Work, run: RunShape, calibration: Calibration, batch: Batch, pick: Pick) -> float:
    """Seconds of one pass, of work that `not_measured` finds nothing missing for."""
    tokens = batch.sequences * batch.tokens
    products = sum(count * _product_s(each, tokens, calibration, pick) for each, count in work.matrices.items())
    if batch.asked:
        products += _product_s(work.output, batch.asked, calibration, pick)
    looking = sum(count * _looking_s(each, batch, run, calibration, pick) for each, count in work.layers.items())
    sampling = pick(calibration.sequence_s) + pick(calibration.sampling_s) * work.vocabulary
    step = pick(calibration.pass_s) + work.nodes * pick(calibration.node_s)
    if batch.asked:
        step += pick(calibration.vocabulary_s) * work.vocabulary
    return step + products + looking + batch.asked * sampling


def _product_s(matrix: Matrix, tokens: int, calibration: Calibration, pick: Pick) -> float:
    width = (tokens - 1) * matrix.used * (matrix.inputs + matrix.outputs) * pick(calibration.width_s)
    share = matrix.used / matrix.experts
    touched = matrix.experts * (1 - (1 - share) ** tokens)
    each = at_tokens(calibration.weights[matrix.type], tokens * matrix.used / touched, pick)
    return width + touched * matrix.weights * each


def _looking_s(layer: Layer, batch: Batch, run: RunShape, calibration: Calibration, pick: Pick) -> float:
    """For heads of another size than was measured: on the line through the two nearest, or in proportion beyond."""
    often = looks(layer, run, calibration.threads, sequences=batch.sequences, tokens=batch.tokens, held=batch.held)
    sizes = calibration.attention[run.cache_type_k]
    return often * _between(
        sorted(sizes),
        layer.key_size + layer.value_size,
        lambda size: look_at_tokens(sizes[size], run.cache_type_k, batch.tokens, pick),
    )


def look_at_tokens(times: ByTokens, cache_type: str, tokens: int, pick: Pick) -> float:
    """Of the counts that were measured, those whose looks are computed the same way; the last of them beyond it."""
    alike = [count for count in sorted(times) if tiled(cache_type, count) == tiled(cache_type, tokens)]
    return _between(alike, min(tokens, alike[-1]), lambda count: pick(times[count]))


def at_tokens(times: ByTokens, tokens: float, pick: Pick) -> float:
    """Of the measured counts the two around `tokens`, and in proportion to the tokens beyond the largest."""
    return _between(sorted(times), tokens, lambda count: pick(times[count]))


def _between(counts: Sequence[int], at: float, value: Callable[[int], float]) -> float:
    """`value` is asked for at the two of `counts` that are needed: a catalog asks it a million times."""
    if at >= counts[-1]:
        return value(counts[-1]) * at / counts[-1]
    if at <= counts[0]:
        return value(counts[0])
    index = bisect.bisect_right(counts, at)
    low, high = counts[index - 1], counts[index]
    lower = value(low)
    return lower if at == low else lower + (value(high) - lower) * (at - low) / (high - low)
