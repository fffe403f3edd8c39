"""A pipe in the place of a file never speaks: commands that read a stranger's file refuse it and do not wait."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from freehold.core.refs import parse
from freehold.store.store import Store
from tests.bundles import made
from tests.unit.test_store import take_in, weights


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("license recognize pipe", 2),
        ("license keep t pipe --unrecognized", 2),
        ("bundle open pipe", 3),
        ("bundle open house.tar --trust pipe", 3),
        ("deed verify pipe.json", 1),
        ("verify pipe", 1),
    ],
)
def test_a_pipe_is_refused_and_not_waited_for(words: str, code: int, home: Path, tmp_path: Path) -> None:
    store = Store(home)
    take_in(store, weights(tmp_path / "t.gguf"))
    store.keys.create()
    store.sign(parse("t"))
    made(store, tmp_path / "house.tar")
    for name in ("pipe", "pipe.json"):
        os.mkfifo(tmp_path / name)
    command = [sys.executable, "-m", "freehold", *words.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    assert "pipe" in done.stdout + done.stderr and "Traceback" not in done.stderr
