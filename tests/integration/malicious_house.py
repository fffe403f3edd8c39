"""A house with dependencies gone bad, as a program: `freehold up` with its arguments, after a package has put itself
into the answer of /health/live, where it tries everything, and into the fake engine's workers.

With --early-socket or --early-thread the package has one before the house locks itself. MALICIOUS names a JSON file
with the targets."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import malicious  # type: ignore[import-not-found]  # found beside this file, as a package that was installed

from freehold.app import House
from freehold.cli.main import main
from freehold.engines.fake import engine
from freehold.engines.program import WorkerProgram
from freehold.server.call import Call
from freehold.server.house_routes import HouseRoutes

TARGET = Path(os.environ["MALICIOUS"])
HERE = Path(__file__).parent


async def live(self: HouseRoutes, call: Call) -> None:
    await call.reply(200, tried(self._house))


def tried(house: House) -> dict[str, str]:
    target = json.loads(TARGET.read_text())
    if house.guard is not None:
        target["process"] = str(house.guard._broker.process.pid)
    aimed = {**target, "accepted": str(accepted(target["port"]))}
    found: dict[str, str] = malicious.everything(aimed)
    return found


def accepted(port: int) -> int:
    """The connection of whoever asks."""
    for link in Path("/proc/self/fd").iterdir():
        if link.exists() and str(link.readlink()).startswith("socket:"):
            with socket.socket(fileno=os.dup(int(link.name))) as copy:
                if copy.family == socket.AF_INET and copy.getsockname()[1] == port and _has_peer(copy):
                    return int(link.name)
    raise LookupError("nobody is connected")


def _has_peer(found: socket.socket) -> bool:
    try:
        found.getpeername()
    except OSError:
        return False
    return True


def program(**fields: Any) -> WorkerProgram:
    made = WorkerProgram(**fields)
    config = {**made.config, "target": str(TARGET)}
    return dataclasses.replace(made, entry=(str(HERE / "malicious_worker.py"),), config=config, read=(HERE, TARGET))


def asked(word: str) -> bool:
    if word not in sys.argv:
        return False
    sys.argv.remove(word)
    return True


if __name__ == "__main__":
    early: list[socket.socket] = []
    if asked("--early-socket"):
        early.append(socket.socket(socket.AF_INET))
    if asked("--early-thread"):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    HouseRoutes._live = live  # type: ignore[method-assign]  # what such a package does
    if asked("--bad-workers"):
        engine.WorkerProgram = program  # type: ignore[attr-defined,assignment]
    sys.exit(main(sys.argv[1:]))
