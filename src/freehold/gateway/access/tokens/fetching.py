"""Asks an issuer over HTTP: bounded in size and time, and never led elsewhere by a redirect. What is sent and what
comes back is in no log, and no address that is asked holds a secret."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import aiohttp

from freehold.core.addresses import is_loopback
from freehold.core.errors import EgressError, SignOnError
from freehold.core.network_words import network_words
from freehold.core.ports import Outgoing
from freehold.gateway.access.tokens.code_flow import Form, Post, Told
from freehold.gateway.access.tokens.discovery import Fetch
from freehold.gateway.connector import adding, connector

TIMEOUT_S = 10.0
MOST_BYTES = 256 * 1024
_STEP_BYTES = 64 * 1024
# What is small when it comes must not be large when it is unpacked.
_HEADERS = {"accept": "application/json", "accept-encoding": "identity"}


def fetching(outgoing: Outgoing | None) -> Fetch:
    """Fetches through `outgoing` where the house may not connect by itself."""

    async def fetch(url: str) -> bytes:
        told = await _asked(outgoing, "GET", url)
        if told.status != 200:
            raise SignOnError(f"{url} answers with status {told.status}.")
        return told.body

    return fetch


def posting(outgoing: Outgoing | None) -> Post:
    """The same for forms, whatever status comes back."""

    async def post(form: Form) -> Told:
        middlewares = (adding(form.headers),) if form.headers else ()
        return await _asked(outgoing, "POST", form.url, data=dict(form.fields), middlewares=middlewares)

    return post


async def _asked(outgoing: Outgoing | None, method: str, url: str, **more: Any) -> Told:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        by_proxy = outgoing is None and not is_loopback(urlsplit(url).hostname or "")
        async with (
            aiohttp.ClientSession(
                connector=connector(outgoing),
                timeout=timeout,
                trust_env=by_proxy,
                headers=_HEADERS,
                auto_decompress=False,
            ) as session,
            session.request(method, url, allow_redirects=False, **more) as answer,
        ):
            return Told(answer.status, await _body(url, answer))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:  # the last: no name of a host
        if isinstance(error.__cause__, EgressError):
            raise SignOnError(f"{url} is not asked: {error}") from error
        raise SignOnError(f"{url} does not answer: {network_words(error)}.") from error


async def _body(url: str, answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_chunked(_STEP_BYTES):
        body += piece
        if len(body) > MOST_BYTES:
            raise SignOnError(f"{url} gives more than {MOST_BYTES:,} bytes.")
    return bytes(body)
