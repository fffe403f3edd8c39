"""One operating-system process of a worker: spawned, heard, watched, ended.

The child gets no descriptor but its stdin (orders, then a lifeline: it is killed when the pipe closes), a pipe for
its log, one for its word of readiness, and a socket through which it hands over what its lock refuses; an environment
made from constants, so that no secret of ours can be in it; and a session of its own, so that Ctrl-C on our terminal
does not end it before its requests are drained.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import threading
import time
from typing import Any

from freehold.core.errors import WorkerStartError
from freehold.core.ports import Attempt
from freehold.engines.attempts import Attempts, Tally
from freehold.engines.folder import WorkerFolder
from freehold.engines.log import WorkerLog
from freehold.engines.program import Started, WorkerProgram

PIPE_BYTES = 65536
WORD_LIMIT_BYTES = 2**16
LAST_WORDS_S = 10.0


class WorkerProcess:
    """Made by `spawn`. `stop` or `kill` must be called, and leave nothing behind."""

    started: Started

    def __init__(
        self,
        program: WorkerProgram,
        process: asyncio.subprocess.Process,
        lifeline: int,
        log: WorkerLog,
        attempts: Attempts,
    ) -> None:
        self._program = program
        self._process = process
        self._lifeline: int | None = lifeline
        self._log = log
        self.attempts = attempts
        self._drain = asyncio.create_task(self._drain_log(), name=f"log of worker {process.pid}")

    @classmethod
    async def spawn(cls, program: WorkerProgram, folder: WorkerFolder, log: WorkerLog) -> WorkerProcess:
        """Start the process and wait until it is ready. Raises WorkerStartError; then no process is left."""
        socket_path = folder.fresh_socket()
        watcher, pids = program.watcher, list[int]()

        def heard(attempt: Attempt) -> None:
            log.note(f"refused by the lock: {attempt.what}")
            if watcher is not None and pids:
                watcher.tried(pids[0])

        attempts = Attempts(Tally(heard))
        orders, lifeline = os.pipe()
        reading, writing = os.pipe()
        word = _LineFrom(reading)
        try:
            await word.open()
            _write_orders(lifeline, program, folder, socket_path)
            process = await _spawn(program, folder, orders=orders, ends=(writing, attempts.theirs))
        except BaseException:
            attempts.close()
            word.close()
            os.close(lifeline)
            raise
        finally:
            os.close(orders)
            os.close(writing)
            attempts.handed_over()
        self = cls(program, process, lifeline, log, attempts)
        pids.append(process.pid)
        if watcher is not None:
            watcher.began(f"{program.engine} worker of {program.build}", process.pid, attempts.tally)
        try:
            self.started = await self._first_word(word, socket_path)
            if watcher is not None:
                watcher.locked(process.pid, self.started.lock)
            log.serving(program.log_while_serving)
        except BaseException:
            await self.kill()
            raise
        finally:
            word.close()
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> str:
        """Wait until it has ended and everything it wrote is in the log; says how it ended."""
        code = await self._process.wait()
        await asyncio.wait([self._drain])
        self.attempts.close()
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
            if self._program.watcher is not None:
                self._program.watcher.ended(self.pid, _ending(code))
        return _ending(code)

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, `grace_s` to finish, then SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), grace_s)
        await self.kill()

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await asyncio.shield(self.wait())

    async def _first_word(self, word: _LineFrom, socket_path: str) -> Started:
        try:
            said: dict[str, Any] = await asyncio.wait_for(word.read(), self._program.start_timeout_s)
        except TimeoutError:
            raise self._not_started(
                f"it was not ready after {self._program.start_timeout_s:g} s.",
                "Raise start_timeout_s in [engine] of freehold.toml if the build is large or the disk slow.",
            ) from None
        except ValueError as error:
            # Longer than the limit, or no JSON object: a worker that does not keep to its orders is not asked again.
            await self.kill()
            raise self._not_started(f"its first word cannot be understood ({error}).", "") from error
        if said.get("ready"):
            return Started(self.pid, socket_path, said["lock"], said["facts"], time.time())
        # It has said its last word; it has a while to finish its log, and is ended if it does not go.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), LAST_WORDS_S)
        await self.kill()
        ending = await self.wait()
        raise self._not_started(said.get("reason") or f"{ending} before it was ready.", said.get("hint", ""))

    def _not_started(self, reason: str, hint: str) -> WorkerStartError:
        pattern = self._program.log_cause
        if pattern is not None and (cause := re.search(pattern, self._log.tail())):
            reason = f"{reason.rstrip('.')}: {cause[1].rstrip('.')}."
        hint = hint or self._log.place
        return WorkerStartError(self._program.build, reason, log=self._log.tail(), hint=hint)

    async def _drain_log(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None, "stdout was asked for as a pipe"
        while chunk := await stdout.read(65536):
            self._log.write(chunk)


class _LineFrom:
    """One line of JSON from a pipe; an empty object where the pipe closes without one."""

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "rb", buffering=0)
        self._reader = asyncio.StreamReader(limit=WORD_LIMIT_BYTES)
        self._transport: asyncio.ReadTransport | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._reader), self._file
        )

    async def read(self) -> dict[str, Any]:
        """Raises ValueError where the line is too long or not a word that `engines.inside` says."""
        line = await self._reader.readline()
        return _checked(line) if line else {}

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        else:
            self._file.close()


def _checked(line: bytes) -> dict[str, Any]:
    """The word in `line`. Raises ValueError: the worker may be taken over, so nothing of its shape is trusted."""
    try:
        said = json.loads(line)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(said, dict) or not isinstance(said.get("ready"), bool):
        raise ValueError('it is not an object with "ready"')
    fields = {"lock": str, "facts": dict} if said["ready"] else {"reason": str, "hint": str}
    for name, kind in fields.items():
        if not isinstance(said.get(name, None if said["ready"] else ""), kind):
            raise ValueError(f'its "{name}" is not a {kind.__name__}')
    return said


def _write_orders(lifeline: int, program: WorkerProgram, folder: WorkerFolder, socket_path: str) -> None:
    """Into the pipe before anybody reads it: a pipe holds 64 KiB (pipe(7)), which orders never come near."""
    orders = {
        "parent_pid": os.getpid(),
        # PR_SET_PDEATHSIG fires when the *thread* that spawned ends (prctl(2)); only the main one lives as long as we.
        "death_signal": threading.current_thread() is threading.main_thread(),
        "socket_path": socket_path,
        "scratch": str(folder.scratch),
        "lock": program.lock,
        "read": [str(path) for path in program.read],
        "write": [str(path) for path in program.write],
        "largest_file_bytes": program.largest_file_bytes,
        "config": dict(program.config),
    }
    line = json.dumps(orders).encode() + b"\n"
    assert len(line) <= PIPE_BYTES, f"orders of {len(line)} bytes would block"
    os.write(lifeline, line)


async def _spawn(
    program: WorkerProgram, folder: WorkerFolder, *, orders: int, ends: tuple[int, int]
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            # -I: no user site, no PYTHON* variable, no working folder on the path; -B: it may not write there anyway.
            *(sys.executable, "-I", "-B", *program.entry, *map(str, ends)),
            stdin=orders,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=ends,
            env=_environment(folder),
            cwd=folder.scratch,
            start_new_session=True,
        )
    except OSError as error:
        raise WorkerStartError(program.build, f"{sys.executable} cannot be run: {error.strerror}.") from error


def _environment(folder: WorkerFolder) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(folder.scratch),
        "TMPDIR": str(folder.scratch),
    }


def _ending(code: int) -> str:
    if code >= 0:
        return f"it ended with exit code {code}"
    name = signal.Signals(-code).name
    if code == -signal.SIGKILL:
        return f"it was ended by {name} (by a person, or by the kernel when memory ran out)"
    return f"it was ended by {name}"
