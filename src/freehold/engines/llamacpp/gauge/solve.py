"""From timings of whole passes to what each part of one costs. Pure: windows in, figures out.

Every probe is a pass whose time is, by the model of `fit.passes`, a sum of few parts; they are taken apart in turn:

- `small` has one layer, so its time is nearly that of a pass by itself;
- `narrow` and the wide probe of the same type differ in how many operations and how much width go with a weight: with
  one token that tells what an operation costs, and what many tokens add to it is their width;
- each wide probe, less its operations and widths, is its type's weights;
- a pass that looks at held tokens, less the same pass that looks at none, is attention. It is told first, because the
  tokens of any pass look at each other as well, and what that takes belongs to neither width nor weights.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from freehold.core.quantity import Measured
from freehold.engines.llamacpp.gauge import plan
from freehold.engines.llamacpp.gauge.disturbance import Window
from freehold.engines.llamacpp.gauge.shapes import Shape
from freehold.fit.blueprint import Layer, RunShape
from freehold.fit.looks import looks
from freehold.fit.passes import look_at_tokens
from freehold.hardware.calibration import ByTokens

LAYER_NODES = 19
"""Operations of a layer of the probes, as `fit.work` counts them: seven matrices, two norms, and eight beside."""
_FEWEST = 3
_WEIGHTS, _PLAIN = "weights ", "f16"
Key = tuple[str, int, int]
"""Of a timing: the probe, the tokens of the pass, and the tokens held before it."""


def middle(windows: Sequence[Window], on: str) -> Measured:
    """The median of the undisturbed windows; of the least disturbed third where fewer than three were."""
    quiet = [window.seconds for window in windows if not window.disturbed]
    if len(quiet) < _FEWEST:
        ordered = sorted(windows, key=lambda window: window.waited_share)
        quiet = [window.seconds for window in ordered[: max(_FEWEST, len(windows) // 3)]]
    return Measured(statistics.median(quiet), min(quiet), max(quiet), len(quiet), on)


@dataclass(frozen=True, slots=True)
class Parts:
    """Seconds of a pass by itself, an operation of the graph, and a number that goes into or out of a matrix."""

    pass_s: Measured
    node_s: Measured
    width_s: Measured


def parts(
    small: Measured,
    narrow: Mapping[int, Measured],
    wide: Mapping[int, Measured],
    *,
    narrow_shape: Shape,
    wide_shape: Shape,
) -> Parts:
    """`narrow` and `wide` hold the passes with 1 and with `plan.MANY` tokens."""
    ratio = narrow_shape.layers * narrow_shape.layer_weights / (wide_shape.layers * wide_shape.layer_weights)
    nodes = LAYER_NODES * (narrow_shape.layers - ratio * wide_shape.layers)
    widths = narrow_shape.layers * narrow_shape.widths - ratio * wide_shape.layers * wide_shape.widths

    def left(tokens: int) -> float:
        """Of the narrow probe, once as many weights of the wide one are taken away."""
        return narrow[tokens].value - small.value - ratio * (wide[tokens].value - small.value)

    node_s = max(0.0, left(1) / nodes)
    width_s = max(0.0, (left(plan.MANY) - left(1)) / (plan.MANY - 1) / widths)
    return Parts(small, _like(node_s, narrow[1]), _like(width_s, narrow[plan.MANY]))


def weight_s(whole: Measured, tokens: int, shape: Shape, found: Parts) -> Measured:
    """Seconds of one weight in a pass over `tokens`."""
    besides = found.pass_s.value + shape.layers * (
        LAYER_NODES * found.node_s.value + (tokens - 1) * shape.widths * found.width_s.value
    )
    weights = shape.layers * shape.layer_weights
    return _like(max(0.0, whole.value - besides) / weights, whole)


def looked(shape: Shape, cache_type: str, threads: int, *, tokens: int, held: int = 0) -> float:
    """How often heads look, in all layers, in a pass over `tokens` of one sequence; as `fit.looks` counts it."""
    layer = Layer("full", shape.kv_heads, shape.head_size, shape.head_size, heads=shape.heads)
    run = RunShape(held + tokens, cache_type_k=cache_type, cache_type_v=cache_type)
    return shape.layers * looks(layer, run, threads, sequences=1, tokens=tokens, held=held)


def bare(found: Mapping[Key, Measured], look: ByTokens, cache_bytes: int, threads: int) -> dict[Key, Measured]:
    """`found`, its narrow and its wide probes without what their heads take; `look` is of heads as theirs."""
    made = dict(found)
    for (probe, tokens, held), whole in found.items():
        if probe == "narrow" or probe.startswith(_WEIGHTS):
            kind = probe.removeprefix(_WEIGHTS)
            shape = plan.narrow(cache_bytes) if probe == "narrow" else plan.wide(kind, cache_bytes)
            each_s = look_at_tokens(look, _PLAIN, tokens, lambda measured: measured.value)
            looking_s = looked(shape, _PLAIN, threads, tokens=tokens) * each_s
            made[probe, tokens, held] = _like(max(0.0, whole.value - looking_s), whole)
    return made


def spread(measured: Iterable[Measured]) -> float:
    """The median, over figures, of the distance between lowest and highest over the middle."""
    return statistics.median((each.high - each.low) / each.value for each in measured if each.value)


def _like(value: float, source: Measured) -> Measured:
    """`value`, as sure as the timing it was taken from."""
    scale = value / source.value if source.value else 0.0
    return Measured(value, source.low * scale, source.high * scale, source.runs, source.on)


@dataclass(frozen=True, slots=True)
class Server:
    """Seconds that the server itself takes: for a step, for each token there is, for each sequence in the step, and
    for each token that each of those may choose."""

    pass_s: Measured
    vocabulary_s: Measured
    sequence_s: Measured
    sampling_s: Measured


def weights(found: Mapping[Key, Measured], parts_of: Parts, cache_bytes: int) -> dict[str, dict[int, Measured]]:
    """Seconds of a weight by type and tokens at once, of the types that were timed with all of them."""
    made: dict[str, dict[int, Measured]] = {}
    for kind in plan.TYPES:
        whole = {count: found.get((f"{_WEIGHTS}{kind}", count, 0)) for count in plan.AT_ONCE}
        shape = plan.wide(kind, cache_bytes)
        rows = {count: weight_s(each, count, shape, parts_of) for count, each in whole.items() if each is not None}
        if len(rows) == len(plan.AT_ONCE):
            made[kind] = rows
    return made


def attention(found: Mapping[Key, Measured], threads: int) -> dict[str, dict[int, dict[int, Measured]]]:
    """Seconds of a look by the cache's type, the size of a head's key and value, and tokens at once."""
    made: dict[str, dict[int, dict[int, Measured]]] = {}
    for cache_type, size in plan.LOOKS:
        name, shape = f"look {cache_type} {size}", plan.looking(size)
        rows: dict[int, Measured] = {}
        for count in (1, plan.MANY):
            looking, blind = found.get((name, count, plan.LOOKED_AT)), found.get((name, count, 0))
            if looking is not None and blind is not None:
                more = looked(shape, cache_type, threads, tokens=count, held=plan.LOOKED_AT)
                more -= looked(shape, cache_type, threads, tokens=count)
                rows[count] = _like(max(0.0, looking.value - blind.value) / more, looking)
        if len(rows) == 2:
            made.setdefault(cache_type, {})[2 * size] = rows
    return made


def server(found: Mapping[Key, Measured], parts_of: Parts, base: Mapping[int, Measured]) -> Server:
    """What steps of models with next to no arithmetic take: differences of vocabularies, then of sequences."""
    few, many = sorted(plan.SPOKEN)
    alone, together = plan.SPOKEN_TOGETHER

    def left(vocabulary: int, sequences: int) -> float:
        """Of a step, without what the engine computes in it."""
        shape = plan.SPOKEN[vocabulary]
        matrices = shape.layer_weights + shape.output_weights
        nodes = LAYER_NODES * parts_of.node_s.value
        return found[f"spoken {vocabulary}", sequences, 0].value - nodes - matrices * base[sequences].value

    def each(vocabulary: int) -> float:
        """Of one more sequence."""
        return max(0.0, (left(vocabulary, together) - left(vocabulary, alone)) / (together - alone))

    sampling = max(0.0, (each(many) - each(few)) / (many - few))
    sequence = max(0.0, each(few) - sampling * few)
    vocabulary = max(0.0, (left(many, alone) - left(few, alone)) / (many - few) - sampling)
    pass_s = max(0.0, left(few, alone) - sequence - (vocabulary + sampling) * few)
    source = found[f"spoken {few}", alone, 0]
    large = found[f"spoken {many}", alone, 0]
    return Server(
        _like(pass_s, source),
        _like(vocabulary, large),
        _like(sequence, found[f"spoken {few}", together, 0]),
        _like(sampling, found[f"spoken {many}", together, 0]),
    )


def inverse(measured: Measured, amount: float) -> Measured:
    """`amount` a second, of timings in seconds."""
    return Measured(
        *(amount / measured.value, amount / measured.high, amount / measured.low), measured.runs, measured.on
    )
