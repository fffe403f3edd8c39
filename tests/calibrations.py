"""A calibration with round figures, for arithmetic that can be done by hand."""

from __future__ import annotations

from collections.abc import Mapping

from freehold.core.quantity import Measured
from freehold.hardware.calibration import Calibration, Quiet

ON = "2026-11-20"
ENGINE = "llama.cpp (xllamacpp test)"


def measured(value: float, spread: float = 0.0) -> Measured:
    return Measured(value, value * (1 - spread), value * (1 + spread), 5, ON)


def calibration(
    *,
    weights: Mapping[str, Mapping[int, float]] | None = None,
    spread: float = 0.0,
    fingerprint: str = "test-2c-8g-0123456789",
) -> Calibration:
    """1 ms a pass, 1 us an operation, 0.1 ns a width; 1 ns a weight alone, 4 at 8 and 64 at 128 tokens; 10 ns a look
    of a head of 128, 20 of 256, half as long where many look; 20 ns a word of the
    vocabulary; 100 us a sequence, and 10 ns a word that it may choose."""
    times = weights if weights is not None else {"Q4_0": {1: 1e-9, 8: 4e-9, 128: 64e-9}}
    looks = {128: {1: 10e-9, 128: 5e-9}, 256: {1: 20e-9, 128: 10e-9}}
    return Calibration(
        fingerprint=fingerprint,
        engine=ENGINE,
        on=ON,
        threads=2,
        bandwidth={1: measured(10e9), 2: measured(20e9)},
        by_threads={1: measured(50), 2: measured(90)},
        pass_s=measured(1e-3, spread),
        node_s=measured(1e-6, spread),
        width_s=measured(1e-10, spread),
        vocabulary_s=measured(2e-8, spread),
        sequence_s=measured(1e-4, spread),
        sampling_s=measured(1e-8, spread),
        weights={kind: {count: measured(each, spread) for count, each in row.items()} for kind, row in times.items()},
        attention={
            "f16": {size: {count: measured(each, spread) for count, each in row.items()} for size, row in looks.items()}
        },
        quiet=Quiet(0.1, 1.0, 0.05, 0.02),
    )
