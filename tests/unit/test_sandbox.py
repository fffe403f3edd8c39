"""The seccomp filter of both architectures, run by an interpreter of classic BPF: what each system call gets."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from freehold.engines.sandbox import landlock, seccomp
from freehold.engines.sandbox.lock import LockReport
from freehold.engines.sandbox.seccomp import ARCHITECTURES, Architecture
from freehold.engines.sandbox.syscalls import NEWEST, X86_64_AND_AARCH64

OWN_PID = 4321
KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
both = pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda known: known.name)


def answer(architecture: Architecture, number: int, *arguments: int, audit: int | None = None) -> int:
    """What the filter returns; the six instructions it uses, as the kernel's documentation defines them."""
    words = {0: number, 4: architecture.audit if audit is None else audit}
    for index, argument in enumerate(arguments):
        words[16 + 8 * index] = argument & 0xFFFFFFFF
        words[20 + 8 * index] = argument >> 32 & 0xFFFFFFFF
    program = seccomp.build(architecture, own_pid=OWN_PID)
    accumulator, place = 0, 0
    while True:
        code, if_true, if_false, constant = program[place]
        place += 1
        match code:
            case 0x20:
                accumulator = words.get(constant, 0)
            case 0x54:
                accumulator &= constant
            case 0x06:
                return constant
            case 0x15:
                place += if_true if accumulator == constant else if_false
            case 0x35:
                place += if_true if accumulator >= constant else if_false
            case 0x45:
                place += if_true if accumulator & constant else if_false
            case _:
                raise AssertionError(f"the filter uses an instruction 0x{code:x} that this test does not know")


def of(architecture: Architecture, name: str, *arguments: int) -> str:
    number = X86_64_AND_AARCH64[name][architecture.column]
    assert number is not None
    given = answer(architecture, number, *arguments)
    if given == ALLOW:
        return "allowed"
    assert given & 0xFFFF0000 == ERRNO
    return errno.errorcode[given & 0xFFFF]


@both
def test_only_unix_stream_sockets_can_be_made(architecture: Architecture) -> None:
    cloexec = 0o2000000
    for name in ("socket", "socketpair"):
        assert of(architecture, name, 1, 1) == "allowed"
        assert of(architecture, name, 1, 1 | cloexec) == "allowed"
        assert of(architecture, name, 1, 2) == "EPERM"
        assert {of(architecture, name, family, 1) for family in (0, 2, 10, 16, 17, 38, 40)} == {"EPERM"}
        assert of(architecture, name, 2 | 1 << 32, 1) == "EPERM"


@both
def test_every_named_call_that_is_not_looked_into_is_refused(architecture: Architecture) -> None:
    looked_into = {
        *("socket", "socketpair", "prctl", "ioctl", "fcntl", "clone", "clone3", "kill", "tgkill"),
        *("rt_sigqueueinfo", "rt_tgsigqueueinfo", "prlimit64", "personality", "setpriority", "ioprio_set"),
        *("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"),
        *("close", "close_range", "dup", "dup2", "dup3"),
    }
    known = [name for name, numbers in X86_64_AND_AARCH64.items() if numbers[architecture.column] is not None]
    refused = [name for name in known if name not in looked_into]
    assert {name: of(architecture, name) for name in refused} == dict.fromkeys(refused, "EPERM")
    assert len(refused) > 90


@both
def test_threads_may_start_and_processes_may_not(architecture: Architecture) -> None:
    assert of(architecture, "clone", 0x3D0F00) == "allowed"
    assert of(architecture, "clone", 17) == "EPERM"
    assert of(architecture, "clone3") == "ENOSYS"


@both
def test_signals_reach_nobody_else(architecture: Architecture) -> None:
    for name in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        assert of(architecture, name, OWN_PID, 9) == "allowed"
        assert {of(architecture, name, pid, 9) for pid in (0, 1, OWN_PID + 1, 2**32 - 1)} == {"EPERM"}


