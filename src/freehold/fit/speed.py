"""How fast a build runs: tokens/s of generation and of reading a prompt, each as sure as what it rests on.

On this machine, measured: from the time that its parts take (`fit.passes`), with the spread of the measurement and the
error that such predictions were found to have. On a machine that is described, or was not measured: a range, never a
point (`fit.speed_described`). What a figure cannot be told for is unknown, with the reason.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from freehold.core.quantity import Estimated, Measured, Quantity, Unknown
from freehold.fit import speed_described
from freehold.fit.blueprint import Blueprint, RunShape
from freehold.fit.passes import Batch, Pick, not_measured, pass_s
from freehold.fit.placement import Placement, place
from freehold.fit.work import Work, work_of
from freehold.hardware.calibration import Calibration
from freehold.hardware.rig import Rig

MODEL_ERROR = 0.6
"""How far a prediction may be from a measurement. Of 24 cells of two small builds (bench/fit_speed.py), on a calm
machine, the middle error was 10 % for generation and 5 % for prompts, the farthest 29 % too fast. On one with a busy
host, where the same cell was 12 % from itself in the middle and 42 % at worst, it was 13 and 17 % on two evenings, for
prompts 9 and 7 %, the farthest 60 % too fast."""
MIX_ERROR = 0.15
"""Added where only the name of a mix of types is known."""
MOST_DISTURBED = 0.5
"""Of the timings of a measurement. Beyond it most figures rest on disturbed ones: at 94 % a build was said to write 5
to 17 tokens/s that wrote 44 beside the same programs."""
MOST_PASSES = 64
"""Passes of one prompt that are reckoned: of ten million tokens there are twenty thousand."""


@dataclass(frozen=True, slots=True)
class Speeds:
    """Tokens/s of each of the sequences while all of them generate; and of a prompt that is read alone, from its
    first token to the first of its answer."""

    generation_tokens_per_s: Quantity
    prompt_tokens_per_s: Quantity


def speeds(
    blueprint: Blueprint,
    run: RunShape,
    rig: Rig,
    calibration: Calibration | Unknown,
    *,
    used_tokens: int,
    concurrency: int = 1,
    placement: Placement | None = None,
) -> Speeds:
    """How fast `blueprint` generates with `used_tokens` in the context of each of `concurrency` sequences, and reads a
    prompt of `used_tokens`. `placement` is worked out where it is not given; what does not fit has no speed."""
    if placement is not None and placement.fits is False:
        unfit = Unknown(placement.why_not or "it does not fit")
        return Speeds(unfit, unfit)
    found = work_of(blueprint)
    if isinstance(found, str):
        return Speeds(Unknown(found), Unknown(found))
    if rig.here and not rig.accelerators:
        return _here(blueprint, found, run, calibration, used_tokens, concurrency)
    placed = placement or place(blueprint, run, rig)
    return Speeds(*speed_described.ranges(found, run, placed, used_tokens, concurrency))


def _here(
    blueprint: Blueprint,
    work: Work,
    run: RunShape,
    calibration: Calibration | Unknown,
    used_tokens: int,
    concurrency: int,
) -> Speeds:
    if isinstance(calibration, Unknown):
        return Speeds(calibration, calibration)
    missing = not_measured(work, run, calibration) or _disturbed(calibration)
    if missing:
        return Speeds(Unknown(missing), Unknown(missing))
    error = MODEL_ERROR + (MIX_ERROR if blueprint.tensors is None else 0)
    basis = f"computed from this machine's figures of {calibration.on}, within {error:.0%}"
    step = Batch(concurrency, 1, used_tokens, concurrency)

    def generation_s(pick: Pick) -> float:
        return pass_s(work, run, calibration, step, pick)

    def prompt_s(pick: Pick) -> float:
        passes = prompt_passes(used_tokens, run.batch_tokens)
        return sum(count * pass_s(work, run, calibration, each, pick) for each, count in passes)

    ends = [(generation_s(pick), prompt_s(pick)) for pick in (_value, _low, _high)]
    return Speeds(
        _rate(1, [generation for generation, _ in ends], error, basis),
        _rate(used_tokens, [prompt for _, prompt in ends], error, basis),
    )


def _disturbed(calibration: Calibration) -> str | None:
    """Why nothing follows from a measurement of other programs; None where it is one of this machine."""
    if calibration.quiet.disturbed_share <= MOST_DISTURBED:
        return None
    share = f"{calibration.quiet.disturbed_share:.0%}"
    again = "`freehold machine --measure` measures it again, when it has less else to do"
    return f"other programs had the processor during {share} of the timings when this machine was measured: {again}"


def prompt_passes(tokens: int, batch_tokens: int) -> list[tuple[Batch, int]]:
    """A prompt is read a batch at a time; only its last token asks for the next. Each pass with how many it stands for:
    of a long prompt those in the middle of MOST_PASSES pieces stand for all, since what a pass takes grows evenly."""
    last = (tokens - 1) // batch_tokens
    pieces = min(last, MOST_PASSES)
    ends = [last * number // max(1, pieces) for number in range(pieces + 1)]
    whole = [
        (Batch(1, batch_tokens, (first + end - 1) * batch_tokens // 2, 0), end - first)
        for first, end in itertools.pairwise(ends)
    ]
    return [*whole, (Batch(1, tokens - last * batch_tokens, last * batch_tokens, 1), 1)]


def _rate(tokens: int, seconds: list[float], error: float, basis: str) -> Quantity:
    value, quickest, slowest = seconds
    return Estimated(tokens / slowest / (1 + error), tokens / quickest * (1 + error), basis, tokens / value)


def _value(measured: Measured) -> float:
    return measured.value


def _low(measured: Measured) -> float:
    return measured.low


def _high(measured: Measured) -> float:
    return measured.high
