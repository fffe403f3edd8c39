"""Workers that run a held build with llama.cpp: what the process is told, and what it turns out to be able to do."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freehold.core.builds import HeldBuild
from freehold.core.errors import WorkerStartError
from freehold.core.ports import Capabilities, MemoryNeeds, Room, Upstream, Worker
from freehold.core.settings import EngineOptions
from freehold.engines.llamacpp.choices import Choices
from freehold.engines.llamacpp.identity import release
from freehold.engines.llamacpp.preparation import Confirm, Preparation
from freehold.engines.program import Started, WorkerProgram
from freehold.engines.supervisor import SupervisedWorker
from freehold.engines.watcher import Watcher

NAME = "llama.cpp"
INSPECTION_TIMEOUT_S = 30.0
PROPS_LIMIT_BYTES = 2**24  # it holds the chat template, which the file bounds
# Slot lines hold counts and times, a failed assertion a place in the engine's source. Other lines may quote requests.
SAFE_LINES = r"\d+\.\d+\.\d+\.\d+ [IWE] slot +[a-z_]+|.*GGML_ASSERT|terminate called|\(lldb|Traceback"
# Its warning of missing keys is for a public port; here it listens at a socket in a folder that is the house's alone.
BESIDE_LINES = r"security: no API key is set"
_NOT_TOLD = ("start_timeout_s", "lock")


class LlamaCpp:
    """Makes workers. Nothing is started or made on disk until one of them is.

    `confirm` gives the stamps of a build's files and raises where it may not be opened (they are not what its deed
    says); it is asked before every start of a process, in a thread, and the process opens no file with another stamp.
    `home` keeps what was measured of this machine; None: it is not asked.
    """

    def __init__(
        self,
        *,
        runtime_dir: Path,
        log_dir: Path,
        confirm: Confirm | None = None,
        home: Path | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self._runtime_dir = runtime_dir
        self._log_dir = log_dir
        self._confirm = confirm
        self._home = home
        self._watcher = watcher
        self._workers: weakref.WeakKeyDictionary[SupervisedWorker, HeldBuild] = weakref.WeakKeyDictionary()

    def worker(self, build: HeldBuild, options: EngineOptions) -> Worker:
        """A worker for `build`, with what `options` sets and the rest chosen for this machine as it is at its start."""
        preparation = Preparation(build, options, self._confirm, lambda: self._mapped_bytes(build), self._home)

        async def inspect(started: Started) -> Mapping[str, Any]:
            return await _inspect(build, started)

        async def plan(room: Room) -> MemoryNeeds:
            return await asyncio.to_thread(preparation.plan, room)

        async def prepare(program: WorkerProgram) -> WorkerProgram:
            told = await asyncio.to_thread(preparation)
            return dataclasses.replace(program, config={**program.config, **told})

        worker = SupervisedWorker(
            dataclasses.replace(_program(build, options), watcher=self._watcher),
            lambda started: _upstream(build, preparation.chosen, started),
            runtime_dir=self._runtime_dir,
            log_dir=self._log_dir,
            choices=preparation.shown,
            inspect=inspect,
            prepare=prepare,
            plan=plan,
        )
        self._workers[worker] = build
        return worker

    def _mapped_bytes(self, asking: HeldBuild) -> int:
        """The weights that workers have mapped, other than those of `asking`, whose pages a second worker shares."""
        running = [build for worker, build in self._workers.items() if worker.state in {"starting", "ready"}]
        others = {build.digest: build.size_bytes for build in running if build.digest != asking.digest}
        return sum(others.values())


def _program(build: HeldBuild, options: EngineOptions) -> WorkerProgram:
    return WorkerProgram(
        engine=NAME,
        build=build.name,
        entry=("-m", "freehold.engines.llamacpp.worker"),
        config={
            "file": str(build.files[0]),
            "name": build.name,
            # By what a person set two workers of one build differ; what is chosen comes with each start.
            "set": {name: value for name, value in dataclasses.asdict(options).items() if name not in _NOT_TOLD},
        },
        # The lock grants the very file that lies there when it is installed, behind a symbolic link too. One file each:
        # the one that the worker holds against its stamp is then the only one that the engine can open.
        read=build.files,
        lock=options.lock,
        start_timeout_s=options.start_timeout_s,
        log_while_serving=SAFE_LINES,
        log_cause=r"(?:gguf_init_from_\w+|error loading model|failed to create context): (.*)",
        log_beside=BESIDE_LINES,
    )


async def _inspect(build: HeldBuild, started: Started) -> Mapping[str, Any]:
    """What the loaded engine says of the build, asked from outside: also the proof that it answers at its socket."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=INSPECTION_TIMEOUT_S)
    headers = {"Accept-Encoding": "identity"}
    connector = aiohttp.UnixConnector(started.socket_path)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session,
            session.get("http://worker/props", raise_for_status=True) as answer,
        ):
            body = await answer.content.read(PROPS_LIMIT_BYTES + 1)
            while len(body) <= PROPS_LIMIT_BYTES and (more := await answer.content.read(PROPS_LIMIT_BYTES)):
                body += more
    except (aiohttp.ClientError, TimeoutError) as error:
        raise WorkerStartError(build.name, f"it loaded and then did not answer ({error!r}).") from error
    return _properties(build, body)


def _properties(build: HeldBuild, body: bytes) -> Mapping[str, Any]:
    """What /props must say. Raises WorkerStartError: a worker that is taken over may say anything."""
    try:
        if len(body) > PROPS_LIMIT_BYTES:
            raise ValueError(f"longer than {PROPS_LIMIT_BYTES} bytes")
        props = json.loads(body)
        tools = props.get("chat_template_caps", {}).get("supports_tools", False)
        context_tokens = props["default_generation_settings"]["n_ctx"]
        if not isinstance(tools, bool) or type(context_tokens) is not int or context_tokens <= 0:
            raise ValueError("a context of no tokens, or tools neither true nor false")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WorkerStartError(build.name, f"what it says of itself cannot be understood ({error!r}).") from error
    return {"tools": tools, "context_tokens": context_tokens}


def _upstream(build: HeldBuild, choices: Choices, started: Started) -> Upstream:
    # Where the file has no template the engine uses one of its own: an invitation to nonsense from a base model.
    chat = build.facts.chat_template is not None and choices.pooling == "last"
    return Upstream(
        engine=NAME,
        base_url="http://worker/v1",
        model=build.name,
        capabilities=Capabilities(
            chat=chat,
            tools=chat and started.facts["tools"],
            forced_tools=False,  # `tool_choice` "required" is accepted and not enforced, whatever the template
            json_schema=True,
            grammar=True,
            logprobs=True,
            embeddings=True,
            tokenize=True,
            progress=True,
        ),
        socket_path=started.socket_path,
        digest=build.digest,
        context_tokens=started.facts["context_tokens"],
        trained_tokens=build.facts.context_length,
        slots=choices.slots,
        release=release(),
        keeps_alive=False,  # it answers `Keep-Alive: timeout=5`, and closes after a streamed answer (b11549)
    )
