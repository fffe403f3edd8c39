"""The seccomp filter of both architectures, run by an interpreter of classic BPF: what each system call gets."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from freehold.engines.sandbox import landlock, seccomp
from freehold.engines.sandbox.lock import LockReport
from freehold.engines.sandbox.memory import UNREAD, spoken_address
from freehold.engines.sandbox.processes import HOUSE, WITNESS, broker
from freehold.engines.sandbox.seccomp import ARCHITECTURES, HOUSE_ANSWER, HOUSE_CALL, WORKER, Architecture, Rules
from freehold.engines.sandbox.syscalls import NEWEST, X86_64_AND_AARCH64

OWN_PID = 4321
KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
both = pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda known: known.name)


def answer(
    architecture: Architecture, number: int, *arguments: int, audit: int | None = None, rules: Rules = WORKER
) -> int:
    """What the filter returns; the six instructions it uses, as the kernel's documentation defines them."""
    words = {0: number, 4: architecture.audit if audit is None else audit}
    for index, argument in enumerate(arguments):
        words[16 + 8 * index] = argument & 0xFFFFFFFF
        words[20 + 8 * index] = argument >> 32 & 0xFFFFFFFF
    program = seccomp.build(architecture, own_pid=OWN_PID, rules=rules)
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


def of(architecture: Architecture, name: str, *arguments: int, rules: Rules = WORKER) -> str:
    number = X86_64_AND_AARCH64[name][architecture.column]
    assert number is not None
    given = answer(architecture, number, *arguments, rules=rules)
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
        *("close", "close_range", "dup", "dup2", "dup3", "sendto", "sendmsg", "sendmmsg"),
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
def test_a_connection_cannot_be_made_by_sending(architecture: Architecture) -> None:
    """A TCP socket that lost its peer connects anew with MSG_FASTOPEN, without any `connect`."""
    fast_open = 0x20000000
    for rules in (WORKER, HOUSE):
        assert of(architecture, "sendto", 5, 0, 0, fast_open, rules=rules) == "EPERM"
        assert of(architecture, "sendmsg", 5, 0, fast_open | 0x40, rules=rules) == "EPERM"
        assert of(architecture, "sendmmsg", 5, 0, 1, fast_open, rules=rules) == "EPERM"
        assert of(architecture, "sendto", 5, 0, 0, 0x4040, rules=rules) == "allowed"


@both
def test_a_house_keeps_accepting_and_starting_programs_and_nothing_that_leads_out(architecture: Architecture) -> None:
    families = {of(architecture, "socket", family, 1, rules=HOUSE) for family in (0, 2, 10, 16, 17, 38, 40)}
    assert families == {"EPERM"}
    assert of(architecture, "socket", 1, 2, rules=HOUSE) == "EPERM"
    assert of(architecture, "socket", 1, 1 | 0o2004000, rules=HOUSE) == "allowed"
    refused = ("connect", "ptrace", "process_vm_readv", "pidfd_getfd", "io_uring_setup", "unshare", "bpf", "add_key")
    assert {of(architecture, name, rules=HOUSE) for name in refused} == {"EPERM"}
    typing, resizing = 0x5412, 0x5413
    assert of(architecture, "ioctl", 0, typing, rules=HOUSE) == "EPERM"
    assert of(architecture, "ioctl", 0, resizing, rules=HOUSE) == "allowed"
    going_on = ("execve", "clone", "clone3", "kill", "recvmsg", "prctl", "close", "dup", "pidfd_open")
    assert {of(architecture, name, rules=HOUSE) for name in going_on} == {"allowed"}
    accept4 = 288 if architecture.name == "x86_64" else 242
    assert answer(architecture, accept4, rules=HOUSE) == ALLOW


