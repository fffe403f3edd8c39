"""The seccomp filters of the house's processes: a small assembler for classic BPF, and the rules; those of a worker are
all there are, and what the others may beside stands in `processes`.

The filter names what is refused (EPERM) and lets the rest pass, since an engine's needs change with every release.
What it leaves to Landlock: which files are opened. What neither covers: that a path exists can be seen (stat), time
and memory can be used up, and a socket can be bound to a free abstract name, where a program outside that looks for
it could connect.

Sources: `seccomp(2)`, Linux's `Documentation/userspace-api/seccomp_filter.rst` and
`include/uapi/linux/{seccomp,audit,bpf_common}.h`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from freehold.engines.sandbox import kernel
from freehold.engines.sandbox.syscalls import NEWEST, X86_64_AND_AARCH64

_KILL_PROCESS = 0x80000000
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_NOTIFY = 0x7FC00000
_NEW_LISTENER = 8
_EVERY_THREAD = 1 | 1 << 4  # SECCOMP_FILTER_FLAG_TSYNC, and TSYNC_ESRCH, without which it excludes a listener

# BPF: load a word of `struct seccomp_data`, compare with a constant, answer.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _ANSWER = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _ARGUMENTS_OFFSET = 0, 4, 16
_X32_BIT = 0x40000000

_AF_UNIX, _SOCK_STREAM, _SOCK_DGRAM, _SOCK_TYPE_MASK = 1, 1, 2, 0xF
_MSG_FASTOPEN = 0x20000000
_CLONE_THREAD = 0x10000
_PERSONALITY_QUERY = 0xFFFFFFFF
# Set and get the thread's name, name an anonymous mapping (glibc's malloc), and questions.
_PRCTL_ALLOWED = (15, 16, 0x53564D41, 2, 3, 21, 39)
_TIOCSTI, _TIOCLINUX, _FIOASYNC, _FIOSETOWN, _SIOCSPGRP = 0x5412, 0x541C, 0x5452, 0x8901, 0x8902
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_SETLEASE = 8, 10, 15, 1024
_F_GETFD, _F_SETFD, _F_GETFL = 1, 2, 3
_PRIO_PROCESS, _IOPRIO_WHO_PROCESS = 0, 1
_LIFELINE = 0

_LOOKED_INTO = (
    *("socket", "socketpair", "prctl", "ioctl", "fcntl", "personality", "prlimit64", "clone", "clone3"),
    *("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"),
    *("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr", "setpriority", "ioprio_set"),
    *("close", "dup", "dup2", "dup3", "close_range"),
    *("sendto", "sendmsg", "sendmmsg"),
)

Instruction = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Architecture:
    """`audit` is its AUDIT_ARCH word, `column` its place in the table of numbers, `seccomp` the call's own number."""

    name: str
    audit: int
    column: int
    seccomp: int


ARCHITECTURES = (
    Architecture("x86_64", 0xC000003E, 0, 317),
    Architecture("aarch64", 0xC00000B7, 1, 277),
)


