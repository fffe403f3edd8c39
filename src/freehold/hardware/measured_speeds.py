"""Speeds that were measured on this machine, of whole builds: shown beside estimates, and never taken for another
machine, engine or build.

One file a machine under the home, one row for each way a build was run. A later measurement of the same way replaces
the earlier one. Nothing is written here: `encoded` is what belongs into the file at `kept_at`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freehold.core.quantity import Measured

_LARGEST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Way:
    """How a build was run: `used_tokens` were in the context of each of `concurrency` sequences.

    `build` is its digest, `engine` the engine with its version, `settings` what else was set, as "name=value".
    """

    fingerprint: str
    build: str
    engine: str
    used_tokens: int
    concurrency: int
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeasuredSpeed:
    """Tokens/s of each sequence while all of them generate, and of a prompt that is read alone. None: not measured."""

    way: Way
    generation_tokens_per_s: Measured | None = None
    prompt_tokens_per_s: Measured | None = None


def kept_at(home: Path, fingerprint: str) -> Path:
    return home / "machines" / f"{fingerprint}.speeds.json"


def read(home: Path, fingerprint: str) -> tuple[MeasuredSpeed, ...]:
    """All that is kept of that machine; none where the file is missing, damaged or another machine's."""
    try:
        with kept_at(home, fingerprint).open("rb") as file:
            rows = json.loads(file.read(_LARGEST_BYTES))
        found = [_speed(row) for row in rows]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return ()
    return tuple(row for row in found if row.way.fingerprint == fingerprint)


def added(kept: Iterable[MeasuredSpeed], fresh: Iterable[MeasuredSpeed]) -> tuple[MeasuredSpeed, ...]:
    """`kept` with `fresh`, which replace what was measured the same way."""
    return tuple({row.way: row for row in (*kept, *fresh)}.values())


def encoded(rows: Sequence[MeasuredSpeed]) -> bytes:
    return json.dumps([dataclasses.asdict(row) for row in rows], indent=1).encode()


def of_build(rows: Iterable[MeasuredSpeed], build: str, *, engine: str | None = None) -> tuple[MeasuredSpeed, ...]:
    """The rows of one build, with `engine` or with any."""
    return tuple(row for row in rows if row.way.build == build and engine in {None, row.way.engine})


def nearest(rows: Iterable[MeasuredSpeed], *, used_tokens: int, concurrency: int) -> MeasuredSpeed | None:
    """The row of that concurrency whose context is nearest, if it is within a factor of two; to be shown with its own
    context, not with the one asked for."""

    def distance(row: MeasuredSpeed) -> float:
        return abs(math.log2(max(1, row.way.used_tokens) / max(1, used_tokens)))

    near = [row for row in rows if row.way.concurrency == concurrency and distance(row) <= 1]
    return min(near, key=distance, default=None)


def _speed(row: Any) -> MeasuredSpeed:
    way = row["way"]
    return MeasuredSpeed(
        Way(**{**way, "settings": tuple(map(str, way["settings"]))}),
        _measured(row["generation_tokens_per_s"]),
        _measured(row["prompt_tokens_per_s"]),
    )


def _measured(row: Any) -> Measured | None:
    if row is None:
        return None
    found = Measured(**row)
    if not 0 < found.low <= found.value <= found.high < math.inf:
        raise ValueError(f"{row!r} is not a measurement")
    return found
