"""Times what a running worker does, as it says itself: a step of sequences that generate together, and a prompt.

The tokens are drawn, not written by anybody; nothing of the answers is used but the engine's own `timings`. The client
sleeps while the engine computes, so it takes next to nothing of the processor that is measured.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from freehold.core.errors import UpstreamError
from freehold.engines.llamacpp.gauge.disturbance import Watch, Window

_FIRST_TOKEN, _LAST_TOKEN = 300, 30_000
"""Drawn from between: lower ones are control tokens and bytes in most vocabularies."""


class Timing:
    """Asks one worker, at its socket; `pid` is its process, `vocabulary` how many tokens it knows."""

    def __init__(self, session: Any, *, pid: int, vocabulary: int) -> None:
        self._session = session
        self._process = Path(f"/proc/{pid}")
        self._last = min(vocabulary, _LAST_TOKEN)

    async def hold(self, useds: Sequence[int]) -> None:
        """Let each slot, from the first on, read so many tokens, so that `step` finds them in its cache."""
        for slot, used_tokens in enumerate(useds):
            await self._ask(slot, self._drawn(used_tokens, slot), generate=1)

    async def step(self, useds: Sequence[int], *, steps: int) -> Window:
        """Seconds of one step in which the sequence of each slot gets a token, over `steps` of them, after `hold`; the
        slowest sequence's mean."""

        async def all_of_them() -> float:
            asked = (self._ask(slot, self._drawn(used, slot), generate=steps + 1) for slot, used in enumerate(useds))
            return max(float(answer["predicted_ms"]) for answer in await asyncio.gather(*asked)) / steps / 1e3

        return await self._watched(all_of_them)

    async def prompt(self, tokens: int, *, number: int) -> Window:
        """Seconds to read a prompt of `tokens` that is not in the cache; `number` makes it another one."""

        async def read() -> float:
            answer = await self._ask(0, self._drawn(tokens, 1000 + number), generate=1, cache_prompt=False)
            return float(answer["prompt_ms"]) / 1e3

        return await self._watched(read)

    async def embed(self, tokens: int) -> None:
        """Ask for the embedding of so many tokens: from then on every token of a batch has an output."""
        body = {"input": self._drawn(tokens, 2000)}
        async with self._session.post("http://worker/v1/embeddings", json=body) as answer:
            said = await answer.read()
        if answer.status != 200:
            raise UpstreamError(f"The engine would embed nothing: {said[:200]!r}", http_status=answer.status)

    def peak_bytes(self) -> int | None:
        """The most of memory that the process has held at once (proc(5), VmHWM); None where the system does not say."""
        try:
            lines = (self._process / "status").read_text().splitlines()
        except OSError:
            return None
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)

    async def _watched(self, ask: Callable[[], Coroutine[Any, Any, float]]) -> Window:
        watch = Watch(self._process)
        seconds = await ask()
        return Window(seconds, watch.waited_share())

    async def _ask(self, slot: int, prompt: list[int], *, generate: int, cache_prompt: bool = True) -> dict[str, Any]:
        body = {"prompt": prompt, "n_predict": generate, "id_slot": slot, "ignore_eos": True}
        async with self._session.post(
            "http://worker/completion", json={**body, "cache_prompt": cache_prompt}
        ) as answer:
            said = await answer.json()
        if answer.status != 200:
            raise UpstreamError(f"The engine would not be timed: {said}", http_status=answer.status)
        found: dict[str, Any] = said["timings"]
        return found

    def _drawn(self, count: int, seed: int) -> list[int]:
        source = random.Random(seed)  # noqa: S311 - prompts of no meaning
        return [source.randrange(_FIRST_TOKEN, self._last) for _ in range(count)]


@asynccontextmanager
async def timing_of(socket_path: str, *, pid: int, vocabulary: int) -> AsyncIterator[Timing]:
    """The way to ask the worker that listens there."""
    import aiohttp

    connector = aiohttp.UnixConnector(socket_path, limit=0)
    wait = aiohttp.ClientTimeout(total=None)
    headers = {"Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=wait) as session:
        yield Timing(session, pid=pid, vocabulary=vocabulary)
