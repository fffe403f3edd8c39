"""A worker that is taken over finds no network, no neighbor, no program and no file but its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.engines.sandbox import landlock, seccomp

HERE = Path(__file__).parent
SECRET = "sk-not-for-workers"
REFUSED_OTHERWISE = {
    **dict.fromkeys(("read outside", "write outside", "create outside", "delete outside", "list outside"), "EACCES"),
    **dict.fromkeys(("read /etc/passwd", "the parent's environment", "its own environment in /proc"), "EACCES"),
    **dict.fromkeys(("write the weights", "delete the weights"), "EACCES"),
    "link the weights": "EXDEV",
    "clone3": "ENOSYS",
    "a call newer than the filter": "ENOSYS",
}

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or landlock.version() is None or seccomp.this_architecture() is None,
    reason="the lock needs Linux with Landlock, on x86-64 or aarch64",
)


@pytest.fixture
def grounds() -> Iterator[Path]:
    """A folder with a weight file, a file outside the worker's, and two listening neighbors. Open to every user."""
    folder = Path(tempfile.mkdtemp(prefix="fh-"))
    folder.chmod(0o777)
    (folder / "weights.gguf").write_bytes(b"weights")
    (folder / "outside").mkdir()
    (folder / "outside").chmod(0o777)
    (folder / "outside" / "file").write_text("not yours")
    with socket.socket(socket.AF_UNIX) as neighbor, socket.socket(socket.AF_UNIX) as abstract:
        neighbor.bind(str(folder / "n.sock"))
        neighbor.listen()
        abstract.bind(f"\0{folder}")
        abstract.listen()
        (folder / "n.sock").chmod(0o777)
        yield folder
    shutil.rmtree(folder)


