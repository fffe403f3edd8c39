"""What may be asked of the fake engine: the options of `fake:NAME?…`, read once and refused together.

Speed:  rate=40 (tokens per second and answer; 0: as fast as it goes), first_ms=0 (before the first token).
Shape:  tokens=64 (an answer's length where nothing ends it sooner), context=8192, slots=N (answers at once; without it
as many as are asked for).
Faults: die-after=N, hang-after=N, error-after=N, truncated-json=N, garbage-event=N (counted in token events, the first
is 1), refuse-start, http-500, busy-503 (no value), slow-start=MS.
Memory: memory=MIB (takes so many MiB beside what its program takes), says=MIB (says beforehand that it takes so many).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from freehold.core.errors import BadReferenceError
from freehold.core.names import nearest
from freehold.core.refs import FakeRef

TOKENS_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class FakeOptions:
    """`*_after` and `*_at` count token events within one answer, from 1; None is never. Times are in milliseconds.
    `slots` None is without bound."""

    rate_per_s: float = 0.0
    tokens: int = 64
    first_ms: int = 0
    context_tokens: int = 8192
    die_after: int | None = None
    hang_after: int | None = None
    error_after: int | None = None
    truncated_json_at: int | None = None
    garbage_event_at: int | None = None
    refuse_start: bool = False
    slow_start_ms: int = 0
    http_500: bool = False
    busy_503: bool = False
    slots: int | None = None
    memory_mib: int = 0
    says_mib: int | None = None


def read(ref: FakeRef) -> FakeOptions:
    """The options of `ref`. Raises BadReferenceError that names every one that is wrong."""
    values: dict[str, float | bool] = {}
    problems: list[str] = []
    for name, text in ref.options:
        if name not in _OPTIONS:
            guess = nearest(name, _OPTIONS)
            problems.append(f"{name} is not an option" + (f" (nearest: {', '.join(guess)})" if guess else ""))
            continue
        field, reader = _OPTIONS[name]
        if field in values:
            problems.append(f"{name} is given twice")
        try:
            values[field] = reader(text)
        except ValueError as error:
            problems.append(f"{name} must be {error}, not {text!r}")
    if problems:
        raise BadReferenceError(
            f"The reference {str(ref)!r} has {len(problems)} wrong {'option' if len(problems) == 1 else 'options'}: "
            f"{'; '.join(problems)}.",
            hint=f"The fake engine has: {', '.join(_OPTIONS)}.",
            reference=str(ref),
        )
    return FakeOptions(**values)  # type: ignore[arg-type]  # each value is of its field's type, by the table below


def _number(low: float, high: float) -> Callable[[str], float]:
    def reader(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return value

    return reader


def _whole(low: int, high: int) -> Callable[[str], int]:
    def reader(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return reader


def _flag(text: str) -> bool:
    if text not in {"", "1"}:
        raise ValueError("without a value")
    return True


_EVENT = _whole(1, TOKENS_LIMIT)
_OPTIONS: dict[str, tuple[str, Callable[[str], float | bool]]] = {
    "rate": ("rate_per_s", _number(0, 1_000_000)),
    "tokens": ("tokens", _whole(1, TOKENS_LIMIT)),
    "first_ms": ("first_ms", _whole(0, 600_000)),
    "context": ("context_tokens", _whole(16, 2**31 - 1)),
    "die-after": ("die_after", _EVENT),
    "hang-after": ("hang_after", _EVENT),
    "error-after": ("error_after", _EVENT),
    "truncated-json": ("truncated_json_at", _EVENT),
    "garbage-event": ("garbage_event_at", _EVENT),
    "refuse-start": ("refuse_start", _flag),
    "slow-start": ("slow_start_ms", _whole(0, 600_000)),
    "http-500": ("http_500", _flag),
    "busy-503": ("busy_503", _flag),
    "slots": ("slots", _whole(1, 1024)),
    "memory": ("memory_mib", _whole(0, 2**20)),
    "says": ("says_mib", _whole(0, 2**20)),
}
