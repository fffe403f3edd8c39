"""What a bench asks of an engine that takes part in it, and llama.cpp's answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild, Stamp
from freehold.core.ports import Worker
from freehold.core.settings import EngineOptions
from freehold.engines.llamacpp.choices import CACHE_TYPE
from freehold.engines.llamacpp.engine import LlamaCpp
from freehold.engines.llamacpp.metered import meter
from freehold.engines.llamacpp.native import RELEASE
from freehold.engines.llamacpp.repack import REPACKED, making, repacked_bytes, repacking
from freehold.engines.program import WorkerProgram
from freehold.hardware import probe
from freehold.store.derived import derive, made
from freehold.store.store import Store
from freehold.trials.arms import AS_IT_IS, Arm

LONGEST_PASSAGE_TOKENS = 512


class Entrant(Protocol):
    """One engine in a bench. `version` names the release that measurements are of."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str | None:
        """None: it is not installed here."""

    async def arms(self, build: HeldBuild, note: Callable[[str], None], *, repack: bool) -> Sequence[Arm]:
        """Every way it could run `build`, with the settings that tell them apart. With `repack`, builds of it in other
        types that may be faster are made first; without, those that are held take part. `note` hears of it."""

    def worker(self, arm: Arm, options: EngineOptions) -> Worker: ...

    def meter(self, arm: Arm, options: EngineOptions, stamps: Sequence[Stamp]) -> WorkerProgram:
        """The process that tells the distributions that `arm` computes."""


class LlamaEntrant:
    """llama.cpp with the file as it is, and with builds that were repacked from it."""

    name = "llama.cpp"
    version = RELEASE

    def __init__(self, engine: LlamaCpp, store: Store, catalog: Catalog, *, runtime_dir: Path, log_dir: Path) -> None:
        self._engine = engine
        self._store = store
        self._catalog = catalog
        self._folders: Mapping[str, Path] = {"runtime_dir": runtime_dir, "log_dir": log_dir}

    async def arms(self, build: HeldBuild, note: Callable[[str], None], *, repack: bool) -> Sequence[Arm]:
        for old, new in _repackings(build) if repack else ():
            make = repacking(build, old, new, lock="prefer", **self._folders)
            note(f"{build.name} as {new.upper()}, about {repacked_bytes(build, old, new) / 1e6:,.0f} MB")
            await derive(build, making(old, new), make, store=self._store, catalog=self._catalog)
        held = [(new, made(self._store, build, making(old, new))) for old, new in _repackings(build)]
        repacked = [Arm(self.name, new, found, {}) for new, found in held if found is not None]
        return [Arm(self.name, AS_IT_IS, build, {}), *repacked]

    def worker(self, arm: Arm, options: EngineOptions) -> Worker:
        return self._engine.worker(arm.build, arm.options(options))

    def meter(self, arm: Arm, options: EngineOptions, stamps: Sequence[Stamp]) -> WorkerProgram:
        return meter(
            arm.build,
            stamps,
            cache_type=str(arm.settings.get("cache_type") or options.cache_type or CACHE_TYPE),
            threads=threads(options),
            tokens=LONGEST_PASSAGE_TOKENS,
            lock=options.lock,
        )


def threads(options: EngineOptions) -> int:
    """As many as may be used, where nobody set another number."""
    return options.threads or max(1, math.floor(probe.machine().usable_cores))


def _repackings(build: HeldBuild) -> list[tuple[str, str]]:
    old = (build.facts.quantization or "").lower()
    return [(old, new) for new in REPACKED.get(old, ())] if len(build.files) == 1 else []
