"""Which arm wins: the fastest that is as faithful as asked, and surely faster than what is used now. Pure.

Arms were run in turns, so their runs are compared pairwise: both of a pair saw the same minute. A challenger replaces
the incumbent only where it was faster in all runs but at most one of five, and by `LEAST_GAIN` in the median; else the
difference is within the noise, and changing for noise would let a busy minute choose.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from freehold.trials.arms import Arm

LEAST_GAIN = 1.02
RUNS_FOR_ONE_EXCEPTION = 5


@dataclass(frozen=True, slots=True)
class Trial:
    """An arm and its speeds, run by run, in the workload's unit (more is better). `unfit` says why it must not win."""

    arm: Arm
    speeds: tuple[float, ...]
    unfit: str | None = None

    @property
    def speed(self) -> float:
        return statistics.median(self.speeds)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`winner` None: nothing is as faithful as asked. `gain` is its speed over the incumbent's."""

    winner: Trial | None
    incumbent: Trial
    gain: float
    why: str


def choose(trials: Sequence[Trial], incumbent: Arm) -> Verdict:
    """The winner of `trials`, one of which is of `incumbent`: what is used now."""
    now = next(trial for trial in trials if trial.arm.key == incumbent.key)
    fit = [trial for trial in trials if trial.unfit is None and trial is not now]
    if now.unfit is not None:
        if not fit:
            return Verdict(None, now, 1.0, "nothing is as faithful as asked")
        best = max(fit, key=lambda trial: trial.speed)
        return Verdict(best, now, gain(best, now), "what was used before is not as faithful as asked")
    surely = [trial for trial in fit if surely_faster(trial, now)]
    if surely:
        best = max(surely, key=lambda trial: gain(trial, now))
        return Verdict(best, now, gain(best, now), f"{gain(best, now):.2f} times as fast as before")
    closest = max((gain(trial, now) for trial in fit), default=0.0)
    noise = f"the next was {closest:.2f} times as fast, which is within the noise"
    return Verdict(now, now, 1.0, noise if closest > 1 else "nothing as faithful was faster")


def gain(trial: Trial, other: Trial) -> float:
    """The median over runs of both speeds' ratio."""
    return statistics.median(mine / its for mine, its in zip(trial.speeds, other.speeds, strict=False))


def surely_faster(trial: Trial, other: Trial) -> bool:
    pairs = list(zip(trial.speeds, other.speeds, strict=False))
    wins = sum(mine > its for mine, its in pairs)
    needed = len(pairs) - len(pairs) // RUNS_FOR_ONE_EXCEPTION
    return wins >= needed and gain(trial, other) >= LEAST_GAIN
