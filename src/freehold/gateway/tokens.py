"""Tokens, as the engine counts them: `/v1/tokenize`, `/v1/detokenize` and exact prompt counts.

The request and answer have vLLM's shape (`prompt` or `messages` in; `tokens`, `count`, `max_model_len` out), and
llama.cpp's `content` is understood too. Nothing here estimates: an engine that cannot count is said so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.core.errors import RequestError, UnsupportedError, UpstreamError
from freehold.gateway.upstream import UpstreamClient

_TEMPLATE_FIELDS = ("messages", "tools", "tool_choice", "add_generation_prompt", "chat_template_kwargs")


async def tokenize(client: UpstreamClient, body: Mapping[str, Any]) -> dict[str, Any]:
    if "messages" in body:
        found = await of_messages(client, body)
    else:
        text = body.get("prompt", body.get("content"))
        if not isinstance(text, str):
            raise RequestError("Give `prompt` (a string) or `messages`.", param="prompt")
        found = await _of_text(client, text, add_special=bool(body.get("add_special_tokens", True)))
    return {"tokens": found, "count": len(found), "max_model_len": client.upstream.context_tokens}


async def detokenize(client: UpstreamClient, body: Mapping[str, Any]) -> dict[str, Any]:
    ids = body.get("tokens")
    if not isinstance(ids, list) or not all(type(token) is int and 0 <= token < 2**31 for token in ids):
        raise RequestError("`tokens` must be a list of token ids.", param="tokens")
    _check(client)
    try:
        answer = await client.call("/detokenize", {"tokens": ids}, root=True)
    except UpstreamError as error:
        if "range_check" not in error.message:
            raise
        raise RequestError(
            "`tokens` holds an id that this model's vocabulary does not have.", param="tokens"
        ) from error
    return {"prompt": answer["content"]}


async def of_messages(client: UpstreamClient, body: Mapping[str, Any]) -> list[int]:
    """The prompt's tokens for a chat request, under the build's own template."""
    _check(client)
    if not client.upstream.capabilities.chat:
        raise UnsupportedError(f"{client.upstream.model} has no chat template.", param="messages")
    asked = {key: body[key] for key in _TEMPLATE_FIELDS if body.get(key) is not None}
    rendered = await client.call("/apply-template", asked, root=True)
    return await _of_text(client, rendered["prompt"], add_special=True)


async def _of_text(client: UpstreamClient, text: str, *, add_special: bool) -> list[int]:
    _check(client)
    asked = {"content": text, "add_special": add_special, "parse_special": True}
    answer = await client.call("/tokenize", asked, root=True)
    tokens: list[int] = answer["tokens"]
    return tokens


def _check(client: UpstreamClient) -> None:
    if not client.upstream.capabilities.tokenize:
        raise UnsupportedError(
            "This endpoint's engine does not say how it splits text, and Freehold does not guess.",
            param="model",
            hint="Ask an endpoint that runs here.",
        )
