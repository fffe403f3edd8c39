"""NVIDIA's devices, asked through NVML, the driver's own library.

It is called through ctypes and not through nvidia-ml-py: eight calls, whose binary interface has been fixed for ten
years (the `_v2` names), need no package to be locked, mirrored and kept in step with a driver. Reads only; every call's
error becomes a line, none an exception. Source: NVML API Reference Guide, `nvml.h`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from freehold.core.quantity import Quantity
from freehold.hardware import figures
from freehold.hardware.accelerators.found import Accelerator, Found
from freehold.hardware.bus import OnBus

if TYPE_CHECKING:
    from freehold.hardware.devices import Devices

LIBRARY = "libnvidia-ml.so.1"
_NOT_SUPPORTED = 3
_MEANING = {
    4: "this user may not ask it; look at the rights on /dev/nvidia*",
    9: "the driver is not loaded; `modprobe nvidia` loads it, if it is installed for this kernel",
    15: "it has fallen off the bus; the kernel's log says why, a restart brings it back",
    16: "it must be reset: `nvidia-smi --gpu-reset`",
    18: "the driver that is loaded and its library are of different versions; restart the machine after an update",
    999: "the driver gives no reason; the kernel's log may",
}


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _NvmlError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"NVML error {code}")
        self.code = code


def is_installed(load: Callable[[str], Any] = ctypes.CDLL) -> bool:
    """Whether the driver's library is there, with or without a device."""
    try:
        load(LIBRARY)
    except OSError:
        return False
    return True


def nvidia(on_bus: Iterable[OnBus], table: Devices, load: Callable[[str], Any] = ctypes.CDLL) -> Found:
    """What NVML reports; `on_bus` are NVIDIA's devices that the bus shows, whether or not a driver has them."""
    present = tuple(on_bus)
    try:
        library = load(LIBRARY)
    except OSError:
        return Found(lines=_without("the driver's library is not installed", present, table) if present else ())
    if not hasattr(library, "nvmlInit_v2"):
        return Found(lines=_without(f"{LIBRARY} is not NVIDIA's library", present, table))
    try:
        _call(library.nvmlInit_v2)
    except _NvmlError as error:
        return Found(lines=_without(_meaning(library, error.code), present, table))
    try:
        return _devices(library, table)
    finally:
        library.nvmlShutdown()


def _devices(library: Any, table: Devices) -> Found:
    count = ctypes.c_uint()
    try:
        _call(library.nvmlDeviceGetCount_v2, ctypes.byref(count))
    except _NvmlError as error:
        return Found(lines=(f"NVIDIA: {_meaning(library, error.code)}.",))
    if not count.value:
        return Found(lines=("NVIDIA: the driver is loaded and has no device.",))
    driver = _text(library.nvmlSystemGetDriverVersion, 80)
    found = Found()
    for index in range(count.value):
        try:
            found += Found((_device(library, index, driver, table),))
        except _NvmlError as error:
            found += Found(lines=(f"NVIDIA device {index} of {count.value}: {_meaning(library, error.code)}.",))
    return found


def _device(library: Any, index: int, driver: str | None, table: Devices) -> Accelerator:
    handle = ctypes.c_void_p()
    _call(library.nvmlDeviceGetHandleByIndex_v2, ctypes.c_uint(index), ctypes.byref(handle))
    name = _text(library.nvmlDeviceGetName, 96, handle) or "NVIDIA device"
    memory = _Memory()
    try:
        _call(library.nvmlDeviceGetMemoryInfo, handle, ctypes.byref(memory))
    except _NvmlError as error:
        # Processors that share the host's memory (GB10, Jetson) answer so.
        if error.code != _NOT_SUPPORTED:
            raise
        return Accelerator(name, "NVIDIA", None, None, table.reported(name, 0), driver)
    device = table.reported(name, memory.total)
    return Accelerator(name, "NVIDIA", memory.total, memory.free, device, driver, _link(library, handle))


def _link(library: Any, handle: ctypes.c_void_p) -> Quantity | None:
    """The PCIe link that the device and its slot can agree on; None where the driver does not tell."""
    generation, lanes = ctypes.c_uint(), ctypes.c_uint()
    try:
        _call(library.nvmlDeviceGetMaxPcieLinkGeneration, handle, ctypes.byref(generation))
        _call(library.nvmlDeviceGetMaxPcieLinkWidth, handle, ctypes.byref(lanes))
    except _NvmlError:
        return None
    return figures.pcie_link(generation.value, lanes.value, "as the driver reports it")


def _call(function: Any, *arguments: Any) -> None:
    function.restype = ctypes.c_int
    code = function(*arguments)
    if code:
        raise _NvmlError(code)


def _text(function: Any, size: int, *arguments: Any) -> str | None:
    buffer = ctypes.create_string_buffer(size)
    try:
        _call(function, *arguments, buffer, ctypes.c_uint(size))
    except _NvmlError:
        return None
    return buffer.value.decode("utf-8", errors="replace")


def _meaning(library: Any, code: int) -> str:
    if code in _MEANING:
        return _MEANING[code]
    library.nvmlErrorString.restype = ctypes.c_char_p
    said: bytes = library.nvmlErrorString(ctypes.c_int(code)) or b""
    return f"the driver answers {said.decode('utf-8', errors='replace') or code}"


def _without(reason: str, present: tuple[OnBus, ...], table: Devices) -> tuple[str, ...]:
    """A line for each device that is on the bus and cannot be used; one where none is seen there."""
    if not present:
        return (f"NVIDIA: no device is seen on the bus, and {reason}.",)
    return tuple(f"{_named(each, table)} is on the bus and cannot be used: {reason}." for each in present)


def _named(each: OnBus, table: Devices) -> str:
    device = table.on_bus(each.id, each.revision)
    return device.name if device else f"NVIDIA device {each.id}"
