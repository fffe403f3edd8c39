"""Bundles, made and opened with the settings of this folder and environment."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from freehold.app import build_house
from freehold.catalog import Catalog
from freehold.core.ports import Progress
from freehold.core.refs import parse
from freehold.core.settings import load
from freehold.python.held import store
from freehold.store.bundles.making import Made, Wheels, make
from freehold.store.bundles.opening import Opened as Opened
from freehold.store.bundles.opening import open_bundle
from freehold.store.bundles.packing import refuse_existing
from freehold.store.bundles.wheels import collect
from freehold.store.candidate import Candidate, of_deed, unread_of
from freehold.store.deeds.record import Deed

if TYPE_CHECKING:
    from freehold.catalog.policy import Verdict


def make_bundle(
    names: Sequence[str],
    out: Path,
    *,
    with_wheels: bool,
    wheels_from: Path | None,
    progress: Progress,
    replace: bool = False,
) -> Made:
    """Pack held builds into one file at `out`. Each is looked at first, as before an engine opens it. `replace`: a file
    that is there already goes.

    Raises NotFoundError, what `Store.find` raises, CallError, SourceError for the wheels, StoreError.
    """
    refuse_existing(out, replace=replace)  # before anything is hashed or fetched
    house = store()
    house.keys.require_signer()
    builds = [house.find(parse(name)) for name in names]
    if not with_wheels:
        return make(builds, None, out, store=house, progress=progress, replace=replace)
    with tempfile.TemporaryDirectory(prefix="freehold-wheels-") as folder:
        progress.note("Fetching the wheels that run this Freehold.")
        wheels = Wheels(Path(folder), collect(Path(folder), found_in=wheels_from))
        return make(builds, wheels, out, store=house, progress=progress, replace=replace)


def take_in(path: Path, *, trust: str | None, wheels_to: Path | None, progress: Progress) -> Opened:
    """Take the builds of a bundle into the store, if the house's policy takes each of them. Raises what `open_bundle`
    raises, and PolicyError."""
    settings = load()
    house = build_house(settings)

    door = f"bundle open {shlex.quote(str(path))} --override"

    def permit(deed: Deed, vouched: bool) -> Verdict:
        asked = of_deed(deed, house.catalog) if vouched else _by_bytes(deed, house.catalog)
        verdict = house.permits.require(house.permits.of_candidate(asked, settings), settings, door)
        if verdict.decision != "allow":
            progress.note(verdict.line)
        return verdict

    return open_bundle(
        path,
        store=house.store,
        catalog=house.catalog,
        progress=progress,
        trust=trust,
        wheels_to=wheels_to,
        permit=permit,
    )


def _by_bytes(deed: Deed, catalog: Catalog) -> Candidate:
    """What is judged of a deed that nobody signed whom the house trusts: the bytes, and nothing it says of them."""
    entry = catalog.by_sha256(deed.files[0].sha256) if len(deed.files) == 1 else None
    model, asked = (entry.model if entry else None), deed.statement.origin.asked
    return Candidate(asked, model, None, entry is not None, unread=unread_of(deed))
