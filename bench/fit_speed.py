"""Predicted speed against measured speed, in cells that the micro-benchmark has not seen.

The machine is measured as `freehold machine --measure` does it. Then builds of two real models, each as it is published
and in six types, are run through the house's worker in cells drawn by a fixed seed: a build, how many tokens each
sequence holds, how many sequences generate at once; where it is one, the prompt is timed too. A figure is the median of
undisturbed windows. Every cell is taken twice, the second time after all others, and the calmer of its takes counts:
chosen by what it shows of itself, since nothing of a cell reaches the prediction and nothing of the prediction the
choice. Beside the errors stands how far the machine is from itself: between the windows of a take, which lie within
seconds, and between the takes, which lie minutes apart. No prediction can be nearer than that.

One cell, the same always, is timed on either side of the machine's own measurement and of every take. How much slower
or faster it goes than it went then is what the machine has changed by since; the errors with that taken out stand
beside those that a user sees, which are what is claimed.

`--for SECONDS` stops once they are over, and `--resume` goes on where a run has stopped, with the same record of the
machine. `--seed` draws other cells, to try and not to quote.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import math
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness import arms
from bench.harness.builds import MODELS, build_file
from bench.harness.measure import RESULTS, Claim, machine, tables
from bench.programs.retype import TYPES
from freehold.core.builds import HeldBuild
from freehold.core.quantity import Estimated, Measured, Quantity, Unknown
from freehold.engines.llamacpp.engine import LlamaCpp
from freehold.engines.llamacpp.gauge.cells import ROOM_TOKENS, Cell, Manner, taken
from freehold.engines.llamacpp.gauge.measure import measure
from freehold.engines.llamacpp.identity import engine_id
from freehold.fit.blueprint import RunShape
from freehold.fit.read_gguf import blueprint_of_gguf
from freehold.fit.speed import speeds
from freehold.hardware import calibration, here, probe
from freehold.hardware.calibration import Calibration
from freehold.hardware.fingerprint import fingerprint
from freehold.weights.gguf import read_facts

SEED = 20261129
CELLS = 24
SHORTEST, LONGEST = 128, 4096
"""Tokens that a sequence holds; all sequences of a cell together hold no more than the longest."""
BATCH_TOKENS = 128
REPETITIONS = 5
CALIBRATION_S = 150.0
"""Longer than the command takes, so that every type is measured on a busy machine too, and the first ones twice."""
TAKES = 2
MEDIAN, WORST = 0.10, 0.25


@dataclass(frozen=True, slots=True)
class Drawn:
    """One cell: which build, and how it is run."""

    model: str
    kind: str
    cell: Cell

    @property
    def name(self) -> str:
        return f"{self.model}:{self.kind} {self.cell.concurrency} x {self.cell.used_tokens} tokens"


REFERENCE = Drawn(MODELS[0], "own", Cell(SHORTEST, 1))
"""Not drawn: what tells how fast the machine is at a time."""
REFERENCE_REPETITIONS = 3


def drawn(count: int, seed: int = SEED) -> list[Drawn]:
    """The first `count` cells of the seed: lengths even in their logarithm, all else even."""
    source = random.Random(seed)
    cells = []
    for _ in range(count):
        model, kind = source.choice(MODELS), source.choice(("own", *TYPES))
        concurrency = source.choice((1, 1, 2, 4, 8))
        longest = LONGEST // concurrency
        used = round(math.exp(source.uniform(math.log(SHORTEST), math.log(longest))))
        cells.append(Drawn(model, kind, Cell(used, concurrency)))
    return cells


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four cells: to try, not to quote")
    parser.add_argument("--for", type=float, default=math.inf, dest="seconds")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args()
    until = time.monotonic() + chosen.seconds
    state = arms.cache() / "fit_speed.json"
    cells = drawn(4 if chosen.quick else CELLS, chosen.seed)
    files = {each: build_file(each.model, each.kind) for each in {*cells, REFERENCE}}
    found = _kept_record() if chosen.resume and state.exists() else None
    if found is None:
        before = await _reference(files[REFERENCE])
        found = await _measured()
        after = await _reference(files[REFERENCE])
        state.write_text(json.dumps({"then": _between(before, after), "takes": {}}))
    kept = json.loads(state.read_text())
    rows: dict[str, list[Any]] = kept["takes"]
    for turn in range(TAKES):
        for each in cells:
            takes = rows.setdefault(each.name, [])
            if len(takes) <= turn and time.monotonic() < until:
                before = await _reference(files[REFERENCE])
                take = await _taken(each, files[each], found.threads, repetitions=REPETITIONS)
                after = await _reference(files[REFERENCE])
                takes.append(take | {"changed": _changed(kept["then"], _between(before, after))})
                state.write_text(json.dumps(kept))
                print(f"{each.name}: {json.dumps(take['step_s'])} {takes[-1]['changed']}", file=sys.stderr)
    if any(len(rows[each.name]) < TAKES for each in cells):
        print("Not every cell was taken; --resume goes on.", file=sys.stderr)
        return
    taken_cells = [(each, rows[each.name], files[each]) for each in cells]
    save(taken_cells, found, to_quote=not chosen.quick and chosen.seed == SEED)


def _kept_record() -> Calibration | None:
    """The record of this machine that an earlier run has made."""
    found = calibration.read(arms.cache(), fingerprint=fingerprint(probe.machine()), engine=engine_id())
    return None if isinstance(found, Unknown) else found


async def _measured() -> Calibration:
    here_now = probe.machine()
    path = calibration.kept_at(arms.cache(), fingerprint(here_now))
    with arms.folder_of_its_own() as folder:
        taken_now = await measure(
            here_now, runtime_dir=folder / "r", log_dir=folder / "log", tell=_tell, seconds=CALIBRATION_S
        )
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(calibration.encoded(taken_now))
    return taken_now


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


async def _reference(file: Path) -> dict[str, Any]:
    return await _taken(REFERENCE, file, int(probe.machine().usable_cores) or 1)


async def _taken(each: Drawn, file: Path, threads: int, *, repetitions: int = REFERENCE_REPETITIONS) -> dict[str, Any]:
    build = HeldBuild(each.name, each.model, "sha256:0", (file,), 0, read_facts(file))
    manner = Manner(threads, BATCH_TOKENS, repetitions, datetime.datetime.now(datetime.UTC).date().isoformat())
    with arms.folder_of_its_own() as folder:
        engine = LlamaCpp(runtime_dir=folder / "r", log_dir=folder / "log")
        (one,) = [found async for found in taken(engine, build, [each.cell], manner)]
    return {"step_s": _plain(one.step_s), "prompt_s": _plain(one.prompt_s), "load": os.getloadavg()[0]}


def _between(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of the reference in the middle of two takes of it."""
    return {of: math.sqrt(before[of][0] * after[of][0]) for of in ("step_s", "prompt_s")}


