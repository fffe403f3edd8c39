"""Keeps one worker process running: starts it, watches it, restarts it with back-off, gives up, stops it.

A first start that fails is reported at once: the same weights will not load the second time either. A worker that
was ready and then ended is started again after 0.25 s, doubled up to 30 s, and given up after five ends in a row that
each came within a minute of readiness, or when a restart fails. `ready` waits a restart out. What must stay true: after
`stop` no process, no socket and no folder of the worker is left, whatever state it was in.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from freehold.core.errors import FreeholdError, WorkerGivenUpError, WorkerStartError
from freehold.core.ports import Choice, MemoryNeeds, Room, Upstream, WorkerReport, WorkerState
from freehold.core.quantity import Unknown
from freehold.engines.folder import WorkerFolder
from freehold.engines.log import WorkerLog, log_name
from freehold.engines.process import WorkerProcess
from freehold.engines.program import Started, WorkerProgram

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0
HEALTHY_AFTER_S = 60.0
QUICK_ENDS_LIMIT = 5
WATCH_EVERY_S = 1.0

_log = logging.getLogger(__name__)


class SupervisedWorker:
    """A `core.ports.Worker` made of a WorkerProgram. `describe` turns one start into the Upstream to ask.

    `inspect`, where given, asks a worker that has just said it is ready; what it returns is added to `Started.facts`.
    It exists because a locked worker cannot connect to itself. `prepare`, where given, is awaited before every start,
    restarts too: the program that it returns is the one that is started, what it raises keeps it from being started.
    `plan`, where given, says what memory a start takes; without it nobody knows. `choices` are what `freehold ps` shows
    of the settings it runs with, looked at when it is asked. Use one worker from one event loop.
    """

    def __init__(
        self,
        program: WorkerProgram,
        describe: Callable[[Started], Upstream],
        *,
        runtime_dir: Path,
        log_dir: Path,
        choices: Mapping[str, Choice] | None = None,
        inspect: Callable[[Started], Awaitable[Mapping[str, Any]]] | None = None,
        prepare: Callable[[WorkerProgram], Awaitable[WorkerProgram]] | None = None,
        plan: Callable[[Room], Awaitable[MemoryNeeds]] | None = None,
    ) -> None:
        self._program = program
        self._describe = describe
        self._inspect = inspect
        self._prepare = prepare
        self._plan = plan
        self._runtime_dir = runtime_dir
        self._choices = {} if choices is None else choices
        name = log_name(program.engine, f"{program.build} {_fingerprint(program)}")
        self._log = WorkerLog(log_dir / name, beside=program.log_beside)
        self._state: WorkerState = "stopped"
        self._process: WorkerProcess | None = None
        self._folder: WorkerFolder | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._restarts = 0
        self._last_error: WorkerStartError | None = None
        self._last_ending: str | None = None

    @property
    def state(self) -> WorkerState:
        return self._state

    @property
    def upstream(self) -> Upstream:
        """Where the present process answers. Raises WorkerStartError where there is none."""
        if self._process is None:
            raise self._not_running()
        return self._describe(self._process.started)

    async def plan(self, room: Room) -> MemoryNeeds:
        """What a start will take, chosen to fit `room`. Raises WorkerStartError."""
        if self._plan is None:
            return MemoryNeeds(Unknown(f"{self._program.engine} does not say what it takes"))
        try:
            return await self._plan(room)
        except WorkerStartError:
            raise
        except FreeholdError as error:
            raise self._cannot_start(error.message, hint=error.hint) from error

    async def start(self) -> None:
        """Start and wait until it answers; does nothing where it already does. Raises WorkerStartError.

        Cancelling this does not end what was started: `stop` does.
        """
        if self._state not in {"stopped", "failed"}:
            await self.ready()
            return
        self._enter("starting")
        self._keeper = asyncio.create_task(self._keep(), name=f"keep worker of {self._program.build}")
        await self.ready()

    async def ready(self) -> Upstream:
        """Wait out a start or restart. Raises WorkerStartError once the worker was given up, or is stopped."""
        while self._state in {"starting", "backing-off"}:
            await self._changed.wait()
        return self.upstream

    async def stop(self, *, grace_s: float = 5.0) -> None:
        if self._state in {"stopped", "failed"}:
            self._enter("stopped")
            return
        self._enter("stopping")
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._process is not None:
            await self._process.stop(grace_s)
        self._clear("stopped")

    def report(self) -> WorkerReport:
        started = self._process.started if self._process is not None else None
        ending = self._last_error.message if self._last_error is not None else self._last_ending
        return WorkerReport(
            build=self._program.build,
            engine=self._program.engine,
            state=self._state,
            pid=started.pid if started else None,
            started_at=started.started_at if started else None,
            restarts=self._restarts,
            memory_bytes=_memory_bytes(started.pid) if started else None,
            lock=started.lock if started else "unknown",
            choices=dict(self._choices),
            last_error=ending,
            log_path=str(self._log.path) if self._log.path else None,
            attempts=self._process.attempts.tally.seen if self._process is not None else None,
        )

    async def _keep(self) -> None:
        """Runs while the worker is wanted; ends by being cancelled, or by giving up."""
        try:
            self._log.open()
            self._folder = WorkerFolder(self._runtime_dir)
            await self._launch()
            failure = await self._keep_up()
        except OSError as error:
            failure = self._cannot_start(f"{error.filename or self._runtime_dir}: {error.strerror}.")
        except WorkerStartError as error:
            failure = error
        except FreeholdError as error:
            failure = self._cannot_start(error.message, hint=error.hint)
        except Exception as error:  # this task's edge: whoever waits must hear that nobody keeps the worker any more
            _log.exception("The keeper of the worker of %s failed.", self._program.build)
            failure = self._cannot_start(f"keeping it failed with {type(error).__name__}: {error}. This is a bug.")
            if self._process is not None:
                await self._process.kill()
        self._last_error = failure
        self._clear("failed")

    async def _launch(self) -> None:
        assert self._folder is not None, "a worker is launched into its folder"
        self._log.begin()
        program = self._program
        if self._prepare is not None:
            program = await self._prepare(program)
        deadline = asyncio.get_running_loop().time() + self._program.start_timeout_s
        process = await WorkerProcess.spawn(program, self._folder, self._log)
        try:
            if self._inspect is not None:
                async with asyncio.timeout_at(deadline):
                    found = await self._inspect(process.started)
                process.started = dataclasses.replace(process.started, facts={**process.started.facts, **found})
            self._describe(process.started)
        except TimeoutError as error:
            await process.kill()
            reason = f"it did not answer within {self._program.start_timeout_s:g} s of its start."
            raise self._cannot_start(reason) from error
        except BaseException:
            await process.kill()
            raise
        self._process = process
        self._enter("ready")

    async def _keep_up(self) -> WorkerStartError:
        """Start it again whenever it ends; returns why it was given up."""
        quick_ends, pause_s = 0, FIRST_PAUSE_S
        while True:
            ready_at = time.monotonic()
            ending = await self._watch()
            if time.monotonic() - ready_at > HEALTHY_AFTER_S:
                quick_ends, pause_s = 0, FIRST_PAUSE_S
            quick_ends += 1
            if quick_ends >= QUICK_ENDS_LIMIT:
                reason = f"it ended {quick_ends} times in a row and was given up; the last time {ending}."
                return WorkerGivenUpError(self._program.build, reason, log=self._log.tail(), hint=self._log.place)
            self._enter("backing-off")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            self._enter("starting")
            self._restarts += 1
            await self._launch()
            _log.warning("The worker of %s runs again.", self._program.build)

    async def _watch(self) -> str:
        """Wait until the process has ended; end it where somebody has stopped (SIGSTOP) it."""
        process = self._process
        assert process is not None, "only a running process is watched"
        ended = asyncio.ensure_future(process.wait())
        try:
            while not ended.done():
                await asyncio.wait([ended], timeout=WATCH_EVERY_S)
                if not ended.done() and _is_stopped(process.pid):
                    _log.warning("The worker of %s was stopped by a signal; ending it.", self._program.build)
                    await process.kill()
        finally:
            ended.cancel()
        self._process = None
        at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        self._last_ending = f"{ended.result()}, {at}."
        _log.warning("The worker of %s: %s.", self._program.build, ended.result())
        return ended.result()

    def _cannot_start(self, reason: str, *, hint: str = "") -> WorkerStartError:
        look = hint or f"{self._log.place} `freehold doctor` looks at the rest."
        return WorkerStartError(self._program.build, reason, log=self._log.tail(), hint=look)

    def _clear(self, state: WorkerState) -> None:
        self._process = None
        self._keeper = None
        if self._folder is not None:
            self._folder.remove()
            self._folder = None
        self._log.close()
        self._enter(state)

    def _enter(self, state: WorkerState) -> None:
        self._state = state
        self._changed.set()
        self._changed = asyncio.Event()

    def _not_running(self) -> WorkerStartError:
        if self._state == "failed" and self._last_error is not None:
            return self._last_error
        return WorkerStartError(self._program.build, "it is not running: it was stopped, or never started.")


def _fingerprint(program: WorkerProgram) -> str:
    return hashlib.sha256(json.dumps(dict(program.config), sort_keys=True).encode()).hexdigest()[:6]


def _memory_bytes(pid: int) -> int | None:
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return None


def _is_stopped(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    return False
