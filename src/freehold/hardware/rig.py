"""What a model could be run on, here or described: places with memory, and how fast each is. Records only.

`fit` sees nothing else of a machine, so that one that exists only as a sentence is planned for like the one at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from freehold.core.quantity import Quantity

ONE_AFTER_THE_OTHER = (
    "Layers are placed on accelerators one after the other: several of them add memory, and no speed for one request."
)
"""How the engine splits a build by default, and what is planned: a pass goes through one place at a time."""

PlaceKind = Literal["host", "gpu", "unified"]
"""`host` is the processor and its memory; `unified` is a processor and an accelerator that share theirs."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place that layers can live in. `device` is its key in the table of devices, None where it is in no table.

    `memory_bytes` is all it has, `usable_bytes` what is free of it now, less what the system keeps. What an engine
    itself takes of an accelerator is not left out here: `fit` leaves a margin for it. Bandwidth is bytes/s that
    weights are read at; `compute` is operations/s by precision (`fp16`, `int8` …); `link` is bytes/s one way, to the
    neighbor it is fastest with; unknown where nobody has said. Of a described place each is Estimated, and its `high`
    is the data sheet's own figure, which nothing exceeds. `no_engine`: why no engine here runs on it.
    """

    name: str
    kind: PlaceKind
    memory_bytes: int
    usable_bytes: int
    bandwidth: Quantity
    compute: Mapping[str, Quantity] = field(default_factory=dict)
    link: Quantity | None = None
    device: str | None = None
    no_engine: str | None = None


@dataclass(frozen=True, slots=True)
class Rig:
    """`places`, accelerators first, the host last. `here` is true of this machine only. `fingerprint` names the
    machine that measurements belong to, None for one that is described.

    A computer whose accelerator shares its memory has that one `unified` place, which is its host too. A described
    machine whose memory nobody named has a host of 0 bytes: nothing is planned there. `notes` say what was assumed.
    """

    name: str
    places: tuple[Place, ...]
    cores: float | None
    here: bool
    fingerprint: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def host_is_known(self) -> bool:
        return self.host.memory_bytes > 0

    @property
    def host(self) -> Place:
        return self.places[-1]

    @property
    def accelerators(self) -> tuple[Place, ...]:
        return self.places[:-1]
