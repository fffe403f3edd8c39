"""Commands as people type them, each in a process of its own, and the keys that they make."""

from __future__ import annotations

import subprocess
import sys


def freehold(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """`text` is what comes on its standard input."""
    command = [sys.executable, "-m", "freehold", *words]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)


def made(*words: str) -> str:
    """The text of a key that `freehold keys create` makes."""
    done = freehold("keys", "create", *words, "--quiet")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}
