"""A worker is started, watched, restarted, given up and ended, and never outlives its house."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from freehold.core import settings
from freehold.core.errors import WorkerStartError
from freehold.core.ports import Capabilities, Upstream
from freehold.engines import supervisor
from freehold.engines.program import WorkerProgram
from freehold.engines.supervisor import SupervisedWorker
from tests.processes import OwnProcesses, until

HERE = Path(__file__).parent
Make = Callable[..., SupervisedWorker]


@pytest.fixture
async def make(home: Path) -> AsyncIterator[Make]:
    """Makes workers of the plain program; all of them are stopped when the test ends."""
    made: list[SupervisedWorker] = []

    def worker(*, start_timeout_s: float = 30.0, script: str = "plain_worker.py", **config: Any) -> SupervisedWorker:
        program = WorkerProgram(
            engine="plain",
            build="plain:build",
            entry=(str(HERE / script),),
            config=config,
            start_timeout_s=start_timeout_s,
        )
        made.append(
            SupervisedWorker(
                program,
                lambda started: Upstream(
                    "plain", "http://worker/v1", "plain", Capabilities(), socket_path=started.socket_path
                ),
                runtime_dir=settings.load().runtime_dir,
                log_dir=home / "logs",
            )
        )
        return made[-1]

    yield worker
    for one in made:
        await one.stop()


async def ask(upstream: Upstream) -> int:
    """The id of the process that answers at the upstream."""
    assert upstream.socket_path is not None
    reader, writer = await asyncio.open_unix_connection(upstream.socket_path)
    answer = await reader.read()
    writer.close()
    return int(answer)


def log_of(worker: SupervisedWorker) -> str:
    return Path(worker.report().log_path or "").read_text()


async def test_a_started_worker_answers_at_its_socket_and_reports_itself(make: Make) -> None:
    worker = make()
    await worker.start()
    report = worker.report()
    assert await ask(worker.upstream) == report.pid
    assert (report.state, report.restarts, report.last_error) == ("ready", 0, None)
    assert report.memory_bytes is not None
    assert report.memory_bytes > 1_000_000
    assert "plain worker at work" in log_of(worker)


async def test_a_stopped_worker_leaves_no_process_and_no_folder(make: Make) -> None:
    worker = make()
    await worker.start()
    pid = worker.report().pid
    assert pid is not None
    await worker.stop()
    await worker.stop()
    assert not psutil.pid_exists(pid)
    assert worker.state == "stopped"
    assert list(settings.load().runtime_dir.iterdir()) == []
    with pytest.raises(WorkerStartError, match="it is not running"):
        await worker.ready()


async def test_a_killed_worker_is_restarted_and_ready_waits_it_out(make: Make) -> None:
    worker = make()
    await worker.start()
    before = worker.upstream
    first = await ask(before)
    os.kill(first, signal.SIGKILL)
    await until(lambda: worker.state == "backing-off")
    after = await worker.ready()
    assert after.socket_path != before.socket_path
    assert await ask(after) != first
    assert worker.report().restarts == 1
    told = worker.report().last_error or ""
    assert re.fullmatch(r"it was ended by SIGKILL .*, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\.", told)


async def test_a_worker_that_somebody_suspended_is_ended_and_restarted(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "WATCH_EVERY_S", 0.05)
    worker = make()
    await worker.start()
    first = await ask(worker.upstream)
    os.kill(first, signal.SIGSTOP)
    await until(lambda: worker.state == "backing-off")
    assert await ask(await worker.ready()) != first


async def test_a_worker_that_keeps_ending_is_given_up_with_its_log(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.001)
    worker = make(quit_after_s=0.01)
    await worker.start()
    await until(lambda: worker.state == "failed")
    with pytest.raises(WorkerStartError, match="it ended 5 times in a row and was given up") as raised:
        await worker.ready()
    assert "exit code 7" in raised.value.message
    assert raised.value.log == "plain worker at work"
    assert worker.report().restarts == 4
    assert list(settings.load().runtime_dir.iterdir()) == []


async def test_a_worker_that_will_not_serve_says_why_and_can_be_started_again(make: Make) -> None:
    worker = make(refuse="the weights are made of cheese.")
    for _ in range(2):
        with pytest.raises(
            WorkerStartError, match=r"plain:build did not start: the weights are made of cheese\."
        ) as raised:
            await worker.start()
        assert raised.value.hint == "Ask differently."
        assert worker.state == "failed"


async def test_a_worker_that_crashes_while_it_starts_shows_its_last_lines(make: Make) -> None:
    worker = make(crash=True)
    with pytest.raises(WorkerStartError, match="ended by SIGABRT before it was ready") as raised:
        await worker.start()
    assert raised.value.log == "plain worker at work\nabout to crash"


async def test_a_worker_that_is_not_ready_in_time_is_ended(make: Make) -> None:
    own = OwnProcesses()
    worker = make(start_timeout_s=0.5, hang=True)
    with pytest.raises(WorkerStartError, match=r"it was not ready after 0\.5 s") as raised:
        await worker.start()
    assert "start_timeout_s" in raised.value.hint
    assert not own.now()


NONSENSE = {
    "no json": ("not json", 1),
    "a list": ("[1]", 1),
    "no lock": ('{"ready": true}', 1),
    "numbers": ('{"ready": true, "lock": 5, "facts": 7}', 1),
    "a list of facts": ('{"ready": true, "lock": "x", "facts": []}', 1),
    "no text as a reason": ('{"ready": false, "reason": 5}', 1),
    "deep": ("[", 50_000),
    "long": ("x", 2_000_000),
}


@pytest.mark.parametrize(("word", "times"), NONSENSE.values(), ids=NONSENSE)
async def test_a_worker_whose_first_word_is_nonsense_fails_and_is_ended(make: Make, word: str, times: int) -> None:
    own = OwnProcesses()
    worker = make(word=word, times=times)
    async with asyncio.timeout(30):
        with pytest.raises(WorkerStartError, match="its first word cannot be understood"):
            await worker.start()
    assert worker.state == "failed"
    assert not own.now()


async def test_a_bug_in_what_describes_a_worker_is_a_failed_start(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> Upstream:
        raise KeyError("context_tokens")

    own = OwnProcesses()
    worker = make()
    monkeypatch.setattr(worker, "_describe", broken)
    async with asyncio.timeout(30):
        with pytest.raises(WorkerStartError, match=r"failed with KeyError: 'context_tokens'\. This is a bug"):
            await worker.start()
    assert worker.state == "failed"
    assert "Traceback" in caplog.text
    assert not own.now()


async def test_stopping_a_worker_that_is_still_starting_leaves_no_process(make: Make) -> None:
    own = OwnProcesses()
    worker = make(hang=True)
    start = asyncio.create_task(worker.start())
    await until(own.now)
    await worker.stop()
    with pytest.raises(WorkerStartError, match="it is not running"):
        await start
    assert not own.now()


async def test_the_log_is_bounded_and_private(make: Make) -> None:
    worker = make(chatter_bytes=3_000_000)
    await worker.start()
    log = Path(worker.report().log_path or "")
    older = log.with_name(log.name + ".1")
    await until(older.exists)
    await worker.stop()
    kept = [found.stat() for found in os.scandir(log.parent)]
    assert all(found.st_size <= 1024 * 1024 for found in kept)
    assert [found.st_mode & 0o777 for found in kept] == [0o600, 0o600]


async def test_a_folder_that_a_killed_house_left_is_swept_and_one_in_use_is_not(make: Make) -> None:
    runtime_dir = settings.load().runtime_dir
    living = make()
    await living.start()
    abandoned = runtime_dir / "w-dead"
    (abandoned / "s").mkdir(parents=True)
    other = make()
    await other.start()
    assert not abandoned.exists()
    assert await ask(living.upstream) == living.report().pid


@pytest.mark.parametrize("thread", [False, True], ids=["main thread", "another thread"])
@pytest.mark.parametrize("disarm", [False, True], ids=["tame", "hostile"])
def test_a_house_that_is_killed_leaves_no_worker(home: Path, thread: bool, disarm: bool) -> None:
    asked = {
        "script": str(HERE / "plain_worker.py"),
        "config": {"disarm": disarm},
        "read": [],
        "runtime_dir": str(settings.load().runtime_dir),
        "log_dir": str(home / "logs"),
        "lock": "prefer",
        "thread": thread,
    }
    command = [sys.executable, str(HERE / "one_worker.py"), json.dumps(asked)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as house:
        assert house.stdout is not None
        worker = psutil.Process(json.loads(house.stdout.readline())["pid"])
        house.kill()
        house.wait()
        gone, alive = psutil.wait_procs([worker], timeout=30)
    assert (gone, alive) == ([worker], [])
