"""Errors in the shape of the API being spoken, so that every client raises its own exceptions.

OpenAI's shape everywhere but under /v1/messages, which is Anthropic's. A bug is answered with the request's id and
nothing else: its trace goes to the log, and neither the log nor the answer ever holds a prompt. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.core.errors import FreeholdError, UpstreamError
from freehold.server.call import Header

# Not for clients: a worker's log holds paths and belongs to the person who runs the house.
_PRIVATE = frozenset({"log", "param", "upstream_code", "retry_after"})
_OPENAI_TYPES: Mapping[int, str] = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_ANTHROPIC_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class InternalError(FreeholdError):
    """What a client is told of a bug in this house."""

    code = "internal_error"

    def __init__(self, request_id: bytes) -> None:
        super().__init__(
            "The house failed on this request.",
            hint=f"Its log has the trace under request {request_id.decode()}.",
        )


def speaks_anthropic(path: str, headers: Mapping[bytes, bytes]) -> bool:
    """True where the client expects Anthropic's shapes: its routes, and /v1/models with its version header."""
    if path.startswith("/v1/messages"):
        return True
    return path.startswith("/v1/models") and b"anthropic-version" in headers


def openai_body(error: FreeholdError) -> dict[str, Any]:
    """OpenAI's error object, with the error's own data beside its four fields."""
    status = error.http_status
    usual = "invalid_request_error" if status < 500 else "server_error"
    data = {key: value for key, value in error.data.items() if key not in _PRIVATE}
    upstream_code = error.data.get("upstream_code") if isinstance(error, UpstreamError) else None
    told = {
        "message": str(error),
        "type": _OPENAI_TYPES.get(status, usual),
        "param": error.data.get("param"),
        "code": upstream_code or error.code,
    }
    return {"error": {**data, **told}}


def anthropic_body(error: FreeholdError, request_id: bytes) -> dict[str, Any]:
    """Anthropic's error object; its type follows from the status."""
    status = error.http_status
    kind = _ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": str(error)}, "request_id": request_id.decode()}


def error_headers(error: FreeholdError) -> list[Header]:
    """Headers that tell clients whether to try again. Both SDKs obey `x-should-retry`; without it they would repeat
    every 5xx, also those that will fail again."""
    headers: list[Header] = []
    if error.http_status >= 500 or error.http_status in (408, 409, 429):
        headers.append((b"x-should-retry", b"true" if error.retryable else b"false"))
    retry_after = error.data.get("retry_after")
    if isinstance(retry_after, str) and retry_after.isascii() and retry_after.isdigit():
        headers.append((b"retry-after", retry_after.encode()))
    elif error.retryable and error.http_status == 503:
        headers.append((b"retry-after", b"1"))
    if error.http_status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers
