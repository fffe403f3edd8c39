"""Runs an aiohttp application on a free loopback port for the time of a `with` block."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    """The address at which `app` answers, without a trailing slash."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def ranged(request: web.Request, data: bytes, *, honored: bool = True) -> web.Response:
    """The part of `data` that the request's one Range asks for (RFC 9110, 14.2), else all of it."""
    asked = request.http_range
    if not honored or (asked.start is None and asked.stop is None):
        return web.Response(body=data)
    start, stop, _ = slice(asked.start, asked.stop).indices(len(data))
    if start >= len(data):
        return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
    headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}", "Accept-Ranges": "bytes"}
    return web.Response(status=206, body=data[start:stop], headers=headers)
