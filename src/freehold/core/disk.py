"""What a file has to go through to be on the disk after a crash. Errors are the system's own: OSError."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def replace_whole(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Replace `path` by `data` so that after a crash either the old or the new content is there, whoever else writes it
    at the same time. `mode` are its rights, whatever the umask; None leaves them to it."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if mode is None else mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
