"""Who plans for this machine: as it is now, by what was measured of it, without what the house's workers use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from freehold.catalog import Catalog
from freehold.core.quantity import Unknown
from freehold.hardware import calibration, measured_speeds
from freehold.hardware.calibration import Calibration
from freehold.hardware.rig import Rig
from freehold.planning.planner import Planner


def planner_here(catalog: Catalog, home: Path, taken_bytes: int) -> Planner:
    """Plans for this machine. `taken_bytes` are weights that workers have mapped: the kernel counts their pages as
    available, and they are in use."""
    from freehold.hardware import here, probe  # what looks at a machine is not needed for one that is described

    return planner_of(catalog, without(here.rig(probe.machine()), taken_bytes), home)


def planner_of(catalog: Catalog, rig: Rig, home: Path) -> Planner:
    """Plans for `rig`, by the measurements of it that `home` keeps."""
    if rig.fingerprint is None:
        return Planner(catalog, rig, Unknown("a machine that is described was not measured"))
    from freehold.engines.llamacpp.identity import engine_id

    engine = engine_id()
    ran = [row for row in measured_speeds.read(home, rig.fingerprint) if row.way.engine == engine]
    found = calibration.read(home, fingerprint=rig.fingerprint, engine=engine)
    return Planner(catalog, _doubted(rig, found), found, ran)


def _doubted(rig: Rig, found: Calibration | Unknown) -> Rig:
    """`rig` with a note where its measurement is to be doubted: what follows from it is off by more than it says."""
    if isinstance(found, Unknown) or found.quiet.noisy is None:
        return rig
    note = (
        f"It was measured while {found.quiet.noisy}, so that its speeds are to be doubted: measure it again when quiet."
    )
    return replace(rig, notes=(*rig.notes, note))


def without(rig: Rig, taken_bytes: int) -> Rig:
    """`rig` with less of its host's memory to take."""
    host = rig.host
    left = max(0, host.usable_bytes - taken_bytes)
    return replace(rig, places=(*rig.accelerators, replace(host, usable_bytes=left)))
