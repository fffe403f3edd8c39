"""Where Freehold keeps things: the home of the store, and the short private folder for sockets.

Sockets never live under the home: a Unix socket's path is limited to 108 bytes (`sun_path`, unix(7)) and at
the limit the engine fails erratically. Nothing here makes a folder; `ensure_private` does, when called.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from freehold.core.errors import StoreError

SOCKET_PATH_LIMIT_BYTES = 100


def default_home() -> Path:
    """The user's data folder of this platform."""
    import platformdirs

    return Path(platformdirs.user_data_dir("freehold", appauthor=False))


def user_config_file() -> Path:
    """`freehold.toml` in the user's config folder of this platform."""
    import platformdirs

    return Path(platformdirs.user_config_dir("freehold", appauthor=False)) / "freehold.toml"


def runtime_dir(home: Path, xdg_runtime_dir: str | None) -> Path:
    """A short folder for the sockets of the house at `home`; two homes never share one."""
    name = hashlib.sha256(str(home).encode()).hexdigest()[:10]
    if xdg_runtime_dir and len(xdg_runtime_dir) < 50:
        return Path(xdg_runtime_dir) / "freehold" / name
    return Path(tempfile.gettempdir()) / f"freehold-{os.getuid()}" / name


def ensure_private(folder: Path) -> Path:
    """Make `folder` and its parent, ours alone (0700). Refuses a folder that belongs to somebody else."""
    for part in (folder.parent, folder):
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = part.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise StoreError(
                f"{part} belongs to another user or is not a folder.",
                hint="Remove it, or set XDG_RUNTIME_DIR to a folder of your own.",
            )
    folder.chmod(0o700)
    return folder
