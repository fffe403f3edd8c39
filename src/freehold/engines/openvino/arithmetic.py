"""How OpenVINO computes here: one set of properties, for the worker that serves and for the meter beside it."""

from __future__ import annotations

from typing import Any


def properties(threads: int) -> dict[str, Any]:
    """For `compile_model`: weights as in the file, a 16-bit cache, activations of 8 bits where the processor has
    instructions for it and 32 else."""
    return {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        # The lock allows a process no say over the cores of its threads.
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": "f32",
        "KV_CACHE_PRECISION": "f16",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 32,
    }
