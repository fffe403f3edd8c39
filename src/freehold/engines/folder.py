"""The private folder of one worker: its sockets and its scratch, gone when the worker is.

A house holds a file lock on every folder it uses. A folder whose lock is free was left by a house that was
killed, and the next worker that starts sweeps it away. Sockets get a fresh name per start: llama.cpp reports a
stale one with a misleading message.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from freehold.core.errors import StoreError
from freehold.core.paths import SOCKET_PATH_LIMIT_BYTES, ensure_private

_PREFIX = "w-"


class WorkerFolder:
    """`path/s` holds sockets, `path/t` is the scratch folder; all of it 0700."""

    def __init__(self, runtime_dir: Path) -> None:
        ensure_private(runtime_dir)
        # Between making a folder and holding it, another house must not sweep.
        with _held(runtime_dir):
            _sweep(runtime_dir)
            self.path = ensure_private(runtime_dir / f"{_PREFIX}{secrets.token_hex(3)}")
            self._hold = _open(self.path)
            fcntl.flock(self._hold, fcntl.LOCK_EX)
        self.sockets = ensure_private(self.path / "s")
        self.scratch = ensure_private(self.path / "t")

    def fresh_socket(self) -> str:
        """A path nobody has used. Raises StoreError where the platform could not bind it (`sun_path`, unix(7))."""
        for old in self.sockets.iterdir():
            old.unlink(missing_ok=True)
        path = str(self.sockets / f"{secrets.token_hex(3)}.sock")
        if len(os.fsencode(path)) > SOCKET_PATH_LIMIT_BYTES:
            raise StoreError(
                f"The socket path {path} is longer than {SOCKET_PATH_LIMIT_BYTES} bytes.",
                hint="Set XDG_RUNTIME_DIR to a shorter folder of your own.",
            )
        return path

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._hold)


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    descriptor = _open(folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sweep(runtime_dir: Path) -> None:
    for folder in runtime_dir.glob(f"{_PREFIX}*"):
        try:
            descriptor = _open(folder)
        except OSError:  # not a folder of ours, or its owner removed it this moment
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)
