"""Workers that run a held build with OpenVINO: converted once, then confirmed and loaded like any other."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from freehold.core.builds import HeldBuild, Stamp
from freehold.core.ports import Capabilities, Choice, MemoryNeeds, Room, Upstream, Worker
from freehold.core.quantity import Unknown
from freehold.core.settings import EngineOptions
from freehold.engines.openvino import installed
from freehold.engines.openvino.choices import Choices, choose
from freehold.engines.openvino.convert import PROCESSORS, Converter, Derive
from freehold.engines.program import Started, WorkerProgram
from freehold.engines.supervisor import SupervisedWorker
from freehold.engines.watcher import Watcher
from freehold.hardware import probe

NAME = "openvino"
# What the libraries write may quote a template or a schema; Python's own last words do not quote requests.
SAFE_LINES = r"Traceback|  File \"|terminate called"


class OpenVino:
    """Makes workers. Nothing is started, converted or made on disk until one of them is.

    `confirm` and `derive` are the store's: the stamps of a build's files, asked before every start, and the keeping of
    what is made from a held build.
    """

    def __init__(
        self,
        *,
        runtime_dir: Path,
        log_dir: Path,
        confirm: Callable[[HeldBuild], Sequence[Stamp]],
        derive: Derive,
        watcher: Watcher | None = None,
    ) -> None:
        self._runtime_dir = runtime_dir
        self._log_dir = log_dir
        self._confirm = confirm
        self._watcher = watcher
        self._converter = Converter(runtime_dir, log_dir, derive, watcher)

    async def converted(self, build: HeldBuild, options: EngineOptions) -> HeldBuild:
        """`build` in OpenVINO's form: itself, or what was or is now made from it. Raises WorkerStartError where it
        cannot be, and what `store.derived.derive` raises."""
        return await self._converter.converted(build, options)

    def worker(self, build: HeldBuild, options: EngineOptions) -> Worker:
        """A worker for `build`, in GGUF or in OpenVINO's form, with what `options` sets and the rest chosen for this
        machine as it is now. Whether the engine is installed and takes the build is told by its start."""
        machine = probe.machine()
        choices = choose(build, machine, options)
        shown = {"engine": _engine(options), **choices.shown}
        run: list[HeldBuild] = []  # what the last start runs
        release = ""

        async def plan(room: Room) -> MemoryNeeds:
            nonlocal choices
            share = room.share_bytes if room.share_bytes >= 2 * build.size_bytes else room.most_bytes
            choices = choose(build, dataclasses.replace(machine, memory_available_bytes=share), options)
            shown.update(choices.shown)
            return _needs(build, choices)

        async def prepare(program: WorkerProgram) -> WorkerProgram:
            nonlocal release
            release = installed.require(build.name)
            converted = await self._converter.converted(build, options)
            stamps = await asyncio.to_thread(self._confirm, converted)
            run[:] = [converted]
            if converted is not build:
                shown["weights"] = Choice(converted.name, "chosen", f"made here from {build.name}, once")
            files = zip(converted.files, stamps, strict=True)
            confirmed = [[str(path), *stamp] for path, stamp in files]
            folder = str(converted.files[0].parent)
            config = {**program.config, "pool_tokens": choices.pool_tokens, "folder": folder, "confirmed": confirmed}
            return dataclasses.replace(program, config=config, read=(*converted.files, PROCESSORS))

        return SupervisedWorker(
            dataclasses.replace(_program(build, choices, options), watcher=self._watcher),
            lambda started: _upstream(build, run[0], release, choices, started),
            runtime_dir=self._runtime_dir,
            log_dir=self._log_dir,
            choices=shown,
            prepare=prepare,
            plan=plan,
        )


def _needs(build: HeldBuild, choices: Choices) -> MemoryNeeds:
    return MemoryNeeds(
        start=Unknown("what the graph and its buffers take was not measured"),
        growth_bytes=choices.pool_bytes or 0,
        floor_bytes=build.size_bytes,
    )


def _engine(options: EngineOptions) -> Choice:
    name = f"OpenVINO {installed.version() or ''}".strip()
    if options.engine == NAME:
        return Choice(name, "set", "set in freehold.toml or with --engine")
    return Choice(name, "chosen", "the build is in OpenVINO's form")


def _program(build: HeldBuild, choices: Choices, options: EngineOptions) -> WorkerProgram:
    return WorkerProgram(
        engine=NAME,
        build=build.name,
        entry=("-m", "freehold.engines.openvino.worker"),
        config={
            "name": build.name,
            "threads": choices.threads,
            "slots": choices.slots,
            "context_tokens": choices.context_tokens,
            "pool_tokens": choices.pool_tokens,
            "batch_tokens": choices.batch_tokens,
            "chat": build.facts.chat_template is not None,
        },
        lock=options.lock,
        start_timeout_s=options.start_timeout_s,
        log_while_serving=SAFE_LINES,
    )


def _upstream(build: HeldBuild, run: HeldBuild, release: str, choices: Choices, started: Started) -> Upstream:
    return Upstream(
        engine=NAME,
        base_url="http://worker/v1",
        model=build.name,
        capabilities=Capabilities(
            chat=build.facts.chat_template is not None,
            tools=False,  # the gateway tells the model of them in plain messages
            forced_tools=False,
            json_schema=True,
            grammar=False,
            logprobs=True,
            top_logprobs=False,
            embeddings=False,
            tokenize=True,
            progress=True,
            schema_rules="xgrammar",
        ),
        socket_path=started.socket_path,
        digest=run.digest,
        context_tokens=choices.context_tokens,
        trained_tokens=build.facts.context_length,
        slots=choices.slots,
        release=release,
    )
