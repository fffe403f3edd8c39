"""Asks a worker as a client would, streaming, and takes the time of each part of the answer."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from freehold.core.errors import EngineError
from freehold.core.ports import Upstream

if TYPE_CHECKING:
    import aiohttp

ANSWER_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer: its text, how many tokens each way, and when it began and ended (seconds, `time.perf_counter`)."""

    text: str
    prompt_tokens: int
    answer_tokens: int
    asked_at: float
    began_at: float
    ended_at: float


class Asker:
    """One client of one worker. Use it as a context; its connections are closed on leaving."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def __aenter__(self) -> Asker:
        import aiohttp

        path = self._upstream.socket_path
        # llama.cpp closes a connection after a stream without saying that it will.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path, limit=0, force_close=True)
            if path
            else aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S),
            headers={"Accept-Encoding": "identity", **self._upstream.headers},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def complete(self, prompt: str, tokens: int) -> Answered:
        """`prompt` continued by `tokens` tokens, the likeliest each time, not ending early. Raises EngineError."""
        asked_at = time.perf_counter()
        began_at = 0.0
        pieces: list[str] = []
        usage: dict[str, Any] = {}
        body = {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "stream": True}
        async for event in self._events({**body, "stream_options": {"include_usage": True}}):
            usage = event.get("usage") or usage
            for choice in event.get("choices", ()):
                began_at = began_at or time.perf_counter()
                pieces.append(choice.get("text") or "")
        ended_at = time.perf_counter()
        counted = usage.get("completion_tokens")
        if not isinstance(counted, int) or counted < 1 or not began_at:
            raise self._odd("an answer without a count of its tokens")
        return Answered("".join(pieces), usage.get("prompt_tokens", 0), counted, asked_at, began_at, ended_at)

    async def first_log_probability(self, prompt: str) -> float | None:
        """The log probability of the likeliest first token after `prompt`; None where the engine does not say."""
        others = int(self._upstream.capabilities.top_logprobs)
        body = {"prompt": prompt, "max_tokens": 1, "temperature": 0, "logprobs": others}
        async with self._post(body) as answer:
            said = await answer.json()
        try:
            log_probabilities = said["choices"][0]["logprobs"]
            if "content" in log_probabilities:  # llama.cpp answers the older route in the newer shape
                return float(log_probabilities["content"][0]["logprob"])
            return float(log_probabilities["token_logprobs"][0])
        except (KeyError, IndexError, TypeError, ValueError):
            return None

    async def _events(self, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        async with self._post(body) as answer:
            async for line in answer.content:
                data = line.strip().removeprefix(b"data:").strip()
                if not line.startswith(b"data:") or data == b"[DONE]":
                    continue
                event = json.loads(data)
                if "error" in event:
                    raise self._odd(f"an error: {event['error']}")
                yield event

    @asynccontextmanager
    async def _post(self, body: dict[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
        import aiohttp

        url = f"{self._upstream.base_url}/completions"
        whole = {"model": self._upstream.model, **body}
        try:
            async with self._session.post(url, json=whole, raise_for_status=True) as answer:
                yield answer
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise self._odd(f"no answer that can be read ({error!r})") from error

    def _odd(self, what: str) -> EngineError:
        return EngineError(f"{self._upstream.engine} gave {what}.", hint="Its log is beside those of other workers.")
