"""Repetitions, their spread, the machine they were taken on, and the result as a file and a table.

Arms are interleaved: every repetition runs each arm once, in an order that turns from repetition to repetition, so that
a slow minute of the machine falls on all of them. What is printed is the median and, as repeatability, the distance
between the quartiles; the load average is taken before and after. Nothing is left out of the file: every value of
every repetition is in it.
"""

from __future__ import annotations

import argparse
import compileall
import datetime
import json
import math
import os
import platform
import statistics
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

import freehold

RESULTS = Path(__file__).parent.parent / "results"
LEAST_REPETITIONS = 5
Values = Mapping[str, float]
Arm = Callable[[], Awaitable[Values]]


@dataclass(frozen=True, slots=True)
class Claim:
    """One row of the table of claims: what was reached against what is to be reached; `holds` None is not measured."""

    text: str
    reach: str
    found: str
    holds: bool | None


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of `values` lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def arguments(text: str | None, **more: float) -> argparse.Namespace:
    """`--repetitions N` (at least five) and `--quick` (one tenth of the work: to try a script, not to quote it); `more`
    are numbers that a script takes besides, with their defaults."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--repetitions", type=int, default=LEAST_REPETITIONS)
    parser.add_argument("--quick", action="store_true")
    for name, default in more.items():
        parser.add_argument(f"--{name}", type=float, default=default)
    found = parser.parse_args()
    found.repetitions = max(LEAST_REPETITIONS, found.repetitions)
    return found


class Measurement:
    """Collects one script's values, arm by arm; `save` writes them."""

    def __init__(self, name: str, *, quick: bool) -> None:
        # An installed program is compiled, and so is one that ran before; unless PYTHONDONTWRITEBYTECODE is set here.
        compileall.compile_dir(Path(freehold.__file__).parent, quiet=1)
        self.name = name
        self._quick = quick
        self._values: dict[str, dict[str, list[float]]] = {}
        self._skipped: dict[str, str] = {}
        self._began = datetime.datetime.now(datetime.UTC)
        self._load_before = os.getloadavg()

    def skip(self, arm: str, reason: str) -> None:
        self._skipped[arm] = reason
        print(f"{self.name}: {arm} skipped: {reason}", file=sys.stderr)

    def add(self, arm: str, values: Values) -> None:
        rows = self._values.setdefault(arm, {})
        for metric, value in values.items():
            rows.setdefault(metric, []).append(value)

    async def interleave(self, arms: Mapping[str, Arm], repetitions: int) -> None:
        """Each arm once, unmeasured, to warm up; then `repetitions` times all of them, in turning order."""
        names = list(arms)
        for name in names:
            await arms[name]()
        for repetition in range(repetitions):
            turn = repetition % len(names)
            for name in names[turn:] + names[:turn]:
                values = await arms[name]()
                self.add(name, values)
                shown = ", ".join(f"{metric} {value:,.2f}" for metric, value in values.items())
                print(f"{self.name} {repetition + 1}/{repetitions} {name}: {shown}", file=sys.stderr)

    def median(self, arm: str, metric: str) -> float:
        return statistics.median(self._values[arm][metric])

    def has(self, arm: str) -> bool:
        return arm in self._values

    def paired(self, arm: str, other: str, metric: str, combine: Callable[[float, float], float]) -> float:
        """The median over repetitions of `combine(arm, other)`: both values are of the same few seconds."""
        pairs = zip(self._values[arm][metric], self._values[other][metric], strict=True)
        return statistics.median(combine(mine, theirs) for mine, theirs in pairs)

    def drift(self, arm: str, metric: str) -> float:
        """By how many percent the last third of the values lies over the first; no number where that was nothing."""
        values = self._values[arm][metric]
        third = max(1, len(values) // 3)
        first, last = statistics.fmean(values[:third]), statistics.fmean(values[-third:])
        return 100 * (last - first) / first if first else math.nan

    def save(self, claims: Sequence[Claim]) -> None:
        """Write results/NAME.json (NAME.quick.raw.json for a trial) and print both tables."""
        result = {
            "name": self.name,
            "taken_at": self._began.isoformat(timespec="seconds"),
            "quick": self._quick,
            "machine": machine(),
            "load_average": {"before": self._load_before, "after": os.getloadavg()},
            "arms": {
                arm: {
                    metric: {"median": statistics.median(values), "iqr": _iqr(values), "values": values}
                    for metric, values in rows.items()
                }
                for arm, rows in self._values.items()
            },
            "skipped": self._skipped,
            "claims": [{"text": c.text, "reach": c.reach, "found": c.found, "holds": c.holds} for c in claims],
        }
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / (f"{self.name}.quick.raw.json" if self._quick else f"{self.name}.json")
        path.write_text(json.dumps(result, indent=1) + "\n")
        print(tables(result))


def tables(result: Mapping[str, Any]) -> str:
    """The arms and the claims of one result, as Markdown."""
    lines = [f"### {result['name']}", "", "| arm | metric | median | between quartiles | repetitions |"]
    lines.append("|---|---|--:|--:|--:|")
    for arm, rows in result["arms"].items():
        for metric, row in rows.items():
            spread, count = _figure(row["iqr"]), len(row["values"])
            lines.append(f"| {arm} | {metric} | {_figure(row['median'])} | {spread} | {count} |")
    lines += [f"| {arm} | skipped: {reason} | | | |" for arm, reason in result["skipped"].items()]
    before, after = result["load_average"]["before"][0], result["load_average"]["after"][0]
    lines += ["", f"Load average of the last minute: {before:.2f} before, {after:.2f} after. {result['taken_at']}.", ""]
    lines += ["| claim | reach | found | holds |", "|---|---|---|---|"]
    word = {True: "yes", False: "**no**", None: "not measured"}
    lines += [f"| {c['text']} | {c['reach']} | {c['found']} | {word[c['holds']]} |" for c in result["claims"]]
    return "\n".join([*lines, ""])


def _figure(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine() -> dict[str, Any]:
    """What the numbers depend on and a reader must know."""
    return {
        "processor": _processor(),
        "cores_usable": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "freehold": freehold.__version__,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _iqr(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low
