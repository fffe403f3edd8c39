"""The few kernel calls the lock needs and Python does not have, through libc's `syscall` and `prctl`.

Every function raises OSError with the kernel's errno. Constants: Linux's `include/uapi/linux/prctl.h`, `capability.h`.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38

_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def call(number: int, *arguments: Any) -> int:
    """`syscall(number, ...)`. Integers are passed as longs, so pointers must be ctypes objects."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    passed = [ctypes.c_long(item) if isinstance(item, int) else item for item in arguments]
    return _checked(libc.syscall(ctypes.c_long(number), *passed))


def prctl(option: int, argument: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    return _checked(libc.prctl(option, ctypes.c_ulong(argument), *[ctypes.c_ulong(0)] * 3))


def drop_capabilities() -> None:
    """Keep none of root's powers but to read and write files whatever their mode: which files, Landlock decides.

    Without those two a worker of root could not read weights that belong to another user.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = _CapHeader(_CAPABILITY_VERSION_3, 0), (_CapData * 2)()
    _checked(libc.capget(ctypes.byref(header), data))
    kept = data[0].permitted & (1 << _CAP_DAC_OVERRIDE | 1 << _CAP_DAC_READ_SEARCH)
    data[0] = _CapData(kept, kept, 0)
    data[1] = _CapData(0, 0, 0)
    _checked(libc.capset(ctypes.byref(header), data))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
