"""Builds of the same weights in another tensor type, which some processors run faster: made from held ones.

The file is made by a locked process and written here. Whether it is faster, and what it loses, `freehold bench` finds:
Q4_1 in Q8_0 keeps each weight nearly as it was and takes 1.7 times the room; in Q4_0 it loses its offsets.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from freehold.core.builds import HeldBuild, Stamp
from freehold.core.errors import EngineError
from freehold.engines.errand import errand
from freehold.engines.llamacpp.native import RELEASE
from freehold.engines.program import WorkerProgram
from freehold.store.derived import Make, Making
from freehold.store.durable import require_space, writing

REPACKED = {"q4_1": ("q4_0", "q8_0"), "q5_0": ("q8_0",), "q5_1": ("q8_0",), "q8_0": ("q4_0",), "q4_0": ("q8_0",)}
"""The types that tensors of each type may be repacked to."""
_BYTES_OF_32 = {"q4_0": 18, "q4_1": 20, "q5_0": 22, "q5_1": 24, "q8_0": 34}
_PIECE_LIMIT_BYTES = 2**28
_TIMEOUT_S = 120.0


def making(old: str, new: str) -> Making:
    """What the deed says of a build whose tensors of type `old` were repacked to `new`."""
    how = f"repacked: tensors of type {old.upper()} were unpacked to float32 and packed as {new.upper()}"
    return Making(new, how, "xllamacpp", RELEASE, {"from": old, "to": new})


def repacked_bytes(build: HeldBuild, old: str, new: str) -> int:
    """About how large it gets; the other tensors keep their size."""
    return round(build.size_bytes * max(1.0, _BYTES_OF_32[new] / _BYTES_OF_32[old]))


def repacking(build: HeldBuild, old: str, new: str, *, runtime_dir: Path, log_dir: Path, lock: str) -> Make:
    """How `store.derived.derive` makes it. Raises NoSpaceError, WorkerStartError, EngineError."""

    async def make(folder: Path, stamps: Sequence[Stamp]) -> Sequence[str]:
        require_space(folder, unpacked_bytes=repacked_bytes(build, old, new))
        program = _program(build, stamps, lock)
        name = f"{build.files[0].stem}.{new}.gguf"
        async with errand(program, runtime_dir=runtime_dir, log_dir=log_dir) as (_, reader, writer):
            writer.write(json.dumps({"from": old, "to": new}).encode() + b"\n")
            await _receive(reader, folder / name, build)
        return (name,)

    return make


def _program(build: HeldBuild, stamps: Sequence[Stamp], lock: str) -> WorkerProgram:
    confirmed = [[str(path), *stamp] for path, stamp in zip(build.files, stamps, strict=True)]
    return WorkerProgram(
        engine="llama.cpp",
        build=build.name,
        entry=("-m", "freehold.engines.llamacpp.repacker"),
        config={"file": str(build.files[0]), "confirmed": confirmed},
        read=build.files,
        lock=lock,
    )


async def _receive(reader: asyncio.StreamReader, path: Path, build: HeldBuild) -> None:
    try:
        with writing(path.parent), path.open("xb") as file:
            while size := int.from_bytes(await asyncio.wait_for(reader.readexactly(8), _TIMEOUT_S), "little"):
                if size > _PIECE_LIMIT_BYTES:
                    raise EngineError(f"The process that repacks {build.name} sent a piece of {size} bytes.")
                await asyncio.to_thread(file.write, await asyncio.wait_for(reader.readexactly(size), _TIMEOUT_S))
    except (TimeoutError, asyncio.IncompleteReadError) as error:
        raise EngineError(
            f"The process that repacks {build.name} ended before the file did.",
            hint="Its log is beside those of the workers; `freehold verify` tells whether the build is whole.",
        ) from error
