"""A house with one worker, as a program: says the worker's start in one JSON line, then waits to be ended.

The only argument is JSON: `script`, `config`, `read`, `runtime_dir`, `log_dir`, and `thread`, which spawns off the main
thread.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import threading
from pathlib import Path
from typing import Any

from freehold.core.ports import Capabilities, Upstream
from freehold.engines.program import Started, WorkerProgram
from freehold.engines.supervisor import SupervisedWorker


async def live(asked: dict[str, Any]) -> None:
    found: list[Started] = []

    def describe(started: Started) -> Upstream:
        found.append(started)
        return Upstream("test", "http://worker/v1", "test", Capabilities(), socket_path=started.socket_path)

    program = WorkerProgram(
        engine="test",
        build="test",
        entry=(asked["script"],),
        config=asked["config"],
        read=tuple(Path(path) for path in asked["read"]),
        lock=asked.get("lock", "require"),
    )
    worker = SupervisedWorker(program, describe, runtime_dir=Path(asked["runtime_dir"]), log_dir=Path(asked["log_dir"]))
    await worker.start()
    await worker.ready()
    said = {**dataclasses.asdict(found[-1]), "attempts": dataclasses.asdict(worker.report())["attempts"]}
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await worker.stop()


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    if asked.get("thread"):
        thread = threading.Thread(target=lambda: asyncio.run(live(asked)))
        thread.start()
        thread.join()
    else:
        asyncio.run(live(asked))
