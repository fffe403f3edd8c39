"""Where an HTTP client of the house gets its connections: from itself, or, in a house that may not open any, from the
door that its policy left (`core.ports.Outgoing`). The one place that knows how aiohttp takes a socket it did not make,
and headers that nothing it finds elsewhere may replace.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from freehold.core.errors import EgressError
from freehold.core.ports import Outgoing


def connector(outgoing: Outgoing | None, *, trust: ssl.SSLContext | None = None) -> aiohttp.BaseConnector:
    """For `aiohttp.ClientSession(connector=…)`, which closes it. `trust` says whose certificates are believed; None
    believes those the system does. Through a door no proxy of the environment is asked."""
    if outgoing is None:
        return aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, ssl=trust or True)
    return _ThroughTheDoor(outgoing, trust or ssl.create_default_context())


def adding(headers: Mapping[str, str]) -> aiohttp.ClientMiddlewareType:
    """For `aiohttp.ClientSession(middlewares=…)`: adds `headers` last of all. Where netrc has an entry for the host,
    aiohttp would refuse to send an Authorization beside it."""

    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        request.headers.update(headers)
        return await handler(request)

    return send


class RefusedOnTheWayError(aiohttp.ClientConnectionError):
    """As aiohttp's callers expect it; its cause is the EgressError."""


class _ThroughTheDoor(aiohttp.BaseConnector):
    def __init__(self, outgoing: Outgoing, trust: ssl.SSLContext) -> None:
        super().__init__(limit=0)
        self._outgoing = outgoing
        self._trust = trust

    def close(self, *, abort_ssl: bool = False) -> Any:
        """As TCPConnector does: nobody waits for a peer's part in ending TLS, which takes 30 s where it is silent."""
        del abort_ssl
        return super().close(abort_ssl=True)

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: Any,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> ResponseHandler:
        del traces
        host, port = req.url.host, req.url.port
        assert host is not None and port is not None, "aiohttp asks for http and https alone"
        try:
            async with asyncio.timeout(timeout.sock_connect):
                sock = await self._outgoing.connect(host, port)
                secure = self._trust if req.is_ssl() else None
                _, protocol = await self._loop.create_connection(
                    self._factory, sock=sock, ssl=secure, server_hostname=host if secure else None
                )
        except EgressError as error:
            raise RefusedOnTheWayError(str(error)) from error
        except ssl.SSLCertVerificationError as error:
            raise aiohttp.ClientConnectorCertificateError(req.connection_key, error) from error
        except OSError as error:
            raise aiohttp.ClientConnectorError(req.connection_key, error) from error
        return protocol
