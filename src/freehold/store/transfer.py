"""One HTTP request of a download: redirects followed by hand, every error of the library translated here.

A redirect to another origin loses the headers that came with the part (they may hold a token), and one from
https to plain http is refused. Proxies and the certificate authorities of the environment are honored by the
library (`trust_env`); a source may bring authorities of its own.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from freehold.core.errors import FreeholdError, GatedError, SourceError, SourceUnreachableError
from freehold.core.network_words import network_words
from freehold.core.refs import LOOPBACK_HOSTS

MAX_REDIRECTS = 10
# What the library holds unread is lost when a connection drops, so it is held small.
READ_BUFFER_BYTES = 1 << 17
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})

Outcome = Literal["again", "certificate", "final"]

# Every error of the library, to what it means for a download; the narrowest class decides (tests hold it complete).
OUTCOMES: dict[type[Exception], Outcome] = {
    aiohttp.ClientError: "final",
    aiohttp.ClientPayloadError: "again",
    aiohttp.ClientConnectionError: "again",
    aiohttp.ClientOSError: "again",
    aiohttp.ClientSSLError: "final",
    aiohttp.ClientConnectorCertificateError: "certificate",
    aiohttp.ClientResponseError: "final",
    aiohttp.ClientHttpProxyError: "again",
    aiohttp.InvalidURL: "final",
    aiohttp.ServerTimeoutError: "again",
    TimeoutError: "again",
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on: failures in a row without progress, waits that double, seconds of silence."""

    attempts: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0
    connect_timeout_s: float = 30.0
    silence_timeout_s: float = 60.0


class Dropped(Exception):  # noqa: N818 -- a signal inside the downloader, never shown as an error
    """The attempt ended early and another may go on; `wait_s` is what the server asked for."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@asynccontextmanager
async def open_session(
    tls: ssl.SSLContext | None = None, patience: Patience | None = None, proxy: str | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """A session for downloads. Bytes are never decompressed: hashes are of what was published."""
    waits = patience or Patience()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls or True),
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=waits.connect_timeout_s, sock_read=waits.silence_timeout_s
        ),
        trust_env=True,
        proxy=proxy,
        auto_decompress=False,
        read_bufsize=READ_BUFFER_BYTES,
    ) as session:
        yield session


@asynccontextmanager
async def get(
    session: aiohttp.ClientSession, url: str, *, private: Mapping[str, str], headers: Mapping[str, str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer to GET `url` after redirects, for statuses 200, 206 and 416 only.

    `private` headers go to the origin of `url` alone. Raises Dropped for what may pass, GatedError, SourceError.
    """
    try:
        response = await _follow(session, URL(url), private, headers)
        async with response:
            _refuse(response, url)
            yield response
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _translated(error, url) from error


async def _follow(
    session: aiohttp.ClientSession, url: URL, private: Mapping[str, str], headers: Mapping[str, str]
) -> aiohttp.ClientResponse:
    first, here = url, url
    for _ in range(MAX_REDIRECTS + 1):
        own = (_sending(private),) if private and here.origin() == first.origin() else ()
        response = await session.get(here, headers=headers, allow_redirects=False, middlewares=own)
        if response.status not in _REDIRECTS:
            return response
        response.release()
        target = _target(here, response.headers.get("Location", ""))
        if target.scheme not in {"http", "https"} or (_is_secure(here) and not _is_secure(target)):
            raise SourceError(f"{_shown(first)} redirects to {_shown(target)}, which is not https.")
        here = target
    raise SourceError(f"{_shown(first)} redirects more than {MAX_REDIRECTS} times.")


def _target(here: URL, location: str) -> URL:
    try:
        return here.join(URL(location))
    except ValueError as error:
        raise SourceError(f"{_shown(here)} redirects to what is no address: {error}.", url=_shown(here)) from error


def _sending(private: Mapping[str, str]) -> aiohttp.ClientMiddlewareType:
    """Adds `private` last of all: a token goes before what netrc has for its host, which the library would add."""

    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        request.headers.update(private)
        return await handler(request)

    return send


def _is_secure(url: URL) -> bool:
    return url.scheme == "https" or url.host in LOOPBACK_HOSTS


def _shown(url: URL | str) -> str:
    """The address without user, password and query, which may hold secrets."""
    parts = urlsplit(str(url))
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _refuse(response: aiohttp.ClientResponse, url: str) -> None:
    status, shown = response.status, _shown(url)
    if status in {200, 206, 416}:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise SourceError(
                f"{shown} comes compressed although it was asked for as it is; its hash cannot be checked."
            )
        return
    if status in _TRY_AGAIN:
        raise Dropped(f"{shown} answers {status} {response.reason}", _retry_after(response))
    if status in {401, 403}:
        raise GatedError(
            f"{shown} answers {status} {response.reason}: it wants a token, or an accepted license.",
            hint="Accept the terms at the source, then set its token (HF_TOKEN for the hub).",
            url=shown,
        )
    raise SourceError(
        f"{shown} answers {status} {response.reason}.",
        hint="There is no such file there: check the address, or ask its publisher for the one of today."
        if status in {404, 410}
        else "Check the address, and open it in a browser to see what its server wants.",
        url=shown,
        http_status=status,
    )


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Seconds; the header's date form is not read, the usual wait serves."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None


def outcome(error: Exception) -> Outcome:
    """What `error` means for the download: the entry of its nearest class."""
    return next(OUTCOMES[kind] for kind in type(error).__mro__ if kind in OUTCOMES)


def _translated(error: Exception, url: str) -> Exception:
    shown, why = _shown(url), network_words(error)
    meaning = outcome(error)
    if meaning == "again":
        return Dropped(f"{shown}: {why}")
    if meaning == "certificate":
        return SourceUnreachableError(
            f"The certificate of {shown} is not trusted: {why}.",
            hint="If your network has an authority of its own, set SSL_CERT_FILE to its certificates.",
            url=shown,
        )
    return SourceError(f"{shown} cannot be downloaded: {why}.", hint="Check the address and the proxy.", url=shown)


def gave_up(url: str, dropped: Dropped, attempts: int, *, kept_bytes: int) -> FreeholdError:
    """The error once no further attempt is made. `kept_bytes` are on disk for the next pull."""
    kept = f"What arrived is kept ({kept_bytes:,} bytes): pull again to go on from there."
    return SourceUnreachableError(
        f"{_shown(url)} was tried {attempts} times and does not come through. Last: {dropped}.",
        hint=kept if kept_bytes else "Nothing arrived. Look at the network and the address, then pull again.",
        url=_shown(url),
    )
