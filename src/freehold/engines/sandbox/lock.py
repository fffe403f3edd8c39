"""Locks the calling process up, for good: what it may read, where it may write, what it may ask of the kernel.

Call it on a process with one thread, before anything else is imported: threads that already run would stay outside. It
installs all that this kernel has and reports what is missing; whether that is good enough is the caller's policy.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import freehold
from freehold.engines.sandbox import kernel, landlock, notify, seccomp
from freehold.engines.sandbox.processes import HOUSE

_SYSTEM_LIBRARIES = (Path("/lib"), Path("/lib64"), Path("/usr/lib"), Path("/usr/lib64"), Path("/etc/ld.so.cache"))
_HARMLESS_DEVICES = (Path("/dev/null"), Path("/dev/zero"), Path("/dev/urandom"))
WHOLE = re.compile(r"seccomp \+ landlock [1-9][0-9]{0,3}")
"""The lines of a `LockReport` of which all parts hold."""


@dataclass(frozen=True, slots=True)
class Grants:
    """What a worker needs beside Python and the system's libraries: files to read, and folders to write in."""

    read: tuple[Path, ...]
    sockets: Path
    write: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class LockReport:
    """What was installed. `missing` has one reason per part that was not; empty means all of it holds."""

    seccomp: bool
    landlock_abi: int | None
    missing: tuple[str, ...]
    off: bool = False

    @property
    def line(self) -> str:
        """As `freehold ps` shows it: "seccomp + landlock 7", or what is missing."""
        if self.off:
            return "off, by the settings"
        parts = ["seccomp"] if self.seccomp else []
        parts += [f"landlock {self.landlock_abi}"] if self.landlock_abi is not None else []
        line = " + ".join(parts) or "none"
        return f"{line} (missing: {'; '.join(self.missing)})" if self.missing else line


def arm_death_signal() -> None:
    """SIGKILL us when the thread that spawned us ends. Linux only; elsewhere nothing happens."""
    if sys.platform == "linux":
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


def apply(grants: Grants, *, policy: str, through: socket.socket | None = None) -> LockReport:
    """Install the lock; with policy "off", nothing. Raises OSError where the kernel refuses what it says it has.

    What the filter refuses is told to whoever is at the other end of `through`; None tells nobody.
    """
    if policy == "off":
        return LockReport(seccomp=False, landlock_abi=None, missing=(), off=True)
    if sys.platform != "linux":
        return LockReport(seccomp=False, landlock_abi=None, missing=(f"{sys.platform} has neither part",))
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.drop_capabilities()
    missing: list[str] = []
    abi = landlock.version()
    if abi is None:
        missing.append("landlock: this kernel does not have it, or it was left out at boot (lsm=)")
    else:
        landlock.install(abi, _rules(grants))
    # Last, because it forbids what came before.
    filtered = install_seccomp(missing, through)
    return LockReport(seccomp=filtered, landlock_abi=abi, missing=tuple(missing))


def install_seccomp(missing: list[str], through: socket.socket | None, rules: seccomp.Rules = seccomp.WORKER) -> bool:
    """Install the filter, told to `through` where this kernel can; False, and why in `missing`, where it cannot be."""
    architecture = seccomp.this_architecture()
    if architecture is None:
        missing.append(f"seccomp: no filter is written for {os.uname().machine}")
        return False
    if through is not None and _install_observed(architecture, through, rules):
        return True
    if through is not None and seccomp.under_a_house():
        # Its listener is the only one there can be: what its filter refuses and tells is left to it.
        rules = rules.without(HOUSE.names)
    try:
        seccomp.install(architecture, rules)
    except OSError as error:
        missing.append(f"seccomp: the kernel refused the filter ({error.strerror})")
        return False
    return True


def _install_observed(architecture: seccomp.Architecture, through: socket.socket, rules: seccomp.Rules) -> bool:
    """False where this kernel has no listeners, or another filter has one already (in some containers)."""
    with contextlib.suppress(OSError):
        notify.send_away(seccomp.install_observed(architecture, rules), through)
        return True
    return False


def _rules(grants: Grants) -> list[tuple[Path, int]]:
    readable = (*python_and_libraries(), *_HARMLESS_DEVICES, *grants.read)
    return [
        *((path, landlock.READ) for path in readable),
        (Path("/dev/null"), landlock.READ_WRITE),
        (grants.sockets, landlock.SOCKETS),
        *((path, landlock.READ_WRITE) for path in grants.write),
    ]


def python_and_libraries() -> set[Path]:
    """Where modules that are not imported yet may lie: the standard library, the installed packages, and ourselves;
    and the system's libraries."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = (Path(sysconfig.get_path(name)) for name in names)
    return {Path(freehold.__file__).parent, *folders, *_SYSTEM_LIBRARIES}
