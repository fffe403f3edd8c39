"""The fake engine as the house sees it: a worker for every `fake:` reference, a process like any other engine's.

It ships with the product: it makes endpoints to try things out on, it is what the gateway is measured on, and its
faults are what the house's recovery is tested with. Nothing it says means anything.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from freehold.core.ports import Capabilities, Choice, MemoryNeeds, Room, Upstream, Worker
from freehold.core.quantity import Estimated, Exact
from freehold.core.refs import FakeRef
from freehold.engines.fake import options
from freehold.engines.program import Started, WorkerProgram
from freehold.engines.supervisor import SupervisedWorker
from freehold.engines.watcher import Watcher

NAME = "fake"
CAPABILITIES = Capabilities(tokenize=True, progress=True)
PROGRAM_BYTES = (30 << 20, 80 << 20)
"""Python and its loop, from worker to worker and machine to machine."""


class Fake:
    """Makes workers that answer at the speed, and with the faults, that their reference names."""

    def __init__(self, *, runtime_dir: Path, log_dir: Path, watcher: Watcher | None = None) -> None:
        self._runtime_dir = runtime_dir
        self._log_dir = log_dir
        self._watcher = watcher

    def worker(self, ref: FakeRef) -> Worker:
        """A worker for `ref`, not started. Raises BadReferenceError where an option is wrong."""
        chosen = options.read(ref)
        program = WorkerProgram(
            engine=NAME,
            build=str(ref),
            entry=("-m", "freehold.engines.fake.worker"),
            config={"model": str(ref), "options": dataclasses.asdict(chosen)},
            start_timeout_s=30.0 + chosen.slow_start_ms / 1e3,
            watcher=self._watcher,
        )

        def describe(started: Started) -> Upstream:
            return Upstream(
                engine=NAME,
                base_url="http://worker/v1",
                model=str(ref),
                capabilities=CAPABILITIES,
                socket_path=started.socket_path,
                context_tokens=chosen.context_tokens,
                slots=chosen.slots,
            )

        async def plan(room: Room) -> MemoryNeeds:
            del room
            return _needs(chosen)

        return SupervisedWorker(
            program,
            describe,
            runtime_dir=self._runtime_dir,
            log_dir=self._log_dir,
            choices=_choices(ref, chosen),
            plan=plan,
        )


def _needs(chosen: options.FakeOptions) -> MemoryNeeds:
    if chosen.says_mib is not None:
        return MemoryNeeds(Exact(chosen.says_mib << 20))
    low, high = ((chosen.memory_mib << 20) + program for program in PROGRAM_BYTES)
    return MemoryNeeds(Estimated(low, high, "processes that were seen"))


def _choices(ref: FakeRef, chosen: options.FakeOptions) -> dict[str, Choice]:
    """The options in force that matter to every fake worker, and the faults that were set."""
    default = options.FakeOptions()
    shown: dict[str, Choice] = {}
    for field in dataclasses.fields(chosen):
        value = getattr(chosen, field.name)
        if value != getattr(default, field.name):
            shown[field.name] = Choice(str(value), "set", f"by the reference {ref}")
        elif field.name in {"rate_per_s", "tokens", "context_tokens"}:
            shown[field.name] = Choice(str(value), "default", "not named in the reference")
    return shown
