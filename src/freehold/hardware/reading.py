"""Small files of /proc and /sys, read as text. What is not there, or may not be read, is empty."""

from __future__ import annotations

from pathlib import Path


def text(path: Path) -> str:
    """The stripped text of `path`; the kernel answers some reads with an error of its own (EINVAL, ENODEV)."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def number(path: Path) -> int | None:
    """The decimal number that `path` holds, or None."""
    found = text(path)
    return int(found) if found.isascii() and found.isdigit() else None
