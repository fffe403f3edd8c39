"""Erasing where the disk of the house is full: a small one, made and filled for this, as far as the kernel lets us."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOUNT = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]


def test_a_full_disk_keeps_nothing_from_being_erased(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = f"mount -t tmpfs -o size=8m none {disk}"
    if subprocess.run([*MOUNT, mounted], check=False, capture_output=True).returncode:
        pytest.skip("this account may not mount a small disk (unprivileged user namespaces)")
    program = f"{mounted}; exec {sys.executable} -m tests.integration.full_disk {disk}"
    done = subprocess.run([*MOUNT, program], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert "No space left on device" in told["without_room"], "the disk is full"
    assert (told["running"], told["alone"], told["erased"]) == (2, 0, ["req_1", "req_2"])
    assert told["findings"] == []
