"""What a request costs in energy, where the processor counts it (RAPL, through Linux's powercap files) or the graphics
card does (`cards`).

A counter is the whole package's or card's: it knows no requests. So a request's figures are a range: at most what they
used while the request was at work, idle draw and other programs included, and as its likely part the share of it that
falls to this request when whatever is at work at one moment has equal parts. The counters are read when a request
begins or ends, but not more often than every 20 ms; a request that no reading falls into has no figure. Without a
counter nothing is known; what is not counted (memory and disks, and the processor where RAPL may not be read) is in no
figure, and the ledger says at each start which counters there were.

RAPL's counters turn over at `max_energy_range_uj` (Linux, Documentation/power/powercap/powercap.rst): with AMD's unit
of 15.3 µJ after 65.7 kJ, 4.6 minutes at 240 W (Documentation/hwmon/amd_energy.rst). So they are to be read meanwhile,
every LOOK_EVERY_S. Since Linux 5.10 only root may read them (CVE-2020-8694: they tell too much of what is computed)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from freehold.ledger.record import Energy

POWERCAP = Path("/sys/class/powercap")
READ_EVERY_NS = 20_000_000
LOOK_EVERY_S = 60.0


class Mark(NamedTuple):
    """The meter when a request began: what one request's share, and the package, had used by then, and how often the
    counter had been read."""

    share_uj: float
    most_uj: int
    readings: int


class Counter(Protocol):
    """Something that counts energy; `source` names it."""

    source: str

    def advanced_uj(self) -> int:
        """What was used since the last call. Raises OSError, ValueError."""


class Package:
    """One package's counter. `folder` is its powercap folder."""

    def __init__(self, folder: Path) -> None:
        self.name = (folder / "name").read_text().strip()
        self.source = f"RAPL {self.name}"
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
    """Shares what the counters count among the requests at work. `source` names them, None where there are none."""

    def __init__(self, found: Sequence[Counter], *, steady_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._counters = found
        self._steady_ns = steady_ns
        self._read_ns = steady_ns()
        self._at_work = 0
        self._now = Mark(0.0, 0, 0)

    @property
    def source(self) -> str | None:
        return ", ".join(counter.source for counter in self._counters) or None

    def begin(self) -> Mark | None:
        """A request goes to work; None where nothing can be known of it."""
        self.look()
        self._at_work += 1
        return self._now if self._counters else None

    def end(self, began: Mark | None) -> Energy | None:
        """A request has ended that `began` then."""
        self.look()
        self._at_work -= 1
        now = self._now
        if began is None or not self._counters or now.readings == began.readings:
            return None
        return Energy(round(now.share_uj - began.share_uj), now.most_uj - began.most_uj)

    def look(self) -> None:
        """Read the counters, unless they were read just now."""
        now_ns = self._steady_ns()
        if not self._counters or now_ns - self._read_ns < READ_EVERY_NS:
            return
        try:
            used_uj = sum(counter.advanced_uj() for counter in self._counters)
        except (OSError, ValueError):
            self._counters = []
            return
        self._read_ns = now_ns
        share_uj = used_uj / self._at_work if self._at_work else 0.0
        self._now = Mark(self._now.share_uj + share_uj, self._now.most_uj + used_uj, self._now.readings + 1)
