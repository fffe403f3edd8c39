"""Repointing endpoints without dropping a request, whether or not memory holds the old model and the new one at once.

Where it does, the new worker is ready before its endpoint moves, and the old one goes when its last request has ended.
Where it does not, requests wait at a gate while the old one ends its last request and goes, and the new one comes; then
they go where their endpoint points. If the new one does not come they go to the old one, which is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from freehold.core.errors import FreeholdError, WorkerStartError
from freehold.gateway.endpoints import EndpointTable, Target
from freehold.gateway.memory import words
from freehold.gateway.pool import WorkerPool


@dataclass(slots=True)
class _Gate:
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    waiters: int = 0


class Mover:
    """Of one gateway. `moving` says what each endpoint is being moved to now, by its name."""

    def __init__(self, pool: WorkerPool) -> None:
        self.moving: dict[str, str] = {}
        self._pool = pool
        self._gates: dict[str, _Gate] = {}
        self._loading: set[asyncio.Task[None]] = set()

    def note(self, name: str) -> str | None:
        """What is being done with endpoint `name`, if anything."""
        if name not in self.moving:
            return None
        wait = ", and requests wait for that: memory does not hold both" if name in self._gates else ""
        return f"being moved to {self.moving[name]}{wait}"

    def is_shut(self, name: str) -> bool:
        return name in self._gates

    async def passed(self, name: str) -> None:
        """Wait until endpoint `name` points where it will. Raises LoadingError where that takes too long, or too many
        wait already."""
        gate, memory = self._gates[name], self._pool.settings
        if gate.waiters >= memory.waiting:
            raise words.moving_for_many(name, gate.waiters)
        gate.waiters += 1
        try:
            await asyncio.wait_for(gate.opened.wait(), memory.wait_s)
        except TimeoutError as error:
            raise words.moving(name) from error
        finally:
            gate.waiters -= 1

    @asynccontextmanager
    async def moved(self, old: EndpointTable, new: EndpointTable, names: Iterable[str]) -> AsyncIterator[None]:
        """The workers that `names` need in `new` are ready: within the block `new` is to be put in force. Raises what
        their starts raise; then all is as it was in `old`."""
        moves = {name: (old.targets[name], new.targets[name]) for name in names}
        self.moving = {name: target.reference for name, (_, target) in moves.items()}
        going: set[Target] = set()
        try:
            rest = await self._beside(moves)
            going = {moves[name][0] for name in rest} - set(new.targets.values())
            # Also endpoints that go, or that are moved where there is room, must not keep one that is to go at work.
            self._gates = {name: _Gate() for name, target in old.targets.items() if name in rest or target in going}
            for target in going:
                self._pool.retire(target)
            for name in rest:
                await self._pool.post(moves[name][1]).brought()
            yield
        except BaseException:
            self._pool.keep_only(old.targets.values())
            self.bring_soon(*going)
            raise
        finally:
            self.moving = {}
            for gate in self._gates.values():
                gate.opened.set()
            self._gates.clear()

    def bring_soon(self, *targets: Target) -> None:
        """Load `targets` in the background, in order; only a pinned one makes others go. What fails is kept by its
        post: who asks for it is told."""
        task = asyncio.create_task(self._bring(targets), name="preload")
        self._loading.add(task)
        task.add_done_callback(self._loading.discard)

    async def close(self) -> None:
        """Wait until nothing is brought any more; the pool is closed already."""
        if self._loading:
            await asyncio.wait(self._loading)

    async def _beside(self, moves: dict[str, tuple[Target, Target]]) -> list[str]:
        """Bring what there is room for beside the old; gives the names of the rest."""
        rest: list[str] = []
        with self._pool.sparing([before for before, _ in moves.values()]):
            for name, (_, target) in moves.items():
                post = self._pool.post(target)
                if await self._pool.fits_beside(post, evicting=True):
                    await post.brought()
                else:
                    rest.append(name)
        return rest

    async def _bring(self, targets: Iterable[Target]) -> None:
        for target in targets:
            if self._pool.keeper.closing:
                return
            post = self._pool.post(target)
            try:
                fits = await self._pool.fits_beside(post, evicting=post.resident.pinned)
            except WorkerStartError as error:
                self._pool.refused(post, error)
                continue
            if not fits:
                why = "no memory is left to load it before somebody asks"
                self._pool.keeper.life.tell("refused", target.reference, why)
                continue
            with contextlib.suppress(FreeholdError):
                await post.brought()
