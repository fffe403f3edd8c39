"""Sends one request to its engine, in the form that this engine takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp

from freehold.core.ports import Upstream
from freehold.gateway import requests
from freehold.gateway.asking import Asking
from freehold.gateway.holding import held_back
from freehold.gateway.shaping import ChunkFilter, Verb
from freehold.gateway.toolcalls import adapt

_PATHS: Mapping[Verb, str] = {"chat": "/chat/completions", "complete": "/completions"}


async def sent(
    asking: Asking, verb: Verb, body: Mapping[str, Any]
) -> tuple[aiohttp.ClientResponse, ChunkFilter | None]:
    """The engine's stream of `body`, and what reads tool calls out of it."""
    whole, tools = adapted(body, verb, asking.upstream)
    out = await held_back(asking, verb, requests.outgoing(whole, verb, asking.upstream))
    return await asking.stream(_PATHS[verb], out), tools


def adapted(body: Mapping[str, Any], verb: Verb, upstream: Upstream) -> tuple[dict[str, Any], ChunkFilter | None]:
    """`body` with tools said in the prompt where the engine has none of its own, and what reads them back."""
    return (
        adapt(dict(body), upstream.capabilities)
        if verb == "chat" and upstream.capabilities.chat
        else (dict(body), None)
    )
