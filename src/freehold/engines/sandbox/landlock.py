"""Landlock rulesets: which files a process may read or change, and to which TCP ports it may connect.

Asks the kernel for its version (ABI) and uses all that version knows: files since 1, renaming across folders 2,
truncation 3, TCP 4, device ioctls 5, abstract sockets and signals to processes outside 6. Refusals are enforced, not
observed: nothing here says that one happened. Sources: `landlock(7)`, `include/uapi/linux/landlock.h`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

from freehold.engines.sandbox import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE_DIR, _MAKE_REG, _MAKE_SOCK = 1 << 7, 1 << 8, 1 << 9
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | 1 << 15
# The number of file rights each version knows; all of them are handled, so what no rule grants is refused.
_RIGHTS_SINCE = ((1, 13), (2, 14), (3, 15), (5, 16))
_TCP_RIGHTS, _CONNECT_TCP = 0b11, 0b10
_SCOPES = 0b11

READ = _READ_FILE | _READ_DIR
READ_WRITE = READ | _WRITE_FILE | _TRUNCATE | _MAKE_REG | _MAKE_DIR | _REMOVE_FILE | _REMOVE_DIR
SOCKETS = READ_WRITE | _MAKE_SOCK


def version() -> int | None:
    """The kernel's Landlock ABI, or None where it has none or it is switched off."""
    try:
        return kernel.call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    except OSError:
        return None


CHANGE = _WRITE_FILE | _TRUNCATE | _REMOVE_DIR | _REMOVE_FILE | _REFER | sum(1 << bit for bit in range(6, 13))
"""Whatever changes a file or makes one of any kind."""


def install(
    abi: int, rules: Iterable[tuple[Path, int]], *, handled: int = -1, ports: Iterable[int] | None = ()
) -> None:
    """Restrict this thread and all it will start to `rules`: a path and its rights each. Raises OSError.

    Of `handled` rights only what a rule grants is left; the others stay as they were. TCP connects to `ports` alone and
    is bound to none; None leaves TCP free. A rule for a path that is not there is left out: it grants nothing.
    PR_SET_NO_NEW_PRIVS must be set.
    """
    handled &= _file_rights(abi)
    tcp = _TCP_RIGHTS if abi >= 4 and ports is not None else 0
    attributes = struct.pack("QQQ", handled, tcp, _SCOPES if abi >= 6 else 0)
    size_bytes = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = kernel.call(_CREATE_RULESET, ctypes.create_string_buffer(attributes), size_bytes, 0)
    try:
        for path, rights in rules:
            with contextlib.suppress(FileNotFoundError):
                _add(ruleset, path, rights & handled)
        for port in (ports or ()) if tcp else ():
            rule = ctypes.create_string_buffer(struct.pack("QQ", _CONNECT_TCP, port))
            kernel.call(_ADD_RULE, ruleset, _RULE_NET_PORT, rule, 0)
        kernel.call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _file_rights(abi: int) -> int:
    count = max(bits for since, bits in _RIGHTS_SINCE if abi >= since)
    return (1 << count) - 1


def _add(ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _FILE_RIGHTS
        # struct landlock_path_beneath_attr is packed: 12 bytes.
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, descriptor))
        kernel.call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