def this_architecture() -> Architecture | None:
    """The one this process runs on, or None where the table of numbers does not know it."""
    wide = struct.calcsize("P") == 8
    return next((known for known in ARCHITECTURES if wide and known.name == platform.machine()), None)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a filter refuses: the calls in `names`, each wholly or as far as it is looked into. Sockets of the families
    in `sockets` may be made: streams, and with `datagrams` those too. `answers` is for the filter of a house."""

    names: frozenset[str] = frozenset(X86_64_AND_AARCH64)
    sockets: tuple[int, ...] = (_AF_UNIX,)
    datagrams: bool = False
    answers: bool = False

    def without(self, names: Iterable[str]) -> Rules:
        return replace(self, names=self.names.difference(names))


WORKER = Rules()
HOUSE_CALL = 0x00F4EE00
"""No system call: only the filter of a house answers it, with HOUSE_ANSWER. So who runs under one knows it."""
HOUSE_ANSWER = errno.EXFULL


def build(architecture: Architecture, *, own_pid: int, rules: Rules = WORKER) -> tuple[Instruction, ...]:
    """The filter for a process with `own_pid`, as (code, jump if true, jump if false, constant) each."""
    answer = ((_EQUAL, 0, 1, HOUSE_CALL), _refuse(HOUSE_ANSWER)) if rules.answers else ()
    names = [name for name in X86_64_AND_AARCH64 if name in rules.names]
    return (
        (_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        (_EQUAL, 1, 0, architecture.audit),
        (_ANSWER, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        *answer,
        # x32 numbers are x86-64's with a bit set: the same calls by another name.
        *((_AT_LEAST, 0, 1, _X32_BIT), _refuse(errno.EPERM)),
        *((_AT_LEAST, 0, 1, NEWEST + 1), _refuse(errno.ENOSYS)),
        *(line for name in names for line in _rule(name, architecture, own_pid, rules)),
        (_ANSWER, 0, 0, _ALLOW),
    )


def observed(filter_: Sequence[Instruction]) -> tuple[Instruction, ...]:
    """The same filter, where what it would refuse waits for whoever holds its listener (`notify`)."""
    refusal = _refuse(errno.EPERM)
    return tuple((_ANSWER, 0, 0, _NOTIFY) if line == refusal else line for line in filter_)


def install(architecture: Architecture, rules: Rules = WORKER) -> None:
    """Put the filter on this thread and all it will start. PR_SET_NO_NEW_PRIVS must be set. Raises OSError."""
    _install(architecture, build(architecture, own_pid=os.getpid(), rules=rules), 0)


def install_observed(architecture: Architecture, rules: Rules = WORKER, *, every_thread: bool = False) -> int:
    """The same, and give the listener that is told every refused call; with `every_thread` on all of this process's
    threads at once. Raises OSError: Linux before 5.0 has no listeners, before 5.7 none for threads that run already,
    and no kernel has one below a filter that has one (EBUSY)."""
    flags = _NEW_LISTENER | (_EVERY_THREAD if every_thread else 0)
    return _install(architecture, observed(build(architecture, own_pid=os.getpid(), rules=rules)), flags)


def takes_threads_along(architecture: Architecture) -> bool:
    """Whether this kernel has listeners for filters of every thread. Asked without a filter: known flags get as far as
    the missing pointer (EFAULT)."""
    try:
        kernel.call(architecture.seccomp, 1, _NEW_LISTENER | _EVERY_THREAD, None)
    except OSError as error:
        return error.errno == errno.EFAULT
    raise AssertionError("a filter at address 0 was installed")


def under_a_house() -> bool:
    """Whether this process runs under the filter of a house, which refuses by itself what `Rules` there say."""
    try:
        kernel.call(HOUSE_CALL)
    except OSError as error:
        return error.errno == HOUSE_ANSWER
    return False


def _install(architecture: Architecture, instructions: Sequence[Instruction], flags: int) -> int:
    packed = b"".join(struct.pack("HBBI", *line) for line in instructions)
    code = ctypes.create_string_buffer(packed, len(packed))
    # struct sock_fprog: a length and a pointer, aligned as C does it.
    program = ctypes.create_string_buffer(struct.pack("HP", len(instructions), ctypes.addressof(code)))
    return kernel.call(architecture.seccomp, 1, flags, ctypes.byref(program))


def _refuse(number: int) -> Instruction:
    return (_ANSWER, 0, 0, _ERRNO | number)


def _rule(name: str, architecture: Architecture, own_pid: int, rules: Rules) -> Sequence[Instruction]:
    number = X86_64_AND_AARCH64[name][architecture.column]
    if number is None:
        return ()
    body = _look_into(name, own_pid, rules) if name in _LOOKED_INTO else (_refuse(errno.EPERM),)
    return ((_EQUAL, 0, len(body), number), *body)


def _look_into(name: str, own_pid: int, rules: Rules) -> Sequence[Instruction]:
    """What follows a match; ends in an answer, so that the loaded argument never meets the next rule."""
    match name:
        case "socket" | "socketpair":
            kinds = (_SOCK_STREAM, _SOCK_DGRAM) if rules.datagrams else (_SOCK_STREAM,)
            return (*_unless(0, rules.sockets), *_unless(1, kinds, mask=_SOCK_TYPE_MASK), _allow())
        case "clone3":
            return (_refuse(errno.ENOSYS),)  # its flags lie in memory, which a filter cannot read; glibc falls back
        case "clone":
            return ((_LOAD, 0, 0, _argument(0)), (_ANY_BIT, 1, 0, _CLONE_THREAD), _refuse(errno.EPERM), _allow())
        case "kill" | "tgkill" | "rt_sigqueueinfo" | "rt_tgsigqueueinfo":
            return (*_unless(0, (own_pid,)), _allow())
        case "prlimit64" | "sched_setaffinity" | "sched_setscheduler" | "sched_setparam" | "sched_setattr":
            # A filter cannot tell our threads' ids from other processes'; a thread that means itself says 0.
            return (*_unless(0, (0, own_pid)), _allow())
        case "prctl":
            return (*_unless(0, _PRCTL_ALLOWED), _allow())
        case "personality":
            return (*_unless(0, (_PERSONALITY_QUERY,)), _allow())
        case "ioctl":
            return (*_where(1, (_TIOCSTI, _TIOCLINUX, _FIOASYNC, _FIOSETOWN, _SIOCSPGRP)), _allow())
        case "setpriority" | "ioprio_set":
            kind = _PRIO_PROCESS if name == "setpriority" else _IOPRIO_WHO_PROCESS
            return (*_unless(0, (kind,)), *_unless(1, (0, own_pid)), _allow())
        case "fcntl":
            signals = _where(1, (_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_SETLEASE))
            # O_ASYNC on the lifeline is what ends us with the house, and a copy shares it: neither F_SETFL nor F_DUPFD.
            questions = _unless(1, (_F_GETFD, _F_SETFD, _F_GETFL))
            lifeline = ((_LOAD, 0, 0, _argument(0)), (_EQUAL, 0, len(questions), _LIFELINE), *questions)
            return (*signals, *lifeline, _allow())
        case "sendto" | "sendmmsg" | "sendmsg":
            flags = 2 if name == "sendmsg" else 3
            return ((_LOAD, 0, 0, _argument(flags)), (_ANY_BIT, 0, 1, _MSG_FASTOPEN), _refuse(errno.EPERM), _allow())
        case "close" | "close_range" | "dup":
            return (*_where(0, (_LIFELINE,)), _allow())
        case "dup2" | "dup3":
            return (*_where(0, (_LIFELINE,)), *_where(1, (_LIFELINE,)), _allow())
    raise AssertionError(f"no rule looks into {name}")


def _allow() -> Instruction:
    return (_ANSWER, 0, 0, _ALLOW)


def _unless(index: int, values: Sequence[int], *, mask: int | None = None) -> Sequence[Instruction]:
    """Refuse unless argument `index`, or what `mask` leaves of it, is one of `values`."""
    loaded = ((_LOAD, 0, 0, _argument(index)), *(((_AND, 0, 0, mask),) if mask is not None else ()))
    tests = [(_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return (*loaded, *tests, _refuse(errno.EPERM))


def _where(index: int, values: Sequence[int]) -> Sequence[Instruction]:
    """Refuse where argument `index` is one of `values`."""
    tests = [
        (_EQUAL, len(values) - place - 1, 1 if place == len(values) - 1 else 0, v) for place, v in enumerate(values)
    ]
    return ((_LOAD, 0, 0, _argument(index)), *tests, _refuse(errno.EPERM))


def _argument(index: int) -> int:
    """Offset of an argument's low word, which is all the kernel takes of an int (both architectures: little-endian)."""
    return _ARGUMENTS_OFFSET + 8 * index