def _changed(then: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """How many times as long the reference takes now."""
    return {of: now[of] / then[of] for of in now}


def _variation(row: Mapping[str, Any]) -> float:
    """Of the figure of a take that varies most."""
    taken_s: list[list[float]] = [each for each in (row["step_s"], row["prompt_s"]) if each is not None]
    return max((high - low) / middle for middle, low, high, _ in taken_s)


def _again(takes: Sequence[Mapping[str, Any]]) -> Iterator[float]:
    """How far the figures of two takes of a cell are apart."""
    for of in ("step_s", "prompt_s"):
        if takes[0][of] is not None:
            middles = [row[of][0] for row in takes]
            yield max(middles) / min(middles) - 1


def _plain(measured: Measured | None) -> list[float] | None:
    return None if measured is None else [measured.value, measured.low, measured.high, measured.runs]


def save(
    taken_cells: Sequence[tuple[Drawn, Sequence[Mapping[str, Any]], Path]], found: Calibration, *, to_quote: bool
) -> None:
    """Write the result and print its tables."""
    result_arms: dict[str, Any] = {}
    apart: dict[str, list[float]] = {"generation": [], "prompt": []}
    unchanged: dict[str, list[float]] = {"generation": [], "prompt": []}
    changes: list[float] = []
    own: list[float] = []
    again: list[float] = []
    for each, takes, file in taken_cells:
        row, predicted = min(takes, key=_variation), _predicted(each, file, found)
        again += _again(takes)
        for of, key, tokens in (("generation", "step_s", 1), ("prompt", "prompt_s", each.cell.used_tokens)):
            if row[key] is None:
                continue
            middle, low, high, _ = row[key]
            changed = row["changed"][key]
            said = predicted[of]
            assert isinstance(said, Estimated) and said.value is not None, f"{each.name}: {said}"
            apart[of].append(abs(said.value * middle / tokens - 1))
            unchanged[of].append(abs(said.value * middle / changed / tokens - 1))
            changes.append(max(changed, 1 / changed) - 1)
            own.append((high - low) / middle)
            result_arms.setdefault(each.name, {}).update(
                {
                    f"{of} tokens/s, measured": _metric(tokens / middle, tokens / low - tokens / high),
                    f"{of} tokens/s, predicted": _metric(said.value, said.high - said.low),
                    f"{of}, error %": _metric(100 * (said.value * middle / tokens - 1), None),
                    f"{of}, machine slower than when it was measured by %": _metric(100 * (changed - 1), None),
                }
            )
    result = {
        "name": "fit_speed",
        "taken_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "quick": not to_quote,
        "machine": machine(),
        "load_average": {"before": [taken_cells[0][1][0]["load"]], "after": [taken_cells[-1][1][-1]["load"]]},
        "noisy": found.quiet.noisy,
        "disturbed_share": found.quiet.disturbed_share,
        "arms": result_arms,
        "skipped": {},
        "claims": [
            {"text": claim.text, "reach": claim.reach, "found": claim.found, "holds": claim.holds}
            for claim in claims(apart, unchanged, Spread(own, again, changes))
        ],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / ("fit_speed.json" if to_quote else "fit_speed.quick.raw.json")
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(tables(result))


@dataclass(frozen=True, slots=True)
class Spread:
    """How far the machine was from itself: within the windows of a take, between the takes of a cell, and since it was
    measured; each a share."""

    own: Sequence[float]
    again: Sequence[float]
    changes: Sequence[float]


def claims(
    apart: Mapping[str, Sequence[float]], unchanged: Mapping[str, Sequence[float]], spread: Spread
) -> list[Claim]:
    """What was to be reached, and how far the machine was from itself beside it."""
    made = []
    for of, errors in apart.items():
        if errors:
            middle, worst = statistics.median(errors), max(errors)
            made.append(Claim(f"{of}, median error of {len(errors)}", "under 10 %", f"{middle:.1%}", middle < MEDIAN))
            made.append(Claim(f"{of}, worst error", "under 25 %", f"{worst:.1%}", worst < WORST))
    for text, value in (
        *(
            (f"{of}, {name} error where the machine's change since its measurement is taken out", of_all(errors))
            for of, errors in unchanged.items()
            if errors
            for name, of_all in (("median", statistics.median), ("worst", max))
        ),
        ("the machine's change since its measurement, median", statistics.median(spread.changes)),
        ("the machine's change since its measurement, worst", max(spread.changes)),
        ("lowest to highest of the same cell within seconds, median", statistics.median(spread.own)),
        ("the same cell again, minutes later, median", statistics.median(spread.again)),
        ("the same cell again, minutes later, worst", max(spread.again)),
    ):
        made.append(Claim(text, "(for comparison)", f"{value:.1%}", None))
    return made


def _predicted(each: Drawn, file: Path, found: Calibration) -> dict[str, Quantity]:
    cell = each.cell
    run = RunShape(cell.used_tokens + ROOM_TOKENS, cell.concurrency, BATCH_TOKENS)
    said = speeds(
        *(blueprint_of_gguf([file]), run, here.rig(probe.machine()), found),
        used_tokens=cell.used_tokens,
        concurrency=cell.concurrency,
    )
    return {"generation": said.generation_tokens_per_s, "prompt": said.prompt_tokens_per_s}


def _metric(value: float, iqr: float | None) -> dict[str, Any]:
    return {"median": value, "iqr": iqr, "values": [value]}


if __name__ == "__main__":
    asyncio.run(main())
