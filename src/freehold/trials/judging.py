"""Says of each way of running how faithful it is: measured once for each arithmetic, or why that cannot be.

Where the reference itself cannot be run, nobody can tell how far anything is from it. Then only what computes as
llama.cpp does on the same file is known to be as faithful as that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from freehold.core.errors import EngineError
from freehold.core.settings import EngineOptions
from freehold.engines.llamacpp.metered import cannot_be_referred_to, meter
from freehold.engines.metering import Meter, metering
from freehold.engines.program import WorkerProgram
from freehold.hardware import probe
from freehold.store.store import Store
from freehold.trials.arms import Arm
from freehold.trials.bar import SERVED_LIMIT, Bar
from freehold.trials.entrants import LONGEST_PASSAGE_TOKENS, Entrant, threads
from freehold.trials.fidelity import Fidelity, said
from freehold.trials.measuring import Compared, Passage, compared, reference

REFERENCE = "the same weights unpacked to float32, run by llama.cpp with float32 activations, cache and attention"


class Judge:
    """For one build. `own` is llama.cpp on the file as it is. `note` hears what is being measured."""

    def __init__(
        self,
        own: Arm,
        options: EngineOptions,
        entrants: Mapping[str, Entrant],
        store: Store,
        folders: Mapping[str, Path],
        note: Callable[[str], None],
    ) -> None:
        self._own = own
        self._options = options
        self._entrants = entrants
        self._store = store
        self._folders = folders
        self._note = note
        self._found: dict[tuple[object, ...], Compared | str] = {}
        self._served: dict[tuple[object, ...], float] = {}
        self.passages: Sequence[Passage] = ()
        self.why_not: str | None = None

    async def refer(self, texts: Sequence[str]) -> None:
        """Take the reference's distributions over `texts`, or find out why that cannot be."""
        build = self._own.build
        self.why_not = cannot_be_referred_to(build, probe.machine().memory_available_bytes)
        if self.why_not is not None:
            self._note(f"The reference cannot be run: {self.why_not}.")
            return
        self._note("the reference: float32 on the same weights")
        program = meter(
            build,
            self._store.confirm(build),
            float32=True,
            threads=threads(self._options),
            tokens=LONGEST_PASSAGE_TOKENS,
            lock=self._options.lock,
        )
        try:
            found = await reference(lambda: self._metering(program), texts, longest_tokens=LONGEST_PASSAGE_TOKENS)
        except EngineError as error:
            self.why_not = f"the reference did not run: {error.message}"
            self._note(self.why_not)
        else:
            self.passages = found

    async def compare(self, arms: Sequence[Arm]) -> None:
        """Measure every arithmetic of `arms` that was not measured yet; nothing where there is no reference."""
        for arm in arms:
            if self.passages and arm.arithmetic not in self._found:
                self._note(f"how faithful: {arm.name}")
                self._found[arm.arithmetic] = await self._compare(arm)

    def hear(self, arm: Arm, firsts: Sequence[float] | None) -> None:
        """Compare what the server of `arm` said of first tokens with what was measured beside it."""
        found = self._found.get(arm.arithmetic)
        if firsts is not None and isinstance(found, Compared):
            gaps = [abs(served - measured) for served, measured in zip(firsts, found.firsts, strict=True)]
            self._served[arm.arithmetic] = max(gaps)

    def fidelity(self, arm: Arm) -> Fidelity | None:
        found = self._found.get(arm.arithmetic)
        if not isinstance(found, Compared):
            return None
        return said(found.distances, served=self._served.get(arm.arithmetic))

    def unknown(self, arm: Arm) -> str | None:
        """Why the fidelity of `arm` is not known; None where it is."""
        found = self._found.get(arm.arithmetic)
        return self.why_not or (found if isinstance(found, str) else None)

    def unfit(self, arm: Arm, bar: Bar) -> str | None:
        """Why `arm` must not be chosen; None where it may be."""
        as_own = arm.arithmetic == self._own.arithmetic
        found, own = self._found.get(arm.arithmetic), self._found.get(self._own.arithmetic)
        if not isinstance(found, Compared) or not isinstance(own, Compared):
            if as_own and bar.nats is None:
                return None
            return f"nobody can tell how faithful it is: {self.unknown(arm) or self.unknown(self._own)}"
        gap = self._served.get(arm.arithmetic, 0.0)
        if gap > SERVED_LIMIT:
            return f"its server computes otherwise than was measured: first tokens differ by up to {gap:.2f} nats"
        return bar.fails(found.distances, own.distances)

    async def _compare(self, arm: Arm) -> Compared | str:
        try:
            program = self._entrants[arm.engine].meter(arm, self._options, self._store.confirm(arm.build))
            return await compared(lambda: self._metering(program), self.passages)
        except EngineError as error:
            return error.message

    def _metering(self, program: WorkerProgram) -> AbstractAsyncContextManager[Meter]:
        return metering(program, **self._folders)