@both
def test_a_workers_filter_and_the_houses_refuse_together_what_the_workers_refuses_alone(
    architecture: Architecture,
) -> None:
    """Below a house the worker leaves to its filter what that refuses, so that its one listener hears it."""
    below = WORKER.without(HOUSE.names)
    for name in HOUSE.names:
        if X86_64_AND_AARCH64[name][architecture.column] is None:
            continue
        for first, second, third, fourth in (
            (0, 0, 0, 0),
            (1, 1, 0, 0),
            (2, 1, 0, 0),
            (1, 2, 0, 0),
            (5, 0, 1 << 29, 1 << 29),
        ):
            arguments = (first, second, third, fourth)
            alone = of(architecture, name, *arguments)
            assert of(architecture, name, *arguments, rules=HOUSE) == alone, (name, arguments)
            assert of(architecture, name, *arguments, rules=below) == "allowed"


@both
def test_only_the_filter_of_a_house_answers_its_question(architecture: Architecture) -> None:
    assert answer(architecture, HOUSE_CALL, rules=HOUSE) == ERRNO | HOUSE_ANSWER
    assert answer(architecture, HOUSE_CALL) == ERRNO | errno.ENOSYS
    assert ERRNO | HOUSE_ANSWER in [
        line[3] for line in seccomp.observed(seccomp.build(architecture, own_pid=1, rules=HOUSE))
    ]


@both
def test_a_broker_has_the_sockets_that_its_list_needs(architecture: Architecture) -> None:
    nothing, addresses = broker(internet=False, names=False), broker(internet=True, names=False)
    names = broker(internet=True, names=True)
    for family, kind, expected in (
        *((1, 1, ("allowed", "allowed", "allowed")), (2, 1, ("EPERM", "allowed", "allowed"))),
        *((10, 1, ("EPERM", "allowed", "allowed")), (2, 2, ("EPERM", "EPERM", "allowed"))),
        *((2, 3, ("EPERM",) * 3), (16, 3, ("EPERM",) * 3), (17, 3, ("EPERM",) * 3), (40, 1, ("EPERM",) * 3)),
    ):
        seen = tuple(of(architecture, "socket", family, kind, rules=each) for each in (nothing, addresses, names))
        assert seen == expected, (family, kind)
    assert of(architecture, "connect", rules=nothing) == of(architecture, "recvmsg", rules=nothing) == "allowed"
    refused = ("execve", "ptrace", "io_uring_setup", "process_vm_readv", "pidfd_getfd", "fork")
    assert {of(architecture, name, rules=names) for name in refused if name != "fork"} == {"EPERM"}


@both
def test_a_witness_reads_memory_and_has_no_way_out(architecture: Architecture) -> None:
    assert (
        of(architecture, "process_vm_readv", rules=WITNESS) == of(architecture, "recvmsg", rules=WITNESS) == "allowed"
    )
    refused = ("connect", "execve", "process_vm_writev", "ptrace", "io_uring_setup")
    assert {of(architecture, name, rules=WITNESS) for name in refused} == {"EPERM"}
    assert of(architecture, "socket", 2, 1, rules=WITNESS) == "EPERM"


def test_an_address_of_a_connect_is_spoken_whatever_stands_there() -> None:
    assert spoken_address(b"\x02\x00\x01\xbb\xc0\x00\x02\x07" + bytes(8)) == "192.0.2.7:443"
    ipv6 = b"\x0a\x00\x00\x35" + bytes(4) + bytes.fromhex("20010db8000000000000000000000007") + bytes(4)
    assert spoken_address(ipv6) == "[2001:db8::7]:53"
    assert spoken_address(b"\x01\x00/run/other.sock\x00rest") == "/run/other.sock"
    assert spoken_address(b"\x01\x00\x00name\x00") == "@name"
    assert spoken_address(b"\x01\x00/tmp/a\nGAPS\x1b[2J\x00") == "/tmp/a\ufffdGAPS\ufffd[2J"
    assert spoken_address(b"\x11\x00") == "an address of family 17"
    assert spoken_address(b"\x02\x00\x01") == "an address of family 2"
    assert spoken_address(b"") == spoken_address(b"\x02") == UNREAD


@both
def test_no_jump_leaves_the_filter_and_the_kernel_takes_its_length(architecture: Architecture) -> None:
    for rules in (WORKER, HOUSE, WITNESS, broker(internet=True, names=True)):
        program = seccomp.build(architecture, own_pid=OWN_PID, rules=rules)
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
