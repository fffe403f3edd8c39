"""A house whose fake engine's workers are echoes, as a program: it prints its address and serves."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

from freehold.core.settings import load
from freehold.engines.fake import engine
from freehold.engines.program import WorkerProgram
from freehold.server.serve import serve

HERE = Path(__file__).parent


def program(**fields: Any) -> WorkerProgram:
    return dataclasses.replace(WorkerProgram(**fields), entry=(str(HERE / "echo_worker.py"),), read=(HERE,))


if __name__ == "__main__":
    engine.WorkerProgram = program  # type: ignore[attr-defined,assignment]
    sys.exit(serve(load(), on_ready=lambda address: print(address, flush=True)))
