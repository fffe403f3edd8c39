"""Figures for people, each with what it rests on: measured, estimated or unknown; what is counted stands alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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


def figure(quantity: Mapping[str, Any], show: Callable[[float], str], *, basis: bool = True) -> str | None:
    """A quantity in its JSON form; None is unknown without a reason. `basis` False leaves out where it comes from."""
    kind = quantity["kind"]
    if kind == "exact":
        return show(quantity["value"])
    if kind == "measured":
        spread = f"{show(quantity['low'])} to {show(quantity['high'])} in {quantity['runs']} runs"
        return f"{show(quantity['value'])} (measured {quantity['on']}; {spread})"
    if kind == "unknown":
        return f"unknown: {quantity['reason']}"
    low, high = show(quantity["low"]), show(quantity["high"])
    said = f": {quantity['basis']}" if basis else ""
    return f"{low if low == high else f'{low} to {high}'} (estimated{said})"