@both
def test_what_was_armed_cannot_be_taken_off(architecture: Architecture) -> None:
    assert {of(architecture, "prctl", option) for option in (1, 4, 35, 0x59616D61)} == {"EPERM"}
    assert {of(architecture, "prctl", option) for option in (15, 16, 0x53564D41)} == {"allowed"}
    assert {of(architecture, "fcntl", 0, command) for command in (8, 10, 15)} == {"EPERM"}
    assert of(architecture, "fcntl", 5, 1024) == "EPERM"
    assert {of(architecture, "fcntl", 5, command) for command in (0, 1, 2, 3, 4, 1030)} == {"allowed"}
    assert {of(architecture, "ioctl", 0, request) for request in (0x5412, 0x541C, 0x5452, 0x8901, 0x8902)} == {"EPERM"}
    assert of(architecture, "ioctl", 0, 0x5401) == "allowed"
    assert of(architecture, "personality", 0xFFFFFFFF) == "allowed"
    assert of(architecture, "personality", 0x0400000) == "EPERM"
    assert of(architecture, "prlimit64", 1) == "EPERM"
    assert of(architecture, "prlimit64", 0) == "allowed"


@both
def test_the_lifeline_can_be_neither_closed_nor_copied_nor_disarmed(architecture: Architecture) -> None:
    assert {of(architecture, "fcntl", 0, command) for command in (0, 4, 1030)} == {"EPERM"}
    assert {of(architecture, "fcntl", 0, command) for command in (1, 2, 3)} == {"allowed"}
    for name in ("close", "close_range", "dup"):
        assert (of(architecture, name, 0), of(architecture, name, 3)) == ("EPERM", "allowed")
    for name in ("dup3", *(["dup2"] if architecture.name == "x86_64" else [])):
        assert {of(architecture, name, *ends) for ends in ((0, 5), (5, 0))} == {"EPERM"}
        assert of(architecture, name, 5, 6) == "allowed"


@both
def test_nobody_else_is_slowed_down(architecture: Architecture) -> None:
    for name in ("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"):
        assert [of(architecture, name, pid) for pid in (0, OWN_PID, 1)] == ["allowed", "allowed", "EPERM"]
    for name, process in (("setpriority", 0), ("ioprio_set", 1)):
        assert [of(architecture, name, process, pid) for pid in (0, OWN_PID, 1)] == ["allowed", "allowed", "EPERM"]
        assert {of(architecture, name, kind, 0) for kind in {0, 1, 2, 3} - {process}} == {"EPERM"}


@both
def test_other_tables_of_system_calls_are_closed(architecture: Architecture) -> None:
    assert answer(architecture, 0, audit=0x40000003) == KILL
    assert answer(architecture, 0x40000000 + 41, 1, 1) == ERRNO | errno.EPERM
    assert answer(architecture, NEWEST + 1) == ERRNO | errno.ENOSYS
    assert answer(architecture, 63) == ALLOW


@both
def test_no_jump_leaves_the_filter_and_the_kernel_takes_its_length(architecture: Architecture) -> None:
    program = seccomp.build(architecture, own_pid=OWN_PID)
    assert len(program) <= 4096
    for place, (_, if_true, if_false, _) in enumerate(program):
        assert max(if_true, if_false) <= 255
        assert place + 1 + max(if_true, if_false) <= len(program)


@pytest.mark.parametrize(
    ("header", "column"),
    [("x86_64-linux-gnu/asm/unistd_64.h", 0), ("asm-generic/unistd.h", 1)],
    ids=["x86_64", "aarch64"],
)
def test_the_numbers_are_those_of_the_kernels_headers(header: str, column: int) -> None:
    path = Path("/usr/include") / header
    if not path.exists():
        pytest.skip(f"{path} is not installed")
    found = re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)", path.read_text())
    theirs = {name: int(number) for name, number in found}
    ours = {name: numbers[column] for name, numbers in X86_64_AND_AARCH64.items() if name in theirs}
    assert ours == {name: theirs[name] for name in ours}
    assert len(ours) > 85


def test_a_lock_report_says_what_holds_and_what_does_not() -> None:
    assert LockReport(seccomp=True, landlock_abi=7, missing=()).line == "seccomp + landlock 7"
    assert LockReport(seccomp=False, landlock_abi=None, missing=("a", "b")).line == "none (missing: a; b)"
    assert LockReport(seccomp=False, landlock_abi=None, missing=(), off=True).line == "off, by the settings"


def test_what_a_worker_may_do_to_files_never_includes_running_them() -> None:
    execute, devices = 1, 1 << 6 | 1 << 11
    assert (landlock.READ | landlock.READ_WRITE | landlock.SOCKETS) & (execute | devices) == 0
