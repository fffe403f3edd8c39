"""The only place that calls an engine: one HTTP client per worker or remote address (aiohttp's seam).

Everything aiohttp can raise is translated here. Answers are read as they come; nothing is buffered beyond
aiohttp's own window, so a slow client slows the engine down and never fills the memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from pydantic_core import from_json, to_json

from freehold.core.errors import EgressError, EngineError, FreeholdError, WorkerLostError
from freehold.core.network_words import network_words
from freehold.core.ports import Outgoing, Upstream
from freehold.core.refs import LOOPBACK_HOSTS
from freehold.gateway.connector import adding, connector
from freehold.gateway.engine_shape import check_answer, not_an_answer
from freehold.gateway.refusals import refusal

CONNECT_TIMEOUT_S = 10.0
# Shorter than the 5 s after which servers close an idle connection, or requests meet a closed one.
KEEP_ALIVE_S = 2.0
ANSWER_LIMIT_BYTES = 512 * 1024 * 1024
REFUSAL_LIMIT_BYTES = 1024 * 1024
_HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}


class NotListeningError(WorkerLostError):
    """Nobody listens at the worker's socket: it has just ended. The request was not sent."""


class UpstreamClient:
    """Calls one Upstream. Close it when the upstream is gone."""

    def __init__(self, upstream: Upstream, outgoing: Outgoing | None = None) -> None:
        self.upstream = upstream
        way: aiohttp.BaseConnector
        if upstream.socket_path is not None:
            way = _to_socket(upstream.socket_path, keeps_alive=upstream.keeps_alive)
        else:
            way = connector(outgoing)
        self._session = aiohttp.ClientSession(
            connector=way,
            headers=_HEADERS,
            middlewares=(adding(upstream.headers),) if upstream.headers else (),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            auto_decompress=upstream.socket_path is None,
            trust_env=outgoing is None and not _is_on_this_machine(upstream),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._session.close()

    @property
    def is_closed(self) -> bool:
        return self._session.closed

    async def stream(self, path: str, body: Mapping[str, Any]) -> aiohttp.ClientResponse:
        """POST `body` and give the answer once its head says that the engine has taken the work.

        The caller reads `pieces` of it and closes it. Raises what `refusal` makes of any other status.
        """
        response = await self._post(self.upstream.base_url + path, to_json(body))
        if response.status == 200:
            return response
        raise await _refused(response, self.upstream)

    async def call(self, path: str, body: Mapping[str, Any], *, root: bool = False) -> dict[str, Any]:
        """POST `body` and give the whole JSON answer; `root` leaves the base's `/v1` out."""
        base = self.upstream.base_url.removesuffix("/v1") if root else self.upstream.base_url
        response = await self._post(base + path, to_json(body))
        if response.status != 200:
            raise await _refused(response, self.upstream)
        try:
            raw = await _read(response, ANSWER_LIMIT_BYTES)
            answer = from_json(raw, allow_inf_nan=False)
        except ValueError as error:
            raise not_an_answer(self.upstream, f"answered {path} with something that is not JSON") from error
        finally:
            response.close()
        if not isinstance(answer, dict):
            raise not_an_answer(self.upstream, f"answered {path} with something that is not an object")
        check_answer(path, answer, self.upstream)
        return answer

    async def _post(self, url: str, body: bytes) -> aiohttp.ClientResponse:
        # Not twice by itself: what may have reached an engine may have ended it, or been paid for (`Asking.follow`).
        try:
            return await self._session.post(url, data=body, allow_redirects=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unreachable(self.upstream, error) from error


def _to_socket(path: str, *, keeps_alive: bool) -> aiohttp.UnixConnector:
    """A connection that the engine is about to end must not be given to the next request, which would be lost on it."""
    if not keeps_alive:
        return aiohttp.UnixConnector(path, limit=0, force_close=True)
    return aiohttp.UnixConnector(path, limit=0, keepalive_timeout=KEEP_ALIVE_S)


def _is_on_this_machine(upstream: Upstream) -> bool:
    """Then no proxy of the environment is asked: it could not reach us, and prompts must not leave on the way."""
    return upstream.socket_path is not None or urlsplit(upstream.base_url).hostname in LOOPBACK_HOSTS


async def next_piece(response: aiohttp.ClientResponse, upstream: Upstream, rest_s: float = 0.0) -> bytes:
    """What of the answer has arrived, waiting for some, and for `rest_s` at least; empty at its end. Raises
    WorkerLostError when the engine goes away in between."""
    if rest_s:
        await _rest(response, rest_s)
    try:
        return await response.content.readany()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise lost(upstream) from error


async def _rest(response: aiohttp.ClientResponse, rest_s: float) -> None:
    """Leave what comes in the socket meanwhile: taken out piece by piece, each would cost a turn of the loop."""
    connection = response.connection
    transport = connection.transport if connection is not None else None
    if transport is None or transport.is_closing() or transport.get_extra_info("ssl_object") is not None:
        return  # what TLS has read lies in its own buffers, and is lost there if the other side breaks off
    transport.pause_reading()
    try:
        await asyncio.sleep(rest_s)
    finally:
        if not transport.is_closing():
            transport.resume_reading()


def lost(upstream: Upstream) -> WorkerLostError:
    """The engine went away in the middle of an answer."""
    if upstream.socket_path is None:
        return WorkerLostError(
            f"{upstream.base_url} ended the connection in the middle of this answer.", hint="Send the request again."
        )
    return WorkerLostError(
        f"{upstream.model} stopped in the middle of this answer.",
        hint="It is being started again; send the request once more. `freehold ps` shows its state and log.",
    )


def unreachable(upstream: Upstream, error: Exception) -> FreeholdError:
    """The engine could not be asked at all."""
    if upstream.socket_path is not None:
        kind = NotListeningError if isinstance(error, aiohttp.ClientConnectorError) else WorkerLostError
        return kind(
            f"The worker of {upstream.model} did not answer ({network_words(error)}).",
            hint="It is being started again; send the request once more.",
        )
    if isinstance(error.__cause__, EgressError):
        return error.__cause__
    return EngineError(
        f"{upstream.base_url} could not be reached: {network_words(error)}.",
        hint="Check the address in freehold.toml and this machine's way to it.",
    )


async def _refused(response: aiohttp.ClientResponse, upstream: Upstream) -> FreeholdError:
    try:
        raw = await _read(response, REFUSAL_LIMIT_BYTES)
    finally:
        response.close()
    return refusal(upstream, response.status, raw, response.headers.get("retry-after"))


async def _read(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    try:
        pieces_read: list[bytes] = []
        size_bytes = 0
        async for piece in response.content.iter_any():
            pieces_read.append(piece)
            size_bytes += len(piece)
            if size_bytes > limit_bytes:
                raise EngineError(f"The engine's answer is over {limit_bytes:,} bytes.")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise WorkerLostError("The engine went away while it was answering.") from error
    return b"".join(pieces_read)
