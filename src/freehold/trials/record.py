"""What a bench found, kept for the machine it was taken on, and read back with nothing taken on trust.

`home/trials/<machine>/<build>.<workload>.json`. A record that is damaged, of another machine or build, or taken with
another release of the engine that won is not used; `Ignored` says why, in a sentence for people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freehold.core.errors import NewerFormatError
from freehold.core.formats import TRIAL
from freehold.store.durable import make_folder, write_whole
from freehold.trials.arms import SETTINGS

LARGEST_BYTES = 2**20
_LARGEST = {"threads": 1024, "slots": 1024, "batch_tokens": 2**16}


@dataclass(frozen=True, slots=True)
class Winner:
    """What to run: `digest` is that of the build that won, which is another than the one asked about where it was made
    from it. `reason` is the sentence that `freehold ps` shows."""

    engine: str
    layout: str
    digest: str
    settings: Mapping[str, int | str]
    reason: str
    taken_on: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """There is a record and it is not used."""

    reason: str


def place(home: Path, fingerprint: str, digest: str, workload: str) -> Path:
    return folder(home, fingerprint) / f"{digest.removeprefix('sha256:')}.{workload}.json"


def folder(home: Path, fingerprint: str) -> Path:
    """Where everything lies that was found on that machine."""
    return _every(home) / fingerprint


def are_there(home: Path) -> bool:
    """Whether anything was found on any machine."""
    return _every(home).is_dir()


def _every(home: Path) -> Path:
    return home / "trials"


def write(home: Path, report: Mapping[str, Any]) -> Path:
    """Keep `report` (`Report.as_json`). Raises StoreError."""
    path = place(home, report["machine"], report["digest"], report["workload"])
    make_folder(path.parent)
    write_whole(path, json.dumps(report, indent=1, ensure_ascii=False).encode() + b"\n")
    return path


def read(
    home: Path, fingerprint: str, digest: str, workload: str, versions: Mapping[str, str]
) -> Winner | Ignored | None:
    """The winner for this build, machine and workload, `versions` being those of the engines that are installed."""
    path = place(home, fingerprint, digest, workload)
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(LARGEST_BYTES))
        data = TRIAL.newest_of(data, str(path))
        found = _winner(data, {"machine": fingerprint, "digest": digest, "workload": workload})
    except NewerFormatError:
        return Ignored(f"the record at {path} was written by a newer Freehold: update this one")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return Ignored(f"the record at {path} cannot be used ({error}): `freehold bench` takes it anew")
    version = versions.get(found.engine)
    if version is None:
        return Ignored(f"{found.engine} was the fastest on {found.taken_on} and is not installed any more")
    if version != data["engines"].get(found.engine):
        return Ignored(f"it was measured with another release of {found.engine}: `freehold bench` measures anew")
    return found


def _winner(data: Any, expected: Mapping[str, Any]) -> Winner:
    """Raises ValueError, KeyError or TypeError for anything but what `write` wrote."""
    for name, value in expected.items():
        if data[name] != value:
            raise ValueError(f"its {name} is {str(data[name])[:80]!r} and not {value!r}")
    winner = data["winner"]
    settings = {name: _checked(name, value) for name, value in winner["settings"].items()}
    texts = {name: winner[name] for name in ("engine", "layout", "digest", "reason")}
    if not all(isinstance(text, str) and len(text) < 1000 for text in (*texts.values(), data["taken_on"])):
        raise ValueError("a text of it is not one")
    if not isinstance(data["engines"], dict):
        raise ValueError("its engines are no table")
    return Winner(**texts, settings=settings, taken_on=data["taken_on"][:10])


def _checked(name: str, value: Any) -> int | str:
    if name not in SETTINGS:
        raise ValueError(f"it sets {str(name)[:80]!r}")
    largest = _LARGEST.get(name)
    if largest is None and isinstance(value, str) and len(value) < 40:
        return value
    if largest is not None and type(value) is int and 1 <= value <= largest:
        return value
    raise ValueError(f"its {name} is {str(value)[:80]!r}")
