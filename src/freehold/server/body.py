"""Reads a request's body: bounded, JSON, an object. Parsed once, by pydantic-core, whose nesting limit is 200.

A body over the limit is refused before it is read where its length was told, else as soon as it has grown too long.
A body that stops, or comes too slowly for too long, is refused as well: nobody holds a connection with nothing.
Either way the rest is taken in and thrown away for a moment, up to a bound, because a connection that is closed with
bytes unread is reset, and the client would see that instead of the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from freehold.core.errors import MediaTypeError, RequestError, TooLargeError
from freehold.server.call import Call

LINGER_S = 3.0
LINGER_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Pace:
    """How slowly a body may come: the longest silence, and the average that is asked for after `grace_s`."""

    silence_s: float = 60.0
    grace_s: float = 60.0
    slowest_bytes_per_s: float = 1024.0


PACE = Pace()


class ClientGoneError(Exception):
    """The client left before its request was whole. There is nobody to answer."""


async def read_object(call: Call, limit_bytes: int) -> dict[str, Any]:
    """The JSON object in the body. Raises MediaTypeError, TooLargeError, RequestError, ClientGoneError."""
    _check_type(call)
    raw = await read_bytes(call, limit_bytes)
    if not raw:
        raise RequestError("The body is empty.", hint="Send a JSON object.")
    try:
        body = from_json(raw, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise RequestError(f"The body is not valid JSON: {error}.") from error
    if not isinstance(body, dict):
        raise RequestError(f"The body must be a JSON object, not {_json_kind(body)}.")
    return body


async def read_bytes(call: Call, limit_bytes: int, pace: Pace = PACE) -> bytes:
    """The whole body. Raises TooLargeError, RequestError where it comes too slowly, ClientGoneError."""
    told = call.headers.get(b"content-length", b"0")
    if told.isdigit() and int(told) > limit_bytes:
        raise _too_large(call, limit_bytes)
    begun_at = asyncio.get_running_loop().time()
    pieces: list[bytes] = []
    size_bytes = 0
    while True:
        message = await _next_piece(call, pace, begun_at + pace.grace_s + size_bytes / pace.slowest_bytes_per_s)
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        pieces.append(message["body"])
        size_bytes += len(message["body"])
        if size_bytes > limit_bytes:
            raise _too_large(call, limit_bytes)
        if not message["more_body"]:
            return b"".join(pieces) if len(pieces) > 1 else pieces[0]


async def linger(call: Call) -> None:
    """Take in and throw away what the client is still sending: LINGER_BYTES at most, and for LINGER_S."""
    if call.headers.get(b"expect", b"").lower() == b"100-continue":
        return  # it waits for our word before it sends, and has the answer instead
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            left_bytes = LINGER_BYTES
            while left_bytes > 0:
                message = await call.receive()
                if message["type"] != "http.request" or not message["more_body"]:
                    return
                left_bytes -= len(message["body"])


async def _next_piece(call: Call, pace: Pace, due_at: float) -> Any:
    silent_at = asyncio.get_running_loop().time() + pace.silence_s
    try:
        async with asyncio.timeout_at(min(silent_at, due_at)):
            return await call.receive()
    except TimeoutError:
        call.extra.append((b"connection", b"close"))
        raise RequestError(
            f"The body came too slowly: nothing for {pace.silence_s:g} s, or under {pace.slowest_bytes_per_s:g} bytes "
            f"a second after {pace.grace_s:g} s.",
            hint="Send it again, whole.",
        ) from None


def _too_large(call: Call, limit_bytes: int) -> TooLargeError:
    call.extra.append((b"connection", b"close"))
    return TooLargeError(
        f"The body is over {limit_bytes:,} bytes.",
        hint="Send less, or raise max_body_bytes in [server] of freehold.toml.",
        limit_bytes=limit_bytes,
    )


def _check_type(call: Call) -> None:
    given = call.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if given != b"application/json" and not (given.startswith(b"application/") and given.endswith(b"+json")):
        shown = given.decode("latin-1") or "none"
        raise MediaTypeError(
            f"The content type must be application/json, not {shown}.", hint="Send `content-type: application/json`."
        )
    if call.headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise MediaTypeError("Compressed bodies are not read here.", hint="Leave `content-encoding` out.")


def _json_kind(value: object) -> str:
    kinds = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")
