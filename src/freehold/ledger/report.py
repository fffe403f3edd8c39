"""Usage as people ask for it: summed by day, key and endpoint, or by some of them. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal, get_args

from freehold.core.errors import CallError
from freehold.core.names import nearest
from freehold.core.quantity import Estimated, Quantity, Unknown, as_json
from freehold.ledger.usage import UJ_PER_WH, Group, Tallies, Tally

By = Literal["day", "key", "endpoint"]
BY: tuple[By, ...] = get_args(By)
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class UsageAsked:
    """What is asked for: summed `by`, from day `since` to day `until` (both in it, None is open), of one `key` or
    all. Raises CallError where the last day is before the first."""

    by: tuple[By, ...] = BY
    since: date | None = None
    until: date | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if self.since is not None and self.until is not None and self.until < self.since:
            raise CallError(
                f"The time ends on {self.until}, before it begins, on {self.since}.",
                hint=f"Write the earlier day first: since {self.until}, until {self.since}.",
            )

    def wants(self, group: Group) -> bool:
        ordinal = group.day + _EPOCH
        return (
            (self.since is None or self.since.toordinal() <= ordinal)
            and (self.until is None or ordinal <= self.until.toordinal())
            and (self.key is None or group.key == self.key)
        )

    @property
    def since_ms(self) -> int:
        """Nothing that is asked for ended before."""
        return 0 if self.since is None else (self.since.toordinal() - _EPOCH) * 86_400_000


def read_by(text: str) -> tuple[By, ...]:
    """`day,key` as a tuple. Raises CallError for a word that is none of them."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in BY:
            near = nearest(word, BY)
            hint = f"Did you mean {near[0]}?" if near else f"It is summed by {', '.join(BY)}, or by some of them."
            raise CallError(f"Usage is not summed by {word!r}.", hint=hint)
    return tuple(name for name in BY if name in words) or BY


def read_day(text: str) -> date:
    """A day such as 2026-11-30. Raises CallError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CallError(f"{text!r} is no day.", hint="Write it as 2026-11-30.") from None


def rows(tallies: Tallies, asked: UsageAsked) -> list[dict[str, Any]]:
    """One row for each sum, in order: `day`, `key` and `endpoint` (only those that are summed by), the counts of Tally,
    and `energy_wh` as a quantity."""
    summed: dict[tuple[Any, ...], Tally] = {}
    for group, tally in tallies.items():
        if asked.wants(group):
            named = {"day": group.date, "key": group.key, "endpoint": group.endpoint}
            summed.setdefault(tuple(named[name] for name in asked.by), Tally()).add(tally)
    ordered = sorted(summed.items(), key=lambda item: tuple(each or "" for each in item[0]))
    return [_row(asked.by, values, tally) for values, tally in ordered]


def energy_wh(tally: Tally) -> Quantity:
    """What the requests took in energy, in watt-hours."""
    if not tally.metered:
        return Unknown(
            "no meter told it: this machine has none that can be read, or the requests were too short for it"
        )
    basis = "the counters of processors (RAPL) and cards (NVML), in equal parts for the requests at work at one moment"
    if tally.metered < tally.requests:
        basis += f"; of {tally.metered:,} of {tally.requests:,} requests"
    return Estimated(0.0, tally.energy_most_uj / UJ_PER_WH, basis, tally.energy_uj / UJ_PER_WH)


def _row(by: tuple[By, ...], values: tuple[Any, ...], tally: Tally) -> dict[str, Any]:
    counts = {name: count for name, count in asdict(tally).items() if name not in ("energy_uj", "energy_most_uj")}
    return {**dict(zip(by, values, strict=True)), **counts, "energy_wh": as_json(energy_wh(tally))}