def taken_over(
    grounds: Path, *prefix: str, lock: str = "require", only: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """What the hostile worker reports; `prefix` goes before its house's command, a secret into its environment."""
    asked = {
        "script": str(HERE / "hostile_worker.py"),
        "config": {
            "weights": str(grounds / "weights.gguf"),
            "outside": str(grounds / "outside" / "file"),
            "neighbor": str(grounds / "n.sock"),
            "abstract": f"\0{grounds}",
            "only": only,
        },
        "read": [str(grounds / "weights.gguf")],
        "runtime_dir": str(grounds / "r" / "t"),
        "log_dir": str(grounds / "l"),
        "lock": lock,
    }
    command = [*prefix, sys.executable, str(HERE / "one_worker.py"), json.dumps(asked)]
    done = subprocess.run(
        command, env={**os.environ, "OPENAI_API_KEY": SECRET}, input="", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    started: dict[str, Any] = json.loads(done.stdout)
    return started


def assert_locked_up(started: dict[str, Any], grounds: Path) -> None:
    facts = started["facts"]
    assert started["lock"] == f"seccomp + landlock {landlock.version()}"
    expected = {name: REFUSED_OTHERWISE.get(name, "EPERM") for name in facts["refused"]}
    assert facts["refused"] == expected
    assert len(expected) >= 64
    assert set(facts["permitted"].values()) == {"done"}
    assert len(facts["permitted"]) == 10
    assert SECRET not in json.dumps(facts["environment"])
    assert set(facts["environment"]) <= {"PATH", "LANG", "HOME", "TMPDIR", "LC_CTYPE"}
    assert facts["core_limit"] == [0, 0]
    assert facts["file_limit"] == [64 * 2**20] * 2
    assert facts["umask"] == 0o077
    assert (grounds / "weights.gguf").read_bytes() == b"weights"
    assert (grounds / "outside" / "file").read_text() == "not yours"


def test_a_worker_that_is_taken_over_finds_every_way_out_refused(grounds: Path) -> None:
    started = taken_over(grounds)
    assert_locked_up(started, grounds)
    # stdin, stdout, stderr, its word of readiness, and the socket it listens on.
    assert len(started["facts"]["descriptors"]) == 5


def test_what_a_worker_tries_is_seen_as_well_as_refused(grounds: Path) -> None:
    started = taken_over(grounds)
    seen = {attempt["what"]: attempt["count"] for attempt in started["attempts"]}
    tried = {
        *("socket: IPv4 stream", "socket: IPv6 stream", "socket: IPv4 datagram", "socket: IPv4 raw"),
        *("socket: netlink raw", "socket: packet raw", "socket: Unix datagram", "connect: a Unix socket"),
        *("ptrace", "process_vm_readv", "io_uring_setup", "execve", "clone", "bpf", "unshare", "pidfd_open", "kill"),
    }
    assert tried <= seen.keys()
    assert seen["connect: a Unix socket"] == 2, "one by name, one abstract"
    log = next((grounds / "l").glob("*.log")).read_text()
    assert "(freehold: refused by the lock: socket: IPv4 datagram)" in log


def test_a_worker_that_tries_without_end_waits_and_the_house_does_not(grounds: Path) -> None:
    started = taken_over(grounds, only=("ipv4 stream without end",))
    (attempt,) = started["attempts"]
    assert attempt["what"] == "socket: IPv4 stream"
    # A second of attempts: 64 at once and 20 a second after that, however fast it asks.
    assert 64 <= attempt["count"] <= 64 + 20 * 10


def test_the_lock_needs_no_privilege(grounds: Path) -> None:
    setpriv = shutil.which("setpriv")
    if setpriv is None or os.getuid() != 0:
        pytest.skip("only root with setpriv can take its own powers away; another user is unprivileged already")
    assert_locked_up(taken_over(grounds, setpriv, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"), grounds)


def test_the_lock_holds_for_nobody(grounds: Path) -> None:
    setpriv = shutil.which("setpriv")
    if setpriv is None or os.getuid() != 0:
        pytest.skip("only root with setpriv can become nobody")
    as_nobody = (setpriv, "--reuid=65534", "--regid=65534", "--clear-groups")
    # setpriv's own exec still has root's powers; only what that process starts shows what nobody may run.
    probe = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    if subprocess.run([*as_nobody, sys.executable, "-c", probe], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"nobody may not run {sys.executable}")
    assert_locked_up(taken_over(grounds, *as_nobody), grounds)


def test_without_the_lock_the_same_attempts_succeed(grounds: Path) -> None:
    """Or the test above would prove nothing."""
    ways = (
        "ipv4 stream",
        "another program's socket",
        "an abstract socket",
        "chmod",
        "read outside",
        "read /etc/passwd",
    )
    started = taken_over(grounds, lock="off", only=ways)
    assert started["lock"] == "off, by the settings"
    assert started["facts"]["refused"] == dict.fromkeys(ways, "done")


def old_kernel(grounds: Path, lock: str) -> subprocess.CompletedProcess[str]:
    asked = {
        "script": str(HERE / "old_kernel_worker.py"),
        "config": {},
        "read": [],
        "runtime_dir": str(grounds / "r" / "t"),
        "log_dir": str(grounds / "l"),
        "lock": lock,
    }
    command = [sys.executable, str(HERE / "one_worker.py"), json.dumps(asked)]
    return subprocess.run(command, input="", capture_output=True, text=True, check=False)


def test_a_required_lock_that_lacks_a_part_is_no_start_and_names_the_part(grounds: Path) -> None:
    refused = old_kernel(grounds, "require")
    assert refused.returncode == 1
    assert "its lock is required and this system lacks a part of it: landlock: this kernel" in refused.stderr
    assert 'Set lock = "prefer"' in refused.stderr


def test_a_preferred_lock_that_lacks_a_part_starts_and_says_so(grounds: Path) -> None:
    started = json.loads(old_kernel(grounds, "prefer").stdout)
    assert started["lock"].startswith("seccomp (missing: landlock: this kernel does not have it")
