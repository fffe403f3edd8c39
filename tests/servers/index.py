"""A package index on loopback: the simple API as JSON or HTML, with or without ranges, and its faults."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from html import escape

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tests.servers.listening import listening, ranged
from tests.servers.wheels import BuiltWheel

JSON_TYPE = "application/vnd.pypi.simple.v1+json"


@dataclass
class Index:
    """What the index carries and how it behaves. `asked` lists `METHOD path [range]` of every request, in order.

    `status` answers every page with that status; `hold` keeps pages back until it is set; `login` is the
    `user:password` that every request must bring; `nonsense` answers pages with text that is none.
    """

    wheels: list[BuiltWheel]
    json: bool = True
    ranges: bool = True
    status: int | None = None
    hold: asyncio.Event | None = None
    login: str | None = None
    nonsense: str | None = None
    asked: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """A pip configured with this index and with nothing else."""
        return {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": f"{self.url}/simple"}


@asynccontextmanager
async def serve(wheels: Iterable[BuiltWheel], **behavior: object) -> AsyncIterator[Index]:
    """The index, answering at `index.url` for as long as the block lasts."""
    index = Index(list(wheels), **behavior)  # type: ignore[arg-type]  # the dataclass's own fields, by name
    app = web.Application(middlewares=[_watch(index)])
    app.router.add_get("/simple/{project}/", partial(_page, index))
    app.router.add_get("/files/{filename}", partial(_file, index))
    async with listening(app) as url:
        index.url = url
        yield index


def _watch(index: Index) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked = f"{request.method} {request.path} {request.headers.get('Range', '')}".strip()
        index.asked.append(asked)
        index.authorizations.append(request.headers.get("Authorization"))
        login = index.login and "Basic " + base64.b64encode(index.login.encode()).decode()
        if login is not None and request.headers.get("Authorization") != login:
            return web.Response(status=401)
        return await handler(request)

    return middleware


async def _page(index: Index, request: web.Request) -> web.Response:
    if index.hold is not None:
        await index.hold.wait()
    if index.status is not None:
        return web.Response(status=index.status)
    if index.nonsense is not None:
        return web.Response(text=index.nonsense, content_type=JSON_TYPE if index.json else "text/html")
    project = request.match_info["project"]
    wheels = [wheel for wheel in index.wheels if _project(wheel) == project]
    if not wheels:
        return web.Response(status=404)
    if index.json and JSON_TYPE in request.headers.get("Accept", ""):
        files = [_entry(wheel) for wheel in wheels]
        return web.json_response(
            {"meta": {"api-version": "1.1"}, "name": project, "files": files}, content_type=JSON_TYPE
        )
    return web.Response(text="<!DOCTYPE html><html><body>" + "".join(map(_anchor, wheels)), content_type="text/html")


def _project(wheel: BuiltWheel) -> str:
    return re.sub(r"[-_.]+", "-", wheel.filename.partition("-")[0]).lower()


def _named_hash(wheel: BuiltWheel) -> str:
    return "0" * 64 if wheel.broken_hash else wheel.sha256


def _entry(wheel: BuiltWheel) -> dict[str, object]:
    return {
        "filename": wheel.filename,
        "url": f"../../files/{wheel.filename}",
        "hashes": {"sha256": _named_hash(wheel)} if wheel.hashed else {},
        "size": len(wheel.data),
        "yanked": "withdrawn" if wheel.yanked else False,
    }


def _anchor(wheel: BuiltWheel) -> str:
    fragment = f"#sha256={_named_hash(wheel)}" if wheel.hashed else ""
    yanked = ' data-yanked="withdrawn"' if wheel.yanked else ""
    return f'<a href="../../files/{escape(wheel.filename)}{fragment}"{yanked}>{escape(wheel.filename)}</a>\n'


async def _file(index: Index, request: web.Request) -> web.Response:
    found = [wheel for wheel in index.wheels if wheel.filename == request.match_info["filename"]]
    return ranged(request, found[0].data, honored=index.ranges) if found else web.Response(status=404)
