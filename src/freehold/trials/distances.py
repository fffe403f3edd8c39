"""How far builds were found to be from their weights in 32 bits, by the benches that this machine keeps.

Nothing of a record is taken on trust: one that is damaged, or of another machine, says nothing. What was measured with
a cache of another type than the usual, or by another engine than llama.cpp, is not what the build itself loses.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from freehold.core.builds import HeldBuild
from freehold.core.errors import NewerFormatError
from freehold.core.formats import TRIAL
from freehold.core.quantity import Measured
from freehold.fit.loss import WHOLE
from freehold.fit.options import Distance
from freehold.trials.record import LARGEST_BYTES, are_there, folder

ENGINE = "llama.cpp"


def distances_here(home: Path, builds: Callable[[], Iterable[HeldBuild]]) -> Callable[[str], Distance | None]:
    """What was measured on this machine of the builds that `builds` gives, by their digests. They are asked for once,
    and only where anything was measured."""

    @functools.cache
    def held() -> Mapping[str, HeldBuild]:
        return {build.digest: build for build in builds()}

    def machine() -> str:
        from freehold.hardware import probe
        from freehold.hardware.fingerprint import fingerprint

        return fingerprint(probe.machine())

    return measured_distances(home, machine, lambda digest: held().get(digest))


def measured_distances(
    home: Path, machine: Callable[[], str], by_digest: Callable[[str], HeldBuild | None]
) -> Callable[[str], Distance | None]:
    """What was measured of a build, by its digest. `machine` gives a fingerprint and `by_digest` finds a held build;
    both are asked when they are needed, and the records read once."""

    @functools.cache
    def rows() -> tuple[_Row, ...]:
        return tuple(_rows(home, machine())) if are_there(home) else ()

    def of(digest: str) -> Distance | None:
        found = [row for row in rows() if row[0] == digest]
        if not found:
            return None
        _, held_against, name, nats = max(found, key=lambda row: row[3].on)
        build = by_digest(held_against)
        whole = build is not None and (build.facts.quantization or "").lower() in WHOLE
        return Distance(nats, name, held_against, whole)

    return of


_Row = tuple[str, str, str, Measured]
"""The digest of a build, the digest and the name of what it was held against, and how far it is."""


def _rows(home: Path, machine: str) -> Iterator[_Row]:
    for path in sorted(folder(home, machine).glob("*.json")):
        try:
            with path.open("rb") as file:
                data = TRIAL.newest_of(json.loads(file.read(LARGEST_BYTES)), str(path))
            rows = list(_of_report(data, machine))
        except (OSError, NewerFormatError, ValueError, KeyError, TypeError, RecursionError):
            continue
        yield from rows


def _of_report(data: Any, machine: str) -> Iterator[_Row]:
    """Raises ValueError, KeyError or TypeError for anything but a report."""
    if data["machine"] != machine:
        raise ValueError("it is of another machine")
    for arm in data["arms"]:
        if arm["engine"] != ENGINE or arm["fidelity"] is None or "cache_type" in arm["settings"]:
            continue
        # A divergence is never below zero; that of hardly different weights may be, by what is rounded.
        nats, error = max(0.0, float(arm["fidelity"]["nats"])), float(arm["fidelity"]["error"])
        if nats < math.inf and 0 <= error < math.inf:  # too few tokens give an error without end
            measured = Measured(nats, max(0.0, nats - error), nats + error, 1, data["taken_on"][:10])
            yield str(arm["digest"]), str(data["digest"]), str(data["build"]), measured
