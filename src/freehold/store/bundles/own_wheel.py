"""Freehold's own wheel, on a machine that has no copy of it: built from the checkout it runs from, or put together
again from its installed files.

The installed files are held to the hashes that the installer recorded, so that a changed program is not passed on. Each
way gives the same bytes every time.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution
from pathlib import Path

import freehold
from freehold.core.errors import StoreError

_LONG_AGO = (2020, 2, 2, 0, 0, 0)
_LEFT_BY_INSTALLER = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
_INSTALL = "Install Freehold as a wheel or from a checkout, or make the bundle without wheels: --no-wheels."


def checkout() -> Path | None:
    """The folder of the sources this Freehold runs from, or None where it is installed."""
    root = Path(freehold.__file__).parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "src" / "freehold").is_dir() else None


def make_own_wheel(folder: Path) -> Path:
    """Put Freehold's wheel into `folder`; its path. Raises StoreError."""
    root = checkout()
    return _repacked(folder) if root is None else _built(root, folder)


def _built(root: Path, folder: Path) -> Path:
    before = set(folder.glob("freehold-*.whl"))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    made = set(folder.glob("freehold-*.whl")) - before
    if done.returncode or len(made) != 1:
        last = (done.stderr.strip().splitlines() or ["no wheel came of it"])[-1]
        raise StoreError(f"Freehold's own wheel could not be built from {root}: {last}.", hint=_INSTALL)
    return made.pop()


def _repacked(folder: Path) -> Path:
    try:
        found = distribution("freehold")
    except PackageNotFoundError as error:
        raise StoreError("This Freehold was not installed by an installer.", hint=_INSTALL) from error
    files = {str(file): _content(found, file) for file in sorted(found.files or (), key=str) if _belongs(file)}
    info = next((name.partition("/")[0] for name in files if name.endswith(".dist-info/WHEEL")), None)
    if info is None or "freehold/__init__.py" not in files:
        raise StoreError("The list of Freehold's installed files is not whole.", hint=_INSTALL)
    path = folder / f"{info.removesuffix('.dist-info')}-{_tag(files[f'{info}/WHEEL'])}.whl"
    files[f"{info}/RECORD"] = _record(files, info)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return path


def _belongs(file: PackagePath) -> bool:
    """False for what the installer made: scripts outside the package, its own notes, compiled files."""
    outside = file.parts[0] == ".." or file.is_absolute()
    return not outside and file.name not in _LEFT_BY_INSTALLER and file.suffix != ".pyc"


def _content(found: Distribution, file: PackagePath) -> bytes:
    data = Path(str(found.locate_file(file))).read_bytes()
    if file.hash is not None and file.hash.mode == "sha256" and file.hash.value != _digest(data):
        raise StoreError(f"{file} of this Freehold was changed after it was installed.", hint="Install it anew.")
    return data


def _tag(wheel: bytes) -> str:
    tags = [line.partition(":")[2].strip() for line in wheel.decode().splitlines() if line.startswith("Tag:")]
    return tags[0] if tags else "py3-none-any"


def _record(files: dict[str, bytes], info: str) -> bytes:
    lines = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
    return ("\n".join([*lines, f"{info}/RECORD,,"]) + "\n").encode()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
