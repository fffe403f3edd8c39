"""How large this processor's caches are: what is smaller than them is read faster than memory gives it."""

from __future__ import annotations

from pathlib import Path

from freehold.hardware.reading import text

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
ASSUMED_BYTES = 32 << 20
"""Where the system does not say."""


def largest_bytes(folder: Path = _CACHES) -> int:
    """The largest cache that the first core has a part of, as Linux tells (sysfs, `cache/index*/size`)."""
    sizes = [text(file) for file in folder.glob("index*/size")]
    found = [int(size[:-1]) * _UNITS[size[-1]] for size in sizes if size[:-1].isdecimal() and size[-1:] in _UNITS]
    return max(found, default=ASSUMED_BYTES)
