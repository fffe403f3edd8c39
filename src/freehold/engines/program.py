"""What a supervised worker is: which Python program it runs, what it is told, what it may read.

This is the whole seam between an engine and the supervisor. The other side of it, inside the new process,
is `engines.inside`. Nothing secret belongs in `config`: it stays in the worker's memory as long as it lives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freehold.engines.watcher import Watcher


@dataclass(frozen=True, slots=True)
class WorkerProgram:
    """`entry` is what Python runs in a process of its own: ("-m", module) or (script,), calling `engines.inside.run`.

    `config` (JSON, at most 60,000 bytes) reaches it on its stdin.

    `engine` and `build` name it in messages. `read` are the files and folders the lock lets it read beside
    Python's own; it can write only in its socket folder, its scratch folder and `write`, folders that a program needs
    which makes files, each of `largest_file_bytes` at most. `lock` is "require" (no start where the
    kernel lacks a part), "prefer" (lock what can be locked and say what is missing) or "off".

    `log_while_serving` is a pattern: once it serves, only lines that match from their start are logged, for engines
    that write parts of requests. None keeps all lines. `log_cause` is a pattern whose group says why a start failed:
    native engines say it in their log alone. `log_beside` is a pattern of lines that error messages leave out, because
    they say nothing of a failure; the log has them. `watcher` is told of each process of it.
    """

    engine: str
    build: str
    entry: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    largest_file_bytes: int = 64 * 2**20
    lock: str = "prefer"
    start_timeout_s: float = 120.0
    log_while_serving: str | None = None
    log_cause: str | None = None
    log_beside: str | None = None
    watcher: Watcher | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """One start of a worker that became ready: where it listens, how it is locked, what it said of itself."""

    pid: int
    socket_path: str
    lock: str
    facts: Mapping[str, Any]
    started_at: float
