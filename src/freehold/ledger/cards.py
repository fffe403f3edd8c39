"""What NVIDIA's cards use in energy, as the driver counts it: one counter for each card, for `energy.Meter`.

`nvmlDeviceGetTotalEnergyConsumption` gives millijoules since the driver was loaded, on Volta and later (NVML API
Reference Guide, `nvml.h`). It counts the whole card, whoever uses it. Called through ctypes, as `hardware.accelerators`
does, and for the same reason. A card that does not count, or a library that is not there, gives no counter.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

LIBRARY = "libnvidia-ml.so.1"
_UJ = 1000  # in a millijoule


class Card:
    """One card's counter. `handle` is NVML's."""

    def __init__(self, library: Any, handle: ctypes.c_void_p, index: int) -> None:
        self.source = f"NVML card {index}"
        self._library = library
        self._handle = handle
        self._last_mj = self._read()

    def advanced_uj(self) -> int:
        """What was used since the last call. Raises OSError, and ValueError where the counter was set back, as it is
        when the driver is loaded anew: what was used meanwhile nobody knows."""
        now_mj = self._read()
        used_mj, self._last_mj = now_mj - self._last_mj, now_mj
        if used_mj < 0:
            raise ValueError(f"{self.source} counted backwards")
        return used_mj * _UJ

    def _read(self) -> int:
        counted = ctypes.c_ulonglong()
        _call(self._library.nvmlDeviceGetTotalEnergyConsumption, self._handle, ctypes.byref(counted))
        return counted.value


def cards(load: Callable[[str], Any] = ctypes.CDLL) -> list[Card]:
    """The cards that count what they use. The library stays open for as long as they are read."""
    try:
        library = load(LIBRARY)
        _call(library.nvmlInit_v2)
        count = ctypes.c_uint()
        _call(library.nvmlDeviceGetCount_v2, ctypes.byref(count))
    except (OSError, AttributeError):  # AttributeError: it is another library
        return []
    found = (_card(library, index) for index in range(count.value))
    return [card for card in found if card is not None]


def _card(library: Any, index: int) -> Card | None:
    handle = ctypes.c_void_p()
    try:
        _call(library.nvmlDeviceGetHandleByIndex_v2, ctypes.c_uint(index), ctypes.byref(handle))
        return Card(library, handle, index)
    except (OSError, AttributeError):
        return None


def _call(function: Any, *arguments: Any) -> None:
    function.restype = ctypes.c_int
    code = function(*arguments)
    if code:
        raise OSError(f"NVML answers {code}")
