"""What an engine's refusal means in Freehold's own tree. Pure: a status and a body in, an error out.

Local engines speak llama.cpp's error shape, remote ones OpenAI's; both are `{"error": {"message", "type", …}}`.
A remote's 401 or 403 is about *our* key, so the client never sees it as a complaint about the client's.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import from_json

from freehold.core.errors import (
    ContextLengthError,
    EngineError,
    FreeholdError,
    LoadingError,
    RequestError,
    UnsupportedError,
    UpstreamError,
)
from freehold.core.ports import Upstream

_TOO_LARGE = re.compile(r"input \((\d{1,15}) tokens\) is (?:too large|larger)[^(]*\(.*?(\d{1,15})\)")
_WRONG_FORMAT = "Unknown reasoning format"


def refusal(upstream: Upstream, status: int, raw: bytes, retry_after: str | None = None) -> FreeholdError:
    """The error that an answer with `status` and body `raw` stands for."""
    return _refusal(upstream, status, _detail(raw), retry_after)


def event_refusal(upstream: Upstream, error: Any) -> FreeholdError:
    """The error that an `{"error": …}` event inside a stream stands for."""
    detail = error if isinstance(error, dict) else {"message": str(error)}
    code = detail.get("code")
    return _refusal(upstream, code if isinstance(code, int) else 500, detail, None)


def _refusal(upstream: Upstream, status: int, detail: dict[str, Any], retry_after: str | None) -> FreeholdError:
    if upstream.socket_path is None:
        return _remote(upstream, status, detail, retry_after)
    return _local(upstream, status, detail)


def _local(upstream: Upstream, status: int, detail: dict[str, Any]) -> FreeholdError:
    message = str(detail.get("message") or "no reason given")
    prompt, context = detail.get("n_prompt_tokens"), detail.get("n_ctx")
    if isinstance(prompt, int) and isinstance(context, int):
        return ContextLengthError(prompt, context, trained_tokens=upstream.trained_tokens)
    if (match := _TOO_LARGE.search(message)) is not None:
        return RequestError(
            f"The input has {match[1]} tokens and one embedding takes at most {match[2]}.",
            param="input",
            hint="Split the input, or raise batch_tokens of this endpoint in freehold.toml.",
            prompt_tokens=int(match[1]),
            limit_tokens=int(match[2]),
        )
    if status == 501 or "not supported" in message:
        return UnsupportedError(f"{upstream.model} cannot do this: {message}")
    if message.startswith(_WRONG_FORMAT):  # which it calls a failure of its own
        return RequestError(f"The engine refused the request: {message}", param="reasoning_format")
    if status == 503:
        return LoadingError(f"{upstream.model} is still loading.", hint="Try again in a moment.")
    if 400 <= status < 500:
        return _refused_request(message)
    return UpstreamError(f"The engine failed: {message}", http_status=502)


def _refused_request(message: str) -> RequestError:
    """llama.cpp compiles schema and grammar into one parser and complains about the parser; name the client's field."""
    _, found, complaint = message.partition("JSON schema error ")
    if found:
        return RequestError(f"The JSON schema cannot be followed: {complaint}.", param="response_format")
    if "grammar" in message:
        return RequestError("The grammar cannot be parsed.", param="grammar", hint="It must be GBNF with a root rule.")
    return RequestError(f"The engine refused the request: {message}")


def _remote(upstream: Upstream, status: int, detail: dict[str, Any], retry_after: str | None) -> FreeholdError:
    message = str(detail.get("message") or "no reason given")
    if status in {401, 403}:
        return EngineError(
            f"{upstream.base_url} refused this house's key: {message}",
            hint="Set the key that freehold.toml names for this endpoint (`key_env`), then `freehold reload`.",
        )
    if 300 <= status < 400:
        return EngineError(f"{upstream.base_url} answered with a redirect, which is not followed: the key stays here.")
    code = detail.get("code")
    text = f"{upstream.base_url} answered {status}: {message}"
    shown = status if 400 <= status < 500 or status == 503 else 502
    return UpstreamError(
        text,
        http_status=shown,
        code=code if isinstance(code, str) else None,
        param=detail.get("param"),
        retry_after=retry_after,
    )


def _detail(raw: bytes) -> dict[str, Any]:
    try:
        body = from_json(raw)
    except ValueError:
        return {"message": raw[:200].decode("utf-8", "replace").strip()}
    error = body.get("error", body) if isinstance(body, dict) else body
    return error if isinstance(error, dict) else {"message": str(error)}
