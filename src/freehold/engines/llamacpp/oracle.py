"""llama.cpp as its own oracle: how large its buffers would be, asked of itself in a locked process that ends after.

Beside the arithmetic of `fit`, which it checks, it is the only word on an architecture that `fit` does not know. It
speaks for this machine's engine, on a processor: buffers of an accelerator it cannot show.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freehold.core.errors import WorkerStartError
from freehold.core.quantity import Unknown
from freehold.engines.errand import started
from freehold.engines.log import log_name
from freehold.engines.program import WorkerProgram
from freehold.fit.blueprint import RunShape
from freehold.weights.gguf import Outline, write_skeleton

TIMEOUT_S = 30.0
ENDING_S = 5.0
LARGEST_BYTES = 1 << 60
PRINTED_BYTES = 10_486
"""A hundredth of a MiB: how exact the sizes are that the engine prints, of up to two buffers a part."""
LONGEST_REASON = 300
_BUFFERS = ("kv_cache_bytes", "state_bytes", "compute_bytes", "output_bytes")
# What its process writes when the header ends it: an assertion of its own that failed, or an exception of C++.
_ENDED_BY_IT = re.compile(r"GGML_ASSERT|terminate called")


@dataclass(frozen=True, slots=True)
class EngineSays:
    """The engine's own figures for one run; exact to the hundredth of a MiB that it prints, weights to the byte."""

    weights_bytes: int
    kv_cache_bytes: int
    state_bytes: int
    compute_bytes: int
    output_bytes: int

    @property
    def total_bytes(self) -> int:
        return sum(getattr(self, field.name) for field in dataclasses.fields(self))


@dataclass(frozen=True, slots=True)
class Refused:
    """The engine does not load such a build, whatever memory there is: why, in its own words."""

    reason: str


Word = EngineSays | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Oracle:
    """Asks llama.cpp. `lock` is the setting of workers: "require", "prefer" or "off"."""

    runtime_dir: Path
    log_dir: Path
    lock: str = "prefer"

    async def ask(self, outline: Outline, runs: Sequence[RunShape]) -> tuple[Word, ...]:
        """What the engine says of a build, run by run; unknown, with the reason, where it says nothing."""
        with tempfile.TemporaryDirectory(prefix="freehold-skeleton-") as folder:
            file = Path(folder) / "skeleton.gguf"
            write_skeleton(outline, file)
            try:
                facts = await self._facts(outline.architecture, file, runs)
            except WorkerStartError as error:
                ended = _ENDED_BY_IT.search(error.log)
                return ((Refused if ended else Unknown)(str(error)),) * len(runs)
        return _answers(facts, len(runs))

    async def _facts(self, name: str, file: Path, runs: Sequence[RunShape]) -> Mapping[str, Any]:
        program, log = _program(name, file, runs, self.lock), self.log_dir / log_name("oracle", name)
        async with started(program, runtime_dir=self.runtime_dir, log=log) as process:
            # It ends by itself; a signal that meets its end makes asyncio warn of a process it does not know.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), ENDING_S)
            return process.started.facts


def _program(name: str, file: Path, runs: Sequence[RunShape], lock: str) -> WorkerProgram:
    return WorkerProgram(
        engine="llama.cpp",
        build=f"a build of the architecture {name!r}",
        entry=("-m", "freehold.engines.llamacpp.oracle_worker"),
        config={"file": str(file), "runs": [dataclasses.asdict(run) for run in runs]},
        read=(file,),
        lock=lock,
        start_timeout_s=TIMEOUT_S,
        log_cause=r"(GGML_ASSERT.*|what\(\): .*)",
    )


def _answers(facts: Mapping[str, Any], count: int) -> tuple[Word, ...]:
    """What the process said, checked: it may be taken over and say anything."""
    if isinstance(reason := facts.get("refused"), str):
        return (Refused(f"llama.cpp refuses it: {reason[:LONGEST_REASON]}"),) * count
    answers, weights = facts.get("answers"), facts.get("weights_bytes")
    if not isinstance(answers, list) or len(answers) != count or not _is_size(weights):
        return (Unknown("what the engine said cannot be understood"),) * count
    return tuple(_answer(answer, weights) for answer in answers)


def _answer(answer: Any, weights: Any) -> Word:
    if answer is None:
        return Unknown("the engine makes no context for this run")
    if not isinstance(answer, dict) or not all(_is_size(answer.get(name)) for name in _BUFFERS):
        return Unknown("what the engine said cannot be understood")
    return EngineSays(weights, *(answer[name] for name in _BUFFERS))


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < LARGEST_BYTES
