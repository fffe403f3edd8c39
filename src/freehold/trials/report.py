"""What a bench found, as programs get it and as it is kept. Keys are stable; null is unknown or not measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from freehold.core.formats import TRIAL
from freehold.core.quantity import Measured, as_json
from freehold.trials.arms import Arm
from freehold.trials.choice import Verdict
from freehold.trials.fidelity import Fidelity
from freehold.trials.race import Standing
from freehold.trials.workloads import Workload


@dataclass(frozen=True, slots=True)
class Row:
    """One way of running. `unfit` says why it must not be chosen; `fidelity` None with `unknown` saying why."""

    standing: Standing
    fidelity: Fidelity | None
    unknown: str | None
    unfit: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """`load` is the machine's load average of the last minute, before and after; `share` how much of the workload a
    run was; `taken_on` ISO 8601, UTC."""

    build: str
    digest: str
    machine: str
    workload: Workload
    share: float
    quick: bool
    bar: str
    engines: Mapping[str, str]
    rows: tuple[Row, ...]
    verdict: Verdict
    reference: str
    load: tuple[float, float]
    taken_on: str
    elapsed_s: float

    @property
    def winner(self) -> Row | None:
        if self.verdict.winner is None:
            return None
        return next(row for row in self.rows if row.standing.arm.key == self.verdict.winner.arm.key)

    @property
    def reason(self) -> str:
        """The sentence that `freehold ps` shows of the winner."""
        row, unit = self.winner, self.workload.unit
        if row is None:
            return self.verdict.why
        speed, before = self.verdict.winner, self.verdict.incumbent
        assert speed is not None, "a row of the winner has its trial"
        against = "" if speed is before else f" against {before.speed:.3g} of {before.arm.name}"
        cut = "" if self.share == 1 else f" with {self.share:.0%} of the workload"
        said = f"measured {speed.speed:.3g} {unit}{against}{cut} on {self.taken_on[:10]}"
        if row.fidelity is not None:
            said += f", {row.fidelity.nats:.2g} ± {row.fidelity.error:.1g} nats from float32"
        return f"{said} (bar: {self.bar}{', quick' if self.quick else ''})"

    def as_json(self) -> dict[str, Any]:
        row = self.winner
        won = None if row is None else {**self._row(row), "reason": self.reason}
        return {
            "format": TRIAL.newest,
            "build": self.build,
            "digest": self.digest,
            "machine": self.machine,
            "workload": self.workload.name,
            "work": {**asdict(self.workload), "share": self.share},
            "quick": self.quick,
            "bar": self.bar,
            "engines": dict(self.engines),
            "reference": self.reference,
            "winner": won,
            "why": self.verdict.why,
            "gain": self.verdict.gain,
            "arms": [self._row(each) for each in self.rows],
            "load": {"before": self.load[0], "after": self.load[1]},
            "taken_on": self.taken_on,
            "elapsed_s": round(self.elapsed_s, 1),
        }

    def _row(self, row: Row) -> dict[str, Any]:
        standing = row.standing
        return {
            **_arm(standing.arm),
            "name": standing.arm.name,
            "unit": self.workload.unit,
            "short_run": standing.tried,
            "speed": self._figure(standing, "speed"),
            "generation_tokens_per_s": self._figure(standing, "generation"),
            "prompt_tokens_per_s": self._figure(standing, "prompt"),
            "first_token_s": self._figure(standing, "first_s"),
            "memory_bytes": standing.memory_bytes,
            "fidelity": None if row.fidelity is None else asdict(row.fidelity),
            "fidelity_unknown": row.unknown,
            "failed": standing.failed,
            "unfit": row.unfit,
        }

    def _figure(self, standing: Standing, name: str) -> dict[str, Any] | None:
        values = [getattr(run, name) for run in standing.runs]
        return as_json(measured(values, self.taken_on[:10])) if values else None


def measured(values: list[float], on: str) -> Measured:
    return Measured(statistics.median(values), min(values), max(values), len(values), on)


def _arm(arm: Arm) -> dict[str, Any]:
    return {"engine": arm.engine, "layout": arm.layout, "digest": arm.build.digest, "settings": dict(arm.settings)}
