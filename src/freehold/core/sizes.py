"""Sizes and counts for people."""

from __future__ import annotations


def size(nbytes: float) -> str:
    """Bytes in powers of ten, as disks and networks are sold: 98.4 MB."""
    value = float(nbytes)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 999.95:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def counted(number: int, what: str) -> str:
    """Such as "1 record" or "2,000 records"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
