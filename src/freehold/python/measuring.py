"""Measuring this machine, and holding what is predicted of builds to what they really do, as documents of stable keys.

Nothing is fetched. Records are kept under the home (`hardware.calibration`, `hardware.measured_speeds`).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import math
import statistics
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from freehold.core.builds import HeldBuild
from freehold.core.errors import CallError, WeightsError
from freehold.core.quantity import Measured, Quantity, Unknown, as_json, likeliest
from freehold.core.refs import parse
from freehold.core.settings import Settings, load
from freehold.engines.llamacpp.engine import LlamaCpp
from freehold.engines.llamacpp.gauge.cells import ROOM_TOKENS, STEPS, Cell, Manner, Taken, taken
from freehold.engines.llamacpp.gauge.measure import measure
from freehold.engines.llamacpp.identity import engine_id
from freehold.fit.blueprint import Blueprint, RunShape
from freehold.fit.memory import need
from freehold.fit.read_gguf import blueprint_of_gguf
from freehold.fit.speed import speeds
from freehold.hardware import calibration, here, measured_speeds, probe
from freehold.hardware.calibration import Calibration
from freehold.hardware.fingerprint import fingerprint
from freehold.hardware.measured_speeds import MeasuredSpeed, Way
from freehold.store.durable import make_folder, write_whole
from freehold.store.locks import hold_briefly
from freehold.store.store import Store

CHECKED = tuple(Cell(used, together) for together in (1, 4) for used in (128, 768))
CHECKED_BATCH_TOKENS = 128
CHECKED_REPETITIONS = 3
START_S = 3.0
"""About what a worker takes to start and to end; one is started for each number of sequences."""
Tell = Callable[[str], None]


def known(settings: Settings | None = None) -> Calibration | Unknown:
    """What this machine was measured as with the engine that is installed, or why there is nothing."""
    home = (settings or load()).home
    return calibration.read(home, fingerprint=fingerprint(probe.machine()), engine=engine_id())


def keep_measured(rows: Sequence[MeasuredSpeed], settings: Settings | None = None) -> None:
    """Add `rows`, which replace what was measured the same way. Raises StoreError."""
    home, name = (settings or load()).home, fingerprint(probe.machine())
    path = measured_speeds.kept_at(home, name)
    with hold_briefly(path.with_suffix(".lock")):
        write_whole(path, measured_speeds.encoded(measured_speeds.added(measured_speeds.read(home, name), rows)))


async def measure_machine(settings: Settings | None = None, *, tell: Tell) -> dict[str, Any]:
    """Measure, keep the record, and say what it holds. It takes a minute and all of the processor. Raises EngineError,
    StoreError, WorkerStartError."""
    settings = settings or load()
    held = await asyncio.to_thread(types_held, Store.of(settings))
    logs = settings.home / "logs"
    found = await measure(probe.machine(), runtime_dir=settings.runtime_dir, log_dir=logs, tell=tell, first=held)
    path = calibration.kept_at(settings.home, found.fingerprint)
    make_folder(path.parent)
    write_whole(path, calibration.encoded(found))
    return {"kept_at": str(path), **document(found)}


def types_held(store: Store) -> list[str]:
    """The types of the matrices of all builds that are held, which speeds are asked of first. One whose header cannot
    be read has none."""
    found = set[str]()
    for build in store.builds():
        if build.facts.format == "gguf":
            with contextlib.suppress(WeightsError):
                tensors = blueprint_of_gguf(build.files).tensors or ()
                found |= {tensor.type for tensor in tensors if len(tensor.shape) > 1}
    return sorted(found)


def document(found: Calibration) -> dict[str, Any]:
    """A record with stable keys; every figure says its kind."""
    return {
        "fingerprint": found.fingerprint,
        "engine": found.engine,
        "on": found.on,
        "threads": found.threads,
        "noisy": found.quiet.noisy,
        "disturbed_share": found.quiet.disturbed_share,
        "spread": found.quiet.spread,
        "load_average": {"before": found.quiet.load_before, "after": found.quiet.load_after},
        "bandwidth_bytes_per_s": {str(count): as_json(each) for count, each in found.bandwidth.items()},
        "pass_s": as_json(found.pass_s),
        "node_s": as_json(found.node_s),
        "width_s": as_json(found.width_s),
        "vocabulary_s": as_json(found.vocabulary_s),
        "sequence_s": as_json(found.sequence_s),
        "sampling_s": as_json(found.sampling_s),
        "weight_s": {kind: _by_tokens(times) for kind, times in found.weights.items()},
        "attention_s": {
            kind: {str(size): _by_tokens(times) for size, times in sizes.items()}
            for kind, sizes in found.attention.items()
        },
    }


def _by_tokens(times: Mapping[int, Measured]) -> dict[str, Any]:
    return {str(count): as_json(each) for count, each in times.items()}


async def check_predictions(
    settings: Settings | None = None, *, tell: Tell, names: Sequence[str] = ()
) -> dict[str, Any]:
    """Run the GGUF builds that are held (or `names` of them), and set what was predicted beside what was measured: the
    rows, and how far they are apart. `tell` hears how long that may take, and how far it is. Raises CallError where
    this machine was not measured, nothing is held that can be predicted, or one of `names` cannot."""
    settings = settings or load()
    found = known(settings)
    if isinstance(found, Unknown):
        raise CallError(f"There is nothing to check: {found.reason}.", hint="freehold machine --measure")
    store = Store.of(settings)
    builds = predicted_builds(store, names)
    if not builds:
        raise CallError("There is nothing to check: no build is held.", hint="freehold pull smollm2-135m-instruct")
    engine = LlamaCpp(runtime_dir=settings.runtime_dir, log_dir=settings.home / "logs", confirm=store.confirm)
    rows: list[dict[str, Any]] = []
    async for build, blueprint, each in _each(engine, builds, found, tell):
        rows += [*_speed_rows(build, blueprint, each, found), *_memory_rows(build, blueprint, each)]
        keep_measured([_kept(build, each, found)], settings)
    return {"machine": found.fingerprint, "engine": found.engine, "rows": rows, "errors": errors(rows)}


def predicted_builds(store: Store, names: Sequence[str]) -> list[HeldBuild]:
    """Those of the builds that are held (or `names` of them) whose speed is predicted: what was measured is how
    llama.cpp reads weights. Raises CallError, NotFoundError."""
    named = [store.find(parse(name)) for name in names]
    for build in named:
        if build.facts.format != "gguf":
            raise CallError(
                f"{build.name} is in the form of {build.facts.format}, whose speed is not predicted.",
                hint="`freehold bench` measures it.",
            )
    return named or [build for build in store.builds() if build.facts.format == "gguf"]


async def _each(
    engine: LlamaCpp, builds: Sequence[HeldBuild], found: Calibration, tell: Tell
) -> AsyncIterator[tuple[HeldBuild, Blueprint, Taken]]:
    on = datetime.datetime.now(datetime.UTC).date().isoformat()
    manner = Manner(found.threads, CHECKED_BATCH_TOKENS, CHECKED_REPETITIONS, on)
    blueprints = [await asyncio.to_thread(blueprint_of_gguf, build.files, name=build.name) for build in builds]
    lengths = [expected_s(blueprint, found) for blueprint in blueprints]
    tell(f"It takes {told(lengths)}, with all of the processor. Leave it alone meanwhile.")
    for number, (build, blueprint, length) in enumerate(zip(builds, blueprints, lengths, strict=True), 1):
        tell(f"{build.name}, {number} of {len(builds)}: {_about(length)}")
        async for each in taken(engine, build, CHECKED, manner):
            tell(_progress(each))
            yield build, blueprint, each


def expected_s(blueprint: Blueprint, found: Calibration) -> float | None:
    """About how long a check of one build takes where nothing disturbs it, by what is predicted of its speed; None
    where that is not known."""
    rig = here.rig(probe.machine())
    spent = START_S * len({cell.concurrency for cell in CHECKED})
    for cell in CHECKED:
        predicted = speeds(
            *(blueprint, _run(cell), rig, found), used_tokens=cell.used_tokens, concurrency=cell.concurrency
        )
        writes, reads = likeliest(predicted.generation_tokens_per_s), likeliest(predicted.prompt_tokens_per_s)
        if not writes or not reads:
            return None
        prompts = CHECKED_REPETITIONS if cell.concurrency == 1 else 0
        spent += cell.used_tokens * (cell.concurrency + prompts) / reads + STEPS * (CHECKED_REPETITIONS + 1) / writes
    return spent


def told(lengths: Sequence[float | None]) -> str:
    """How long builds take together, in words."""
    known = [each for each in lengths if each is not None]
    if len(known) < len(lengths):
        return "some minutes (how fast a build is cannot be said of all of them)"
    return f"{_about(sum(known))} in all"


def _about(seconds: float | None) -> str:
    if seconds is None:
        return "how long it takes is not known"
    return f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} minutes"


def _progress(each: Taken) -> str:
    cell, wrote = each.cell, likeliest(_rate(each.step_s, 1)) or 0
    return f"  {cell.used_tokens} tokens, {cell.concurrency} at once: {wrote:.1f} tokens/s for each"


def _speed_rows(build: HeldBuild, blueprint: Blueprint, each: Taken, found: Calibration) -> list[dict[str, Any]]:
    cell = each.cell
    rig = here.rig(probe.machine())
    predicted = speeds(*(blueprint, _run(cell), rig, found), used_tokens=cell.used_tokens, concurrency=cell.concurrency)
    rows = [_row(build, cell, "generation", predicted.generation_tokens_per_s, _rate(each.step_s, 1))]
    if each.prompt_s is not None:
        prompt = _rate(each.prompt_s, cell.used_tokens)
        rows.append(_row(build, cell, "prompt", predicted.prompt_tokens_per_s, prompt))
    return rows


def _memory_rows(build: HeldBuild, blueprint: Blueprint, each: Taken) -> list[dict[str, Any]]:
    """One for each worker: of the longest context it was asked for, which is the one it was started with."""
    if each.cell.used_tokens < max(cell.used_tokens for cell in CHECKED):
        return []
    peak: Quantity = Unknown("this system does not say what a process took at most")
    if each.peak_bytes is not None:
        peak = Measured(each.peak_bytes, each.peak_bytes, each.peak_bytes, 1, each.step_s.on)
    return [_row(build, each.cell, "memory", need(blueprint, _run(each.cell)).peak_bytes, peak)]


def _run(cell: Cell) -> RunShape:
    return RunShape(cell.used_tokens + ROOM_TOKENS, cell.concurrency, CHECKED_BATCH_TOKENS)


def _row(build: HeldBuild, cell: Cell, of: str, predicted: Quantity, measured: Quantity) -> dict[str, Any]:
    """`error` is how far the prediction is above the measurement, as a share of it; null where either is unknown."""
    said, real = likeliest(predicted), likeliest(measured)
    return {
        "build": build.name,
        "of": of,
        "used_tokens": cell.used_tokens,
        "concurrency": cell.concurrency,
        "predicted": as_json(predicted),
        "measured": as_json(measured),
        "error": said / real - 1 if said is not None and real else None,
    }


def errors(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How far predictions are from measurements, by what they are of: on either side (`median`, `p90`, `worst`), and
    at most below (`lowest`) and above (`highest`). And how far measurements are from themselves: the median of
    (highest - lowest) / middle, null where each was taken once."""
    made = {}
    for of in dict.fromkeys(row["of"] for row in rows):
        its = [row for row in rows if row["of"] == of]
        signed = sorted(row["error"] for row in its if row["error"] is not None)
        apart = sorted(abs(error) for error in signed)
        own = [
            (row["measured"]["high"] - row["measured"]["low"]) / row["measured"]["value"]
            for row in its
            if row["measured"]["kind"] == "measured" and row["measured"]["runs"] > 1
        ]
        made[of] = {
            "rows": len(apart),
            "median": statistics.median(apart) if apart else None,
            "p90": apart[math.ceil(0.9 * len(apart)) - 1] if apart else None,
            "worst": apart[-1] if apart else None,
            "lowest": signed[0] if signed else None,
            "highest": signed[-1] if signed else None,
            "repeatability": statistics.median(own) if own else None,
        }
    return made


def _rate(seconds: Measured, tokens: int) -> Measured:
    middle, low, high = tokens / seconds.value, tokens / seconds.high, tokens / seconds.low
    return Measured(middle, low, high, seconds.runs, seconds.on)


def _kept(build: HeldBuild, each: Taken, found: Calibration) -> MeasuredSpeed:
    settings = (f"batch={CHECKED_BATCH_TOKENS}", "cache=f16", f"threads={found.threads}")
    way = Way(found.fingerprint, build.digest, found.engine, each.cell.used_tokens, each.cell.concurrency, settings)
    prompt = None if each.prompt_s is None else _rate(each.prompt_s, each.cell.used_tokens)
    return MeasuredSpeed(way, _rate(each.step_s, 1), prompt)
