"""Machines that were recorded as text, and an NVML that answers as a driver would, over the real calling convention."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    addressof,
    c_char,
    c_int,
    c_uint,
    c_ulonglong,
    c_void_p,
    cast,
    create_string_buffer,
    memmove,
)
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HERE = Path(__file__).parent
_TIMEOUT = create_string_buffer(b"Timeout")


def laid_out(name: str, folder: Path) -> Path:
    """The recorded tree `name` as files under `folder`; `path -> driver` is a link, as sysfs has it."""
    for line in (HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        path, _, value = line.partition(" ")
        if path.startswith("#") or not path:
            continue
        file = folder / "devices" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if value.startswith("-> "):
            driver = folder / "drivers" / value.removeprefix("-> ")
            driver.mkdir(parents=True, exist_ok=True)
            file.symlink_to(driver)
        else:
            file.write_text(f"{value}\n", encoding="ascii")
    return folder / "devices"


@dataclass(frozen=True)
class Card:
    """One device of the driver. `error` is what every question about it is answered with, `memory_error` this one."""

    name: str = "NVIDIA GeForce RTX 4090"
    total_mib: int = 24564
    free_mib: int = 24111
    error: int = 0
    memory_error: int = 0


class _Memory(Structure):
    _fields_ = (("total", c_ulonglong), ("free", c_ulonglong), ("used", c_ulonglong))


def nvml(*cards: Card, init: int = 0, count: int = 0) -> Callable[[str], Any]:
    """A stand-in for `ctypes.CDLL` whose library is the driver of `cards`; `init`, `count` are those calls' errors."""

    def get_count(out: Any) -> int:
        out[0] = len(cards)
        return count

    def get_handle(index: int, out: Any) -> int:
        out[0] = index + 1
        return cards[index].error

    def get_memory(handle: int, out: Any) -> int:
        card = cards[handle - 1]
        if not card.memory_error:
            answer = cast(out, POINTER(_Memory))[0]
            answer.total, answer.free = card.total_mib << 20, card.free_mib << 20
        return card.memory_error

    def get_name(handle: int, buffer: Any, size: int) -> int:
        return _write(buffer, cards[handle - 1].name, size)

    def get_number(value: int) -> Callable[[int, Any], int]:
        def answer(handle: int, out: Any) -> int:
            out[0] = value
            return 0

        return answer

    handle, number, text = c_void_p, POINTER(c_uint), POINTER(c_char)
    library = SimpleNamespace(
        nvmlInit_v2=CFUNCTYPE(c_int)(lambda: init),
        nvmlShutdown=CFUNCTYPE(c_int)(lambda: 0),
        nvmlDeviceGetCount_v2=CFUNCTYPE(c_int, number)(get_count),
        nvmlSystemGetDriverVersion=CFUNCTYPE(c_int, text, c_uint)(lambda out, size: _write(out, "580.95.05", size)),
        nvmlDeviceGetHandleByIndex_v2=CFUNCTYPE(c_int, c_uint, POINTER(c_void_p))(get_handle),
        nvmlDeviceGetName=CFUNCTYPE(c_int, handle, text, c_uint)(get_name),
        nvmlDeviceGetMemoryInfo=CFUNCTYPE(c_int, handle, c_void_p)(get_memory),
        nvmlDeviceGetMaxPcieLinkGeneration=CFUNCTYPE(c_int, handle, number)(get_number(4)),
        nvmlDeviceGetMaxPcieLinkWidth=CFUNCTYPE(c_int, handle, number)(get_number(16)),
        nvmlErrorString=CFUNCTYPE(c_void_p, c_int)(lambda code: addressof(_TIMEOUT)),
    )
    return lambda name: library


def absent(name: str) -> Any:
    """`ctypes.CDLL` where there is no such library."""
    raise OSError(f"{name}: cannot open shared object file: No such file or directory")


def _write(buffer: Any, value: str, size: int) -> int:
    data = value.encode()[: size - 1] + b"\0"
    memmove(cast(buffer, c_void_p), data, len(data))
    return 0
