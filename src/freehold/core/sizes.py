"""Sizes, times and counts for people."""

from __future__ import annotations


def size(nbytes: float) -> str:
    """Bytes in powers of ten, as disks and networks are sold: 98.4 MB."""
    value = float(nbytes)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 999.95:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def duration(seconds: float) -> str:
    """A time in the unit that it is read in: 4.2 s, 42 s, 5 min, 3.2 h, 2.0 d."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:,.1f} d"


def counted(number: int, what: str) -> str:
    """Such as "1 record" or "2,000 records"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def were(number: int, what: str) -> str:
    """The same as the beginning of a sentence: "1 record was" or "2,000 records were"."""
    return f"{counted(number, what)} {'was' if number == 1 else 'were'}"
