"""What the control group of this process allows it: processor time and memory, version 1 and 2.

A limit anywhere on the way up to the root holds, so every level is read and the smallest wins. Missing files mean no
limit: None. Sources: Linux `Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NO_LIMIT_V1_BYTES = 1 << 60


@dataclass(frozen=True, slots=True)
class Limits:
    """None means: not limited. `memory_available_bytes` is the limit less what is in use and cannot be given back."""

    cores: float | None = None
    memory_bytes: int | None = None
    memory_available_bytes: int | None = None


def limits(*, membership: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> Limits:
    """Read the limits; on a system without control groups there are none."""
    cores: list[float] = []
    memory: list[int] = []
    available: list[int] = []
    for controller, folder in _folders(membership, root):
        if controller in {"", "cpu"}:
            cores += _cores(folder)
        if controller in {"", "memory"}:
            for limit_bytes in _memory_limits(folder):
                memory.append(limit_bytes)
                available.append(max(0, limit_bytes - _memory_used_bytes(folder)))
    return Limits(min(cores, default=None), min(memory, default=None), min(available, default=None))


def _folders(membership: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """Every folder that limits us, with its version 1 controller, or "" for version 2."""
    for line in _text(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            top = root / controllers if controller else root
            folder = top / path.lstrip("/")
            # Inside a container the path is the host's and the folder is mounted at the top.
            levels = [folder, *folder.parents] if folder.exists() else [top]
            yield from ((controller, level) for level in levels if level.is_relative_to(top))


def _cores(folder: Path) -> Iterator[float]:
    quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
    if not quota:
        quota, period = _text(folder / "cpu.cfs_quota_us").strip(), _text(folder / "cpu.cfs_period_us").strip()
    if quota.isdecimal() and period.isdecimal() and int(period) > 0:
        yield int(quota) / int(period)


def _memory_limits(folder: Path) -> Iterator[int]:
    for name in ("memory.max", "memory.limit_in_bytes"):
        limit = _text(folder / name).strip()
        if limit.isdecimal() and int(limit) < _NO_LIMIT_V1_BYTES:
            yield int(limit)


def _memory_used_bytes(folder: Path) -> int:
    """In use, less the cached file pages that the kernel gives back before it refuses anybody."""
    for name in ("memory.current", "memory.usage_in_bytes"):
        used = _text(folder / name).strip()
        if used.isdecimal():
            return max(0, int(used) - _inactive_file_bytes(folder))
    return 0


def _inactive_file_bytes(folder: Path) -> int:
    for line in _text(folder / "memory.stat").splitlines():
        key, _, value = line.partition(" ")
        if key in {"inactive_file", "total_inactive_file"} and value.isdecimal():
            return int(value)
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
