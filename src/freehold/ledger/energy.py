"""What a request costs in energy, where the processor counts it: RAPL, through Linux's powercap files.

The counter is the whole package's: it knows no requests. So a request's figures are a range: at most what the package
used while the request was at work, idle draw and other programs included, and as its likely part the share of it that
falls to this request when whatever is at work at one moment has equal parts. The counter is read when a request begins
or ends, but not more often than every 20 ms; a request that no reading falls into has no figure. Without the counter
nothing is known.

The counters turn over at `max_energy_range_uj` (Linux, Documentation/power/powercap/powercap.rst), and since Linux 5.10
only root may read them (CVE-2020-8694: they tell too much of what is computed)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from freehold.ledger.record import Energy

POWERCAP = Path("/sys/class/powercap")
READ_EVERY_NS = 20_000_000


class Mark(NamedTuple):
    """The meter when a request began: what one request's share, and the package, had used by then, and how often the
    counter had been read."""

    share_uj: float
    most_uj: int
    readings: int


class Package:
    """One package's counter. `folder` is its powercap folder."""

    def __init__(self, folder: Path) -> None:
        self.name = (folder / "name").read_text().strip()
        self._file = folder / "energy_uj"
        self._range_uj = int((folder / "max_energy_range_uj").read_text())
        self._last_uj = self._read()

    def advanced_uj(self) -> int:
        """What was used since the last call. Raises OSError, ValueError."""
        now_uj = self._read()
        used_uj, self._last_uj = (now_uj - self._last_uj) % (self._range_uj + 1), now_uj
        return used_uj

    def _read(self) -> int:
        return int(self._file.read_text())


def packages(powercap: Path = POWERCAP) -> list[Package]:
    """The packages whose counters can be read; none where that is not allowed or there are none."""
    found = []
    for folder in sorted(powercap.glob("intel-rapl:*")):
        try:
            package = Package(folder)
        except (OSError, ValueError):
            continue
        if package.name.startswith("package-"):
            found.append(package)
    return found


class Meter:
    """Shares what the packages use among the requests at work. `source` names the counters, None where there are
    none."""

    def __init__(self, found: list[Package], *, steady_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._packages = found
        self._steady_ns = steady_ns
        self._read_ns = steady_ns()
        self._at_work = 0
        self._now = Mark(0.0, 0, 0)

    @property
    def source(self) -> str | None:
        return f"RAPL {', '.join(package.name for package in self._packages)}" if self._packages else None

    def begin(self) -> Mark | None:
        """A request goes to work; None where nothing can be known of it."""
        self._look()
        self._at_work += 1
        return self._now if self._packages else None

    def end(self, began: Mark | None) -> Energy | None:
        """A request has ended that `began` then."""
        self._look()
        self._at_work -= 1
        now = self._now
        if began is None or not self._packages or now.readings == began.readings:
            return None
        return Energy(round(now.share_uj - began.share_uj), now.most_uj - began.most_uj)

    def _look(self) -> None:
        now_ns = self._steady_ns()
        if not self._packages or now_ns - self._read_ns < READ_EVERY_NS:
            return
        try:
            used_uj = sum(package.advanced_uj() for package in self._packages)
        except (OSError, ValueError):
            self._packages = []
            return
        self._read_ns = now_ns
        share_uj = used_uj / self._at_work if self._at_work else 0.0
        self._now = Mark(self._now.share_uj + share_uj, self._now.most_uj + used_uj, self._now.readings + 1)
