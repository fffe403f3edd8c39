"""Bundles, made and opened with the settings of this folder and environment."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from freehold.catalog import Catalog
from freehold.core.ports import Progress
from freehold.core.refs import parse
from freehold.python.held import store
from freehold.store.bundles.making import Made, Wheels, make
from freehold.store.bundles.opening import Opened, open_bundle
from freehold.store.bundles.wheels import collect


def make_bundle(
    names: Sequence[str], out: Path, *, with_wheels: bool, wheels_from: Path | None, progress: Progress
) -> Made:
    """Pack held builds into one file at `out`. Each is looked at first, as before an engine opens it.

    Raises NotFoundError, what `Store.find` raises, CallError, SourceError for the wheels, StoreError.
    """
    house = store()
    house.keys.require_signer()
    builds = [house.find(parse(name)) for name in names]
    if not with_wheels:
        return make(builds, None, out, store=house, progress=progress)
    with tempfile.TemporaryDirectory(prefix="freehold-wheels-") as folder:
        progress.note("Fetching the wheels that run this Freehold.")
        wheels = Wheels(Path(folder), collect(Path(folder), found_in=wheels_from))
        return make(builds, wheels, out, store=house, progress=progress)


def take_in(path: Path, *, trust: str | None, wheels_to: Path | None, progress: Progress) -> Opened:
    """Take the builds of a bundle into the store. Raises what `open_bundle` raises."""
    house = store()
    return open_bundle(path, store=house, catalog=Catalog.load(), progress=progress, trust=trust, wheels_to=wheels_to)
