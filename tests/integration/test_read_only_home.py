"""A home that cannot be written answers; only pulling needs more."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Root may write everywhere by CAP_DAC_OVERRIDE (1, capabilities(7)); out of the bounding set, an exec takes it away.
WITHOUT_OVERRIDE = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
if os.geteuid() == 0 and ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.executable, [sys.executable, "-m", "freehold", *sys.argv[1:]])
"""


@pytest.fixture
def read_only(home: Path) -> Iterator[Path]:
    home.mkdir()
    home.chmod(0o555)
    yield home
    home.chmod(0o755)


def freehold(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_OVERRIDE, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("read_only")
def test_a_worker_answers_from_a_read_only_home() -> None:
    done = freehold("run", "fake:demo?tokens=3", "hello")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.split()) == 3


@pytest.mark.usefixtures("read_only")
def test_doctor_warns_of_a_read_only_home_and_does_not_fail_it() -> None:
    done = freehold("doctor", "--json")
    (home,) = [finding for finding in json.loads(done.stdout) if finding["name"] == "home"]
    assert home["level"] == "warn"
    assert "what is held can be used" in home["seen"]
    assert "FREEHOLD_HOME" in home["mend"]
