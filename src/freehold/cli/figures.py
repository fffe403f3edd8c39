"""What a machine has and does, in the units that people know it by; `cells` shows what a figure of it rests on."""

from __future__ import annotations

from freehold.cli.output import size

GIB = 2**30


def memory(nbytes: float) -> str:
    """Memory in both units that people know it by: 25.8 GB (24.0 GiB), 67.1 MB (64.0 MiB)."""
    return f"{size(nbytes)} ({nbytes / GIB:.1f} GiB)" if nbytes >= GIB else f"{size(nbytes)} ({nbytes / 2**20:.1f} MiB)"


def rate(per_s: float) -> str:
    """Bytes a second, in powers of ten: 89.6 GB/s, 1,792 GB/s."""
    gigabytes = per_s / 1e9
    return (
        f"{size(per_s)}/s"
        if gigabytes < 1
        else f"{gigabytes:,.0f} GB/s"
        if gigabytes >= 1000
        else f"{gigabytes:.4g} GB/s"
    )


def operations(per_s: float) -> str:
    """Operations a second: 165.2 T/s."""
    return f"{per_s / 1e12:.4g} T/s"
