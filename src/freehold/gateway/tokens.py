"""Tokens, as the engine counts them: `/v1/tokenize`, `/v1/detokenize` and exact prompt counts.

The request and answer have vLLM's shape (`prompt` or `messages` in; `tokens`, `count`, `max_model_len` out), and
llama.cpp's `content` is understood too. Nothing here estimates: an engine that cannot count is said so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.core.errors import RequestError, UnsupportedError, UpstreamError
from freehold.gateway.asking import Asking

_TEMPLATE_FIELDS = ("messages", "tools", "tool_choice", "add_generation_prompt", "chat_template_kwargs")


async def tokenize(asking: Asking, body: Mapping[str, Any]) -> dict[str, Any]:
    if "messages" in body:
        found = await of_messages(asking, body)
    else:
        text = body.get("prompt", body.get("content"))
        if not isinstance(text, str):
            raise RequestError("Give `prompt` (a string) or `messages`.", param="prompt")
        found = await of_text(asking, text, add_special=bool(body.get("add_special_tokens", True)))
    return {"tokens": found, "count": len(found), "max_model_len": asking.upstream.context_tokens}


async def detokenize(asking: Asking, body: Mapping[str, Any]) -> dict[str, Any]:
    ids = body.get("tokens")
    if not isinstance(ids, list) or not all(type(token) is int and 0 <= token < 2**31 for token in ids):
        raise RequestError("`tokens` must be a list of token ids.", param="tokens")
    _check(asking)
    try:
        answer = await asking.call("/detokenize", {"tokens": ids}, root=True)
    except UpstreamError as error:
        if "range_check" not in error.message:
            raise
        raise RequestError(
            "`tokens` holds an id that this model's vocabulary does not have.", param="tokens"
        ) from error
    return {"prompt": answer["content"]}


async def of_messages(asking: Asking, body: Mapping[str, Any]) -> list[int]:
    """The prompt's tokens for a chat request, under the build's own template."""
    _check(asking)
    if not asking.upstream.capabilities.chat:
        raise UnsupportedError(f"{asking.upstream.model} has no chat template.", param="messages")
    asked = {key: body[key] for key in _TEMPLATE_FIELDS if body.get(key) is not None}
    rendered = await asking.call("/apply-template", asked, root=True)
    return await of_text(asking, rendered["prompt"], add_special=True)


async def of_text(asking: Asking, text: str, *, add_special: bool) -> list[int]:
    """The tokens of `text` alone."""
    _check(asking)
    asked = {"content": text, "add_special": add_special, "parse_special": True}
    answer = await asking.call("/tokenize", asked, root=True)
    tokens: list[int] = answer["tokens"]
    return tokens


def _check(asking: Asking) -> None:
    if not asking.upstream.capabilities.tokenize:
        raise UnsupportedError(
            "This endpoint's engine does not say how it splits text, and Freehold does not guess.",
            param="model",
            hint="Ask an endpoint that runs here.",
        )
