"""How models share the machine's memory: `[memory]`, and what an endpoint says of its own stay in it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from freehold.core.toml_reader import TableReader

ALWAYS = math.inf
"""A model that is kept so long stays until memory is needed for another."""

_BYTES = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST_S = 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """`limit_bytes` is what all models of the house may take together, None: what is free, less a tenth. `keep_s` is
    how long a model stays that nobody asks, where its endpoint does not say. `waiting` requests may wait for one model
    that is not ready, each at most `wait_s` for memory."""

    limit_bytes: int | None = None
    keep_s: float = ALWAYS
    waiting: int = 1024
    wait_s: float = 120.0


@dataclass(frozen=True, slots=True)
class StaySettings:
    """What an endpoint says of its model's stay in memory. `keep_s` None: as `[memory]` says. A `pinned` one never
    goes. `preload` None: loaded at the start where it is pinned or the first endpoint."""

    keep_s: float | None = None
    pinned: bool = False
    preload: bool | None = None


def read_memory(table: TableReader) -> MemorySettings:
    """`[memory]`, with every problem told to its reader."""
    default = MemorySettings()
    memory = MemorySettings(
        limit_bytes=_size(table, "limit") if table.has("limit") else None,
        keep_s=_keep(table) if table.has("keep") else default.keep_s,
        waiting=table.integer("waiting", default.waiting, 0, 10**6),
        wait_s=_span(table, "wait") if table.has("wait") else default.wait_s,
    )
    table.refuse_unknown()
    return memory


def read_stay(row: TableReader) -> StaySettings:
    """`keep`, `pinned` and `preload` of an endpoint's own table."""
    return StaySettings(
        keep_s=_keep(row) if row.has("keep") else None,
        pinned=row.flag("pinned") if row.has("pinned") else False,
        preload=row.flag("preload") if row.has("preload") else None,
    )


def _keep(table: TableReader) -> float:
    return ALWAYS if table.value("keep") == "always" else _span(table, "keep")


def _span(table: TableReader, key: str) -> float:
    """Seconds in `90s`, `10m`, `2h`, `1d`."""
    written = table.value(key)
    found = re.fullmatch(r"(\d{1,9}) ?(ms|s|m|h|d)", written) if isinstance(written, str) else None
    seconds = int(found[1]) * _SECONDS[found[2]] if found else math.nan
    if not 0 <= seconds <= _LONGEST_S:
        beside = ' or "always"' if key == "keep" else ""
        table.problem(key, f'must be a time such as "90s", "10m" or "2h"{beside}, not {written!r}')
        return 0.0
    return seconds


def _size(table: TableReader, key: str) -> int:
    """Bytes in `8GB`, `7.5 GiB`, `500MB`."""
    written = table.value(key)
    shape = r"(\d{1,9}(?:\.\d{1,3})?) ?([kmgt]i?b)"
    found = re.fullmatch(shape, written.lower()) if isinstance(written, str) else None
    size_bytes = int(float(found[1]) * _BYTES[found[2]]) if found else 0
    if size_bytes < 1:
        table.problem(key, f'must be a size such as "8GB" or "7.5GiB", not {written!r}')
    return size_bytes
