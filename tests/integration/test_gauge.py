"""The micro-benchmark on the real engine: what it records has the shape and the order that every machine's costs have.

No time is held to a bound: the machine may be busy. What must hold on any is that work which contains other work takes
longer, and that the record is the one that predictions are made from.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from freehold.core import settings
from freehold.core.quantity import Estimated
from freehold.engines.llamacpp.gauge import plan
from freehold.engines.llamacpp.gauge.measure import measure
from freehold.engines.llamacpp.identity import engine_id
from freehold.fit.blueprint import RunShape
from freehold.fit.read_gguf import blueprint_of_gguf
from freehold.fit.speed import speeds
from freehold.hardware import calibration, here, probe
from freehold.hardware.fingerprint import fingerprint

pytestmark = pytest.mark.engine


async def test_a_short_measurement_gives_the_record_that_speeds_are_predicted_from(
    home: Path, smollm2_gguf: Path
) -> None:
    machine = probe.machine()
    told: list[str] = []
    found = await measure(
        machine, runtime_dir=settings.load().runtime_dir, log_dir=home / "logs", tell=told.append, seconds=0
    )
    assert (found.fingerprint, found.engine) == (fingerprint(machine), engine_id())
    assert calibration.decoded(calibration.encoded(found)) == found
    assert found.threads in found.by_threads
    assert {kind: list(sizes) for kind, sizes in found.attention.items()} == {
        plan.PLAIN_CACHE: [2 * size for size in (plan.FIRST_LOOK, *plan.OTHER_LOOKS)]
    }
    (kind,) = found.weights
    assert kind == plan.BASE
    assert found.weights[kind].keys() == set(plan.AT_ONCE)
    assert 0 < found.weights[kind][1].value < found.weights[kind][plan.MANY].value
    assert told[-1] == "what the server adds"
    left_alone = replace(found, quiet=replace(found.quiet, disturbed_share=0.0))
    unknown = speeds(blueprint_of_gguf([smollm2_gguf]), RunShape(512), here.rig(machine), left_alone, used_tokens=100)
    assert "weights of Q4_1 were not measured" in unknown.generation_tokens_per_s.reason  # type: ignore[union-attr]


def test_a_record_predicts_a_real_build_as_a_range(smollm2_gguf: Path) -> None:
    from tests.calibrations import calibration as invented

    rows = {1: 1e-10, 8: 4e-10, 128: 5e-9}
    found = invented(weights={"Q4_1": rows, "Q8_0": rows})
    rig = here.rig(probe.machine())
    of = blueprint_of_gguf([smollm2_gguf])
    short, long = (speeds(of, RunShape(2048), rig, found, used_tokens=used) for used in (64, 1024))
    for each in (short.generation_tokens_per_s, long.generation_tokens_per_s, long.prompt_tokens_per_s):
        assert isinstance(each, Estimated)
        assert each.value is not None
        assert 0 < each.low < each.value < each.high
    assert short.generation_tokens_per_s.value > long.generation_tokens_per_s.value  # type: ignore[union-attr,operator]
