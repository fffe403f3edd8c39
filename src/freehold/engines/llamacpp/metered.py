"""Meters of llama.cpp: the processes that tell whole distributions of a held build, as it is or in float32."""

from __future__ import annotations

from collections.abc import Sequence

from freehold.core.builds import HeldBuild, Stamp
from freehold.engines.program import WorkerProgram

FLOAT_BYTES = 4
BESIDE_BYTES = 700_000_000
"""Room beside float32 weights: a gigabyte's half for the outputs of a large vocabulary, the rest for buffers."""


def cannot_be_referred_to(build: HeldBuild, free_bytes: int) -> str | None:
    """Why the weights of `build` cannot be run in float32 here; None where they can."""
    if len(build.files) > 1:
        return f"its weights lie in {len(build.files)} files, and only one file is unpacked to float32"
    if build.facts.parameters is None:
        return "its file does not say how many weights it has"
    needed_bytes = FLOAT_BYTES * build.facts.parameters + BESIDE_BYTES
    if needed_bytes > free_bytes:
        return f"in float32 it takes {needed_bytes / 1e9:.1f} GB of memory, and {free_bytes / 1e9:.1f} GB are free"
    return None


def meter(
    build: HeldBuild,
    stamps: Sequence[Stamp],
    *,
    float32: bool = False,
    cache_type: str = "f16",
    threads: int,
    tokens: int,
    lock: str,
) -> WorkerProgram:
    """A process that tells the distributions of `build` for texts of at most `tokens` tokens; with `float32` those of
    its weights in float32 arithmetic, whatever `cache_type` says."""
    confirmed = [[str(path), *stamp] for path, stamp in zip(build.files, stamps, strict=True)]
    return WorkerProgram(
        engine="llama.cpp",
        build=build.name,
        entry=("-m", "freehold.engines.llamacpp.meter"),
        config={
            "file": str(build.files[0]),
            "confirmed": confirmed,
            "float32": float32,
            "cache_type": "f32" if float32 else cache_type,
            "threads": threads,
            "context_tokens": tokens,
            "batch_tokens": tokens,
        },
        read=build.files,
        lock=lock,
        # The float32 weights are a file in memory, and what they take beside them is not much.
        largest_file_bytes=FLOAT_BYTES * (build.facts.parameters or 0) + 2**28,
    )
