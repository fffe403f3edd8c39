"""Brings one message to the collector, over OTLP/HTTP in protobuf, and says what became of it.

Through the house's door where it has one. Bounded in time and size, never led elsewhere by a redirect; which answers
are worth another try is the specification's word: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import aiohttp

from freehold import __version__
from freehold.core.addresses import is_loopback
from freehold.core.errors import EgressError
from freehold.core.network_words import network_words
from freehold.core.ports import Outgoing
from freehold.gateway.connector import adding, connector

TIMEOUT_S = 10.0
LONGEST_WAIT_S = 60.0
MOST_BYTES = 64 * 1024
_WORTH_ANOTHER_TRY = frozenset({429, 502, 503, 504})
_HEADERS = {"content-type": "application/x-protobuf", "accept-encoding": "identity"}

Signal = Literal["traces", "metrics"]


@dataclass(frozen=True, slots=True)
class Reply:
    """`fate` is what became of the message: taken, to be tried again `later` (after `wait_s` where the collector said
    so), or refused for good. `why` ends a sentence; `body` is what the collector answered to a message that it took."""

    fate: Literal["taken", "later", "refused"]
    why: str = ""
    wait_s: float = 0.0
    body: bytes = b""


class Collector:
    """One collector. Made in the loop that it is used in; `close` it."""

    def __init__(self, address: str, headers: Mapping[str, str], outgoing: Outgoing | None) -> None:
        self._address = address
        self._session = aiohttp.ClientSession(
            connector=connector(outgoing),
            headers={**_HEADERS, "user-agent": f"freehold/{__version__}"},
            middlewares=(adding(headers),) if headers else (),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            auto_decompress=False,
            trust_env=outgoing is None and not is_loopback(urlsplit(address).hostname or ""),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._session.close()

    async def send(self, signal: Signal, message: bytes) -> Reply:
        """Never raises for what a network or a collector does."""
        url = f"{self._address}/v1/{signal}"
        try:
            async with self._session.post(url, data=message, allow_redirects=False) as answer:
                return await _reply(answer)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:  # the last: no name of a host
            if isinstance(error.__cause__, EgressError):
                return Reply("refused", f"the connection is refused here: {error.__cause__}".rstrip("."))
            return Reply("later", network_words(error))


async def _reply(answer: aiohttp.ClientResponse) -> Reply:
    why = f"it answers with status {answer.status}"
    if answer.status in _WORTH_ANOTHER_TRY:
        said = answer.headers.get("retry-after", "")
        wait_s = float(said) if said.isascii() and said.isdigit() and len(said) < 10 else 0.0
        return Reply("later", why, min(wait_s, LONGEST_WAIT_S))
    if not 200 <= answer.status < 300:
        return Reply("refused", why)
    return Reply("taken", body=await _body(answer))


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """What there is of it: the message is taken, however its answer goes on, and must not be sent again."""
    body = bytearray()
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
        async for piece in answer.content.iter_any():
            body += piece
            if len(body) > MOST_BYTES:
                break
    return bytes(body[:MOST_BYTES])
