"""OpenVINO in a bench: the build in its own form, converted once and kept like any derived build."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from freehold.core.builds import HeldBuild, Stamp
from freehold.core.errors import WorkerStartError
from freehold.core.ports import Worker
from freehold.core.settings import EngineOptions
from freehold.engines.openvino import installed
from freehold.engines.openvino.convert import PROCESSORS
from freehold.engines.openvino.engine import OpenVino
from freehold.engines.program import WorkerProgram
from freehold.trials.arms import Arm
from freehold.trials.entrants import threads

CONVERTED = "converted"


class OpenVinoEntrant:
    """Takes part where it is installed."""

    name = "openvino"

    def __init__(self, engine: OpenVino) -> None:
        self._engine = engine

    @property
    def version(self) -> str | None:
        return installed.version()

    async def arms(self, build: HeldBuild, note: Callable[[str], None], *, repack: bool) -> Sequence[Arm]:
        """The build in OpenVINO's form, without which it can run nothing: made where it is not held."""
        del repack
        try:
            converted = await self._engine.converted(build, EngineOptions())
        except WorkerStartError as error:
            note(f"openvino does not take part: {error.message}")
            return []
        return [Arm(self.name, CONVERTED, converted, {})]

    def worker(self, arm: Arm, options: EngineOptions) -> Worker:
        return self._engine.worker(arm.build, arm.options(options))

    def meter(self, arm: Arm, options: EngineOptions, stamps: Sequence[Stamp]) -> WorkerProgram:
        build = arm.build
        return WorkerProgram(
            engine=self.name,
            build=build.name,
            entry=("-m", "freehold.engines.openvino.meter"),
            config={
                "folder": str(build.files[0].parent),
                "confirmed": [[str(path), *stamp] for path, stamp in zip(build.files, stamps, strict=True)],
                "threads": threads(options),
            },
            read=(*build.files, PROCESSORS),
            lock=options.lock,
        )
