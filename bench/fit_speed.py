"""Predicted speed against measured speed, in cells that the micro-benchmark has not seen.

The machine is measured as `freehold machine --measure` does it. Then builds of two real models, each as it is published
and in six types, are run through the house's worker in cells drawn by a fixed seed: a build, how many tokens each
sequence holds, how many sequences generate at once; where it is one, the prompt is timed too. A figure is the median of
undisturbed windows; its repeatability is the distance between lowest and highest over it. A cell that does not repeat
to a fifth is taken again, twice at most, and the calmest of its takes counts: chosen by what it shows of itself, since
nothing of a cell reaches the prediction and nothing of the prediction the choice.

`--for SECONDS` stops once they are over, and `--resume` goes on where a run has stopped, with the same record of the
machine.
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
from collections.abc import Mapping, Sequence
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
CALIBRATION_S = 80.0
"""Longer than the command takes, so that a busy machine is measured for every type too."""
RESTLESS, TAKES = 0.2, 3
"""From lowest to highest over the middle: a cell that varies by more is taken again, up to so many times in all."""
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


def drawn(count: int) -> list[Drawn]:
    """The first `count` cells of the seed: lengths even in their logarithm, all else even."""
    source = random.Random(SEED)
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
    chosen = parser.parse_args()
    until = time.monotonic() + chosen.seconds
    state = arms.cache() / "fit_speed.json"
    rows: dict[str, Any] = json.loads(state.read_text()) if chosen.resume and state.exists() else {}
    cells = drawn(4 if chosen.quick else CELLS)
    files = {(each.model, each.kind): build_file(each.model, each.kind) for each in cells}
    found = await _calibration(resume=chosen.resume)
    for each in cells:
        while _wanted(rows.get(each.name)) and time.monotonic() < until:
            rows[each.name] = _calmer(rows.get(each.name), await _taken(each, files[each.model, each.kind], found))
            state.write_text(json.dumps(rows))
            print(f"{each.name}: {json.dumps(rows[each.name]['step_s'])}", file=sys.stderr)
    if any(each.name not in rows for each in cells):
        print(f"{len(rows)} of {len(cells)} cells are taken; --resume goes on.", file=sys.stderr)
        return
    save([(each, rows[each.name], files[each.model, each.kind]) for each in cells], found, quick=chosen.quick)


async def _calibration(*, resume: bool) -> Calibration:
    here_now = probe.machine()
    path = calibration.kept_at(arms.cache(), fingerprint(here_now))
    if resume:
        found = calibration.read(arms.cache(), fingerprint=fingerprint(here_now), engine=engine_id())
        if not isinstance(found, Unknown):
            return found
    with arms.folder_of_its_own() as folder:
        taken_now = await measure(
            here_now, runtime_dir=folder / "r", log_dir=folder / "log", tell=_tell, seconds=CALIBRATION_S
        )
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(calibration.encoded(taken_now))
    return taken_now


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


async def _taken(each: Drawn, file: Path, found: Calibration) -> dict[str, Any]:
    build = HeldBuild(each.name, each.model, "sha256:0", (file,), 0, read_facts(file))
    manner = Manner(found.threads, BATCH_TOKENS, REPETITIONS, datetime.datetime.now(datetime.UTC).date().isoformat())
    with arms.folder_of_its_own() as folder:
        engine = LlamaCpp(runtime_dir=folder / "r", log_dir=folder / "log")
        (one,) = [found async for found in taken(engine, build, [each.cell], manner)]
    return {"step_s": _plain(one.step_s), "prompt_s": _plain(one.prompt_s), "load": os.getloadavg()[0]}


def _wanted(row: Mapping[str, Any] | None) -> bool:
    """A cell that was not taken, or may be taken again."""
    return row is None or (row["takes"] < TAKES and _variation(row) > RESTLESS)


def _calmer(before: Mapping[str, Any] | None, row: dict[str, Any]) -> dict[str, Any]:
    """Of two takes of one cell the calmer, which knows how many there were."""
    takes = (before or {"takes": 0})["takes"] + 1
    kept = row if before is None or _variation(row) < _variation(before) else before
    return {**kept, "takes": takes}


def _variation(row: Mapping[str, Any]) -> float:
    """Of the figure of a cell that varies most."""
    taken_s: list[list[float]] = [each for each in (row["step_s"], row["prompt_s"]) if each is not None]
    return max((high - low) / middle for middle, low, high, _ in taken_s)


def _plain(measured: Measured | None) -> list[float] | None:
    return None if measured is None else [measured.value, measured.low, measured.high, measured.runs]


def save(taken_cells: Sequence[tuple[Drawn, Mapping[str, Any], Path]], found: Calibration, *, quick: bool) -> None:
    """Write the result and print its tables."""
    result_arms: dict[str, Any] = {}
    apart: dict[str, list[float]] = {"generation": [], "prompt": []}
    own: list[float] = []
    for each, row, file in taken_cells:
        predicted = _predicted(each, file, found)
        for of, seconds, tokens in (
            ("generation", row["step_s"], 1),
            ("prompt", row["prompt_s"], each.cell.used_tokens),
        ):
            if seconds is None:
                continue
            middle, low, high, _ = seconds
            said = predicted[of]
            assert isinstance(said, Estimated) and said.value is not None, f"{each.name}: {said}"
            apart[of].append(abs(said.value * middle / tokens - 1))
            own.append((high - low) / middle)
            result_arms.setdefault(each.name, {}).update(
                {
                    f"{of} tokens/s, measured": _metric(tokens / middle, tokens / low - tokens / high),
                    f"{of} tokens/s, predicted": _metric(said.value, said.high - said.low),
                    f"{of}, error %": _metric(100 * (said.value * middle / tokens - 1), None),
                }
            )
    result = {
        "name": "fit_speed",
        "taken_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": machine(),
        "load_average": {"before": [taken_cells[0][1]["load"]], "after": [taken_cells[-1][1]["load"]]},
        "noisy": found.quiet.noisy,
        "disturbed_share": found.quiet.disturbed_share,
        "arms": result_arms,
        "skipped": {},
        "claims": [
            {"text": claim.text, "reach": claim.reach, "found": claim.found, "holds": claim.holds}
            for claim in claims(apart, own)
        ],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / ("fit_speed.quick.raw.json" if quick else "fit_speed.json")
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(tables(result))


def claims(apart: Mapping[str, Sequence[float]], own: Sequence[float]) -> list[Claim]:
    """What was to be reached, and the repeatability beside it."""
    made = []
    for of, errors in apart.items():
        if errors:
            middle, worst = statistics.median(errors), max(errors)
            made.append(Claim(f"{of}, median error of {len(errors)}", "under 10 %", f"{middle:.1%}", middle < MEDIAN))
            made.append(Claim(f"{of}, worst error", "under 25 %", f"{worst:.1%}", worst < WORST))
    made.append(
        Claim("lowest to highest of the same cell, median", "(for comparison)", f"{statistics.median(own):.1%}", None)
    )
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
