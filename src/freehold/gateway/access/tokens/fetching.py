"""Fetches what an issuer publishes: bounded in size and time, and never led elsewhere by a redirect."""

from __future__ import annotations

import aiohttp

from freehold.core.errors import EgressError, SignOnError
from freehold.core.network_words import network_words
from freehold.core.ports import Outgoing
from freehold.gateway.access.tokens.issuer import Fetch
from freehold.gateway.connector import connector

TIMEOUT_S = 10.0
MOST_BYTES = 256 * 1024
_STEP_BYTES = 64 * 1024


def fetching(outgoing: Outgoing | None) -> Fetch:
    """Fetches through `outgoing` where the house may not connect by itself."""

    async def fetch(url: str) -> bytes:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        way = connector(outgoing)
        try:
            async with (
                aiohttp.ClientSession(connector=way, timeout=timeout, trust_env=outgoing is None) as session,
                session.get(url, allow_redirects=False, headers={"accept": "application/json"}) as answer,
            ):
                return await _body(url, answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error.__cause__, EgressError):
                raise SignOnError(f"{url} is not asked: {error}") from error
            raise SignOnError(f"{url} does not answer: {network_words(error)}.") from error

    return fetch


async def _body(url: str, answer: aiohttp.ClientResponse) -> bytes:
    if answer.status != 200:
        raise SignOnError(f"{url} answers with status {answer.status}.")
    body = bytearray()
    async for piece in answer.content.iter_chunked(_STEP_BYTES):
        body += piece
        if len(body) > MOST_BYTES:
            raise SignOnError(f"{url} gives more than {MOST_BYTES:,} bytes.")
    return bytes(body)
