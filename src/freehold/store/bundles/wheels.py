"""The wheels that run this Freehold on a machine like this one: those of its lock, and its own.

The lock names every wheel with its hashes and travels inside Freehold's own wheel. pip fetches them from the index that
it is configured for, or takes them from a folder, and holds them to those hashes. They fit this Python and this kind of
machine only; a bundle says which.
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import sysconfig
from dataclasses import asdict, dataclass
from pathlib import Path

import freehold
from freehold.core.errors import CallError, SourceError, StoreError
from freehold.store.bundles.own_wheel import checkout, make_own_wheel

LOCK = "requirements.lock"
_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class WheelsFor:
    """What the wheels of a bundle are for; `lock_sha256` is of the lock that named them."""

    python: str
    platform: str
    freehold: str
    lock_sha256: str

    def shown(self) -> dict[str, str]:
        return asdict(self)


def collect(folder: Path, *, found_in: Path | None) -> WheelsFor:
    """Put every wheel into `folder`, which must be empty; from the folder `found_in`, or from the configured index.

    Raises CallError where there is no pip, SourceError where one cannot be had, StoreError.
    """
    lock = _lock()
    _fetch(lock, folder, found_in)
    make_own_wheel(folder)
    return WheelsFor(
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        platform=sysconfig.get_platform(),
        freehold=freehold.__version__,
        lock_sha256=hashlib.sha256(lock.read_bytes()).hexdigest(),
    )


def _lock() -> Path:
    root = checkout()
    path = (root or Path(freehold.__file__).parent) / LOCK
    if not path.is_file():
        raise StoreError(
            f"{path}, which names the wheels that run Freehold, is not there.",
            hint="Make the bundle without them: --no-wheels. Or install Freehold anew.",
        )
    return path


def _fetch(lock: Path, folder: Path, found_in: Path | None) -> None:
    if importlib.util.find_spec("pip") is None:
        raise CallError(
            f"{sys.executable} has no pip, which fetches the wheels.",
            hint="`python -m ensurepip`, or make the bundle without wheels: --no-wheels.",
        )
    place = [] if found_in is None else ["--no-index", "--find-links", str(found_in)]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]
    command += ["--only-binary", ":all:", "--require-hashes", "-r", str(lock), "-d", str(folder), *place]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"pip did not fetch the wheels within {_TIMEOUT_S:.0f} s.") from error
    if done.returncode:
        last = next((line for line in reversed(done.stderr.splitlines()) if line.startswith("ERROR")), "")
        raise SourceError(
            f"pip could not fetch the wheels of {lock.name}: {last.removeprefix('ERROR: ') or done.returncode}",
            hint="Name a folder that has them: --wheels-from FOLDER. Or leave them out: --no-wheels.",
        )
