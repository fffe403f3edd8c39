"""What the micro-benchmark found of one machine with one engine: the seconds that the parts of an answer cost there.

A record belongs to the machine and the engine it was taken with, and is used for no other; `read` says in a line why
there is none. Nothing is measured here, and nothing written: `encoded` is what belongs into the file at `kept_at`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freehold.core.errors import NewerFormatError
from freehold.core.formats import CALIBRATION
from freehold.core.quantity import Measured, Unknown

_LARGEST_BYTES = 1 << 20
_AGAIN = "`freehold machine --measure` takes a minute to measure it"

ByTokens = Mapping[int, Measured]
"""By how many tokens are computed at once; counts between two of them lie on the line that joins them."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """How undisturbed the machine was. Load is the average of a minute; `disturbed_share` of all windows were thrown
    away because other programs had the processor meanwhile; `spread` is the median, over all figures, of the distance
    between the quartiles over the middle. `noisy` says why the figures are to be doubted, None where they are not."""

    load_before: float
    load_after: float
    disturbed_share: float
    spread: float
    noisy: str | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """All times in seconds, with `threads` threads, which were the fastest of those tried (`by_threads`, passes a
    second).

    One pass of the engine over a batch takes `pass_s`; `node_s` for each operation of its graph; `width_s` for each
    number that goes into or comes out of a matrix product, of every token but one; `weights` for each weight of a
    type, by tokens at once; `attention` for each head to look at one held token, by the cache's type, the size of a
    head (keys and values together) and tokens at once; `vocabulary_s` for each entry of the vocabulary; `sequence_s`
    for each sequence it goes on with, and `sampling_s` for each entry that each of them may choose. `bandwidth` is
    bytes/s at which memory is read, by threads.
    """

    fingerprint: str
    engine: str
    on: str
    threads: int
    bandwidth: Mapping[int, Measured]
    by_threads: Mapping[int, Measured]
    pass_s: Measured
    node_s: Measured
    width_s: Measured
    vocabulary_s: Measured
    sequence_s: Measured
    sampling_s: Measured
    weights: Mapping[str, ByTokens]
    attention: Mapping[str, Mapping[int, ByTokens]]
    quiet: Quiet


class OlderRecordError(ValueError):
    """A record whose figures do not mean what they mean now."""


def kept_at(home: Path, fingerprint: str) -> Path:
    """Where the record of that machine lies: homes may be shared by several."""
    return home / "machines" / f"{fingerprint}.json"


def read(home: Path, *, fingerprint: str, engine: str) -> Calibration | Unknown:
    """The record of this machine with this engine, or why there is none."""
    path = kept_at(home, fingerprint)
    try:
        with path.open("rb") as file:
            found = decoded(file.read(_LARGEST_BYTES))
    except FileNotFoundError:
        return Unknown(f"this machine was not measured: {_AGAIN}")
    except OSError as error:
        return Unknown(f"{path} cannot be read ({error.strerror})")
    except NewerFormatError:
        return Unknown(f"{path} was written by a newer Freehold: update this one, or {_AGAIN}")
    except OlderRecordError:
        return Unknown(f"{path} was written by an older Freehold, which timed attention in another way: {_AGAIN}")
    except ValueError as error:
        return Unknown(f"{path} is damaged ({error}): {_AGAIN}")
    if found.fingerprint != fingerprint:
        return Unknown(f"{path} was measured on another machine ({found.fingerprint}): {_AGAIN}")
    if found.engine != engine:
        return Unknown(f"this machine was measured with {found.engine}, and {engine} runs now: {_AGAIN}")
    return found


def encoded(calibration: Calibration) -> bytes:
    """As it is kept: JSON with stable keys."""
    return json.dumps({"format": CALIBRATION.newest, **_plain(calibration)}, indent=1).encode()


def decoded(data: bytes) -> Calibration:
    """What `encoded` wrote. Raises OlderRecordError, NewerFormatError, and ValueError that says where it is something
    else."""
    try:
        fields = json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(fields, dict):
        raise ValueError("it is no record")
    if CALIBRATION.require(fields.get(CALIBRATION.member), "it") < CALIBRATION.newest:
        raise OlderRecordError
    fields = CALIBRATION.newest_of(fields, "it")
    names = {field.name for field in dataclasses.fields(Calibration)}
    if fields.keys() != names:
        raise ValueError(f"it lacks or has too much: {', '.join(sorted(fields.keys() ^ names))}")
    read_as: dict[str, Callable[[Any], Any]] = {
        **dict.fromkeys(("fingerprint", "engine", "on"), _text),
        **dict.fromkeys(("pass_s", "node_s", "width_s", "vocabulary_s", "sequence_s", "sampling_s"), _measured),
        **dict.fromkeys(("bandwidth", "by_threads"), _by_count),
        "threads": _count,
        "weights": lambda value: {name: _by_count(each) for name, each in _table(value).items()},
        "attention": lambda value: {
            name: {_count(int(size)): _by_count(each) for size, each in _table(sizes).items()}
            for name, sizes in _table(value).items()
        },
        "quiet": _quiet,
    }
    try:
        return Calibration(**{name: read_as[name](value) for name, value in fields.items()})
    except (TypeError, KeyError) as error:
        raise ValueError(f"a field is of another shape: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Measured):
        return [value.value, value.low, value.high, value.runs, value.on]
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return value


def _measured(value: Any) -> Measured:
    middle, low, high, runs, on = value
    if not 0 <= _number(low) <= _number(middle) <= _number(high):
        raise ValueError(f"{low}, {middle} and {high} are not the lowest, the middle and the highest of a measurement")
    return Measured(middle, low, high, _count(runs), _text(on))


def _by_count(value: Any) -> dict[int, Measured]:
    return {
        _count(int(key)): _measured(each) for key, each in sorted(_table(value).items(), key=lambda row: int(row[0]))
    }


def _quiet(value: Any) -> Quiet:
    found = Quiet(**_table(value))
    for name in ("load_before", "load_after", "disturbed_share", "spread"):
        _number(getattr(found, name))
    if found.noisy is not None:
        _text(found.noisy)
    return found


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise TypeError(f"{value!r} is not a table with something in it")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is not a count")
    return value


def _number(value: Any) -> float:
    if type(value) not in {int, float} or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)
