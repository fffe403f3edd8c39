"""Asks an Upstream as the gateway does, and gives what came back, undigested."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from freehold.core.ports import Upstream

LONGEST_WAIT_S = 20.0


def session(upstream: Upstream) -> aiohttp.ClientSession:
    """A client for `upstream`, its key included."""
    connector = aiohttp.UnixConnector(upstream.socket_path) if upstream.socket_path else aiohttp.TCPConnector()
    headers = {"accept-encoding": "identity", **upstream.headers}
    return aiohttp.ClientSession(connector=connector, headers=headers)


async def call(upstream: Upstream, path: str, body: Mapping[str, Any] | bytes | None = None) -> tuple[int, Any]:
    """Status and JSON of one call; `path` stands after the base, or at the root where it begins with `//`."""
    base = upstream.base_url.removesuffix("/v1") if path.startswith("//") else upstream.base_url
    url = base + path.removeprefix("/") if path.startswith("//") else base + path
    async with session(upstream) as client:
        if body is None:
            async with client.get(url) as answer:
                return answer.status, await answer.json(content_type=None)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with client.post(url, data=raw, headers={"content-type": "application/json"}) as answer:
            return answer.status, await answer.json(content_type=None)


async def stream(upstream: Upstream, path: str, body: Mapping[str, Any]) -> list[Any]:
    """Every event's data of a stream, parsed; `[DONE]` as that string. Fails where the status is not 200."""
    asked = {**body, "model": upstream.model, "stream": True}
    async with session(upstream) as client, client.post(upstream.base_url + path, json=asked) as answer:
        assert answer.status == 200, await answer.text()
        raw = (await answer.read()).decode()
    events = [event for event in raw.split("\n\n") if event]
    assert all(event.startswith("data: ") for event in events), events
    return [event[6:] if event == "data: [DONE]" else json.loads(event[6:]) for event in events]


def text_of(chunks: list[Any]) -> str:
    """What the first choice of a chat stream says."""
    pieces = [choice["delta"].get("content") or "" for choice in choices(chunks) if choice["index"] == 0]
    return "".join(pieces)


def choices(chunks: list[Any]) -> list[Any]:
    return [choice for chunk in chunks if chunk != "[DONE]" for choice in chunk["choices"]]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until `condition` holds; fails where it never does."""
    async with asyncio.timeout(LONGEST_WAIT_S):
        while not await condition():  # noqa: ASYNC110  # the condition is another process's state: nothing sets an event
            await asyncio.sleep(0.02)
