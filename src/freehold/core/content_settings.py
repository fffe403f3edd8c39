"""`keep_content` of an endpoint: for how long what it is asked, and what it answers, is kept."""

from __future__ import annotations

import math
import re

from freehold.core.toml_reader import TableReader

ALWAYS = math.inf
"""Kept until somebody erases it."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "y": 365 * 86_400.0}
_LONGEST_S = 100 * _SECONDS["y"]
_SPAN = re.compile(r"(\d{1,9}) ?(ms|s|m|h|d|y|hours?|days?|years?)")


def read_keep_content(row: TableReader) -> float | None:
    """Seconds in `12h`, `30d`, `30 days`, `7y` (of 365 days), ALWAYS for `always`; None where nothing is kept."""
    if not row.has("keep_content"):
        return None
    if row.value("keep_content") == "always":
        return ALWAYS
    found = _SPAN.fullmatch(row.text("keep_content", ""))
    unit = "" if found is None else found[2] if found[2] == "ms" else found[2][0]
    seconds = int(found[1]) * _SECONDS[unit] if found else math.nan
    if not 0 < seconds <= _LONGEST_S:
        row.problem("keep_content", 'must be a time such as "12h", "30d" or "7y", or "always"')
        return None
    return seconds


def told(keep_s: float) -> str:
    """How long that is, for people."""
    if keep_s == ALWAYS:
        return "until it is erased"
    days = keep_s / _SECONDS["d"]
    return f"for {days:,.0f} {'day' if days == 1 else 'days'}" if days >= 1 else f"for {keep_s:,g} s"
