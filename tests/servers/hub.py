"""A hub on loopback, speaking the API as huggingface_hub calls it: info, auth-check, tree pages, resolve, storage.

Files are served as the hub does: `resolve` redirects to a second origin, whose requests are listed apart, so that a
test can prove what was sent where.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from aiohttp import web

from tests.servers.listening import listening, ranged

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Hub:
    """One repository. `token` is the one that is known; `gated` wants it, and `granted` that its account may read.

    `status` answers every API call with that status. `page_size` cuts the tree into pages.
    """

    repository: str
    files: Mapping[str, bytes]
    gated: Literal["auto", "manual"] | None = None
    granted: bool = True
    token: str | None = None
    card: Mapping[str, Any] = field(default_factory=dict)
    lfs: bool = True
    status: int | None = None
    nonsense: str | None = None
    page_size: int = 1000
    revisions: tuple[str, ...] = ("main", COMMIT)
    url: str = ""
    storage_url: str = ""
    requests: list[web.Request] = field(default_factory=list)
    storage_requests: list[web.Request] = field(default_factory=list)


@asynccontextmanager
async def serve(repository: str, files: Mapping[str, bytes], **behavior: object) -> AsyncIterator[Hub]:
    """The hub, answering at `hub.url` for as long as the block lasts."""
    hub = Hub(repository, files, **behavior)  # type: ignore[arg-type]  # the dataclass's own fields, by name
    front, storage = web.Application(), web.Application()
    routes = {
        "/api/models/{org}/{repo}": _info,
        "/api/models/{org}/{repo}/revision/{revision:.+}": _info,
        "/api/models/{org}/{repo}/auth-check": _auth_check,
        "/api/models/{org}/{repo}/tree/{revision}": _tree,
        "/{org}/{repo}/resolve/{revision}/{path:.+}": _resolve,
    }
    for path, handler in routes.items():
        front.router.add_get(path, partial(handler, hub))
    storage.router.add_get("/{path:.+}", partial(_stored, hub))
    async with listening(front) as hub.url, listening(storage) as hub.storage_url:
        yield hub


def _error(status: int, code: str | None = None) -> web.Response:
    return web.json_response({"error": "refused"}, status=status, headers={"X-Error-Code": code} if code else {})


def _refusal(hub: Hub, request: web.Request) -> web.Response | None:
    """What stands before every call: faults that were asked for, an unknown token, another repository."""
    hub.requests.append(request)
    if hub.status is not None:
        return web.Response(status=hub.status, headers={"Retry-After": "7"})
    if hub.nonsense is not None:
        return web.Response(text=hub.nonsense, content_type="application/json")
    sent = request.headers.get("Authorization")
    if sent is not None and sent != f"Bearer {hub.token}":
        message = {"X-Error-Message": "Invalid credentials in Authorization header"}
        return web.json_response({"error": "Invalid username or password."}, status=401, headers=message)
    if f"{request.match_info['org']}/{request.match_info['repo']}" != hub.repository:
        return _error(404 if sent else 401, "RepoNotFound")
    if request.match_info.get("revision", "main") not in hub.revisions:
        return _error(404, "RevisionNotFound")
    return None


def _gate(hub: Hub, request: web.Request) -> web.Response | None:
    if not hub.gated or (request.headers.get("Authorization") and hub.granted):
        return None
    return _error(403 if request.headers.get("Authorization") else 401, "GatedRepo")


async def _info(hub: Hub, request: web.Request) -> web.Response:
    body = {"id": hub.repository, "sha": COMMIT, "gated": hub.gated or False, "cardData": dict(hub.card)}
    return _refusal(hub, request) or web.json_response(body)


async def _auth_check(hub: Hub, request: web.Request) -> web.Response:
    return _refusal(hub, request) or _gate(hub, request) or web.Response()


async def _tree(hub: Hub, request: web.Request) -> web.Response:
    refusal = _refusal(hub, request)
    if refusal is not None:
        return refusal
    start = int(request.query.get("cursor", "0"))
    entries = [_entry(path, data, lfs=hub.lfs) for path, data in sorted(hub.files.items())]
    following = start + hub.page_size
    address = f"{hub.url}{request.path}?recursive=true&cursor={following}"
    headers = {"Link": f'<{address}>; rel="next"'} if following < len(entries) else {}
    return web.json_response(entries[start:following], headers=headers)


def _entry(path: str, data: bytes, *, lfs: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
    if lfs and path.endswith(".gguf"):
        entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return entry


async def _resolve(hub: Hub, request: web.Request) -> web.Response:
    refusal = _refusal(hub, request) or _gate(hub, request)
    if refusal is not None:
        return refusal
    path = request.match_info["path"]
    if path not in hub.files:
        return _error(404, "EntryNotFound")
    digest = hashlib.sha256(hub.files[path]).hexdigest()
    headers = {
        "Location": f"{hub.storage_url}/{path}?signature=secret",
        "X-Repo-Commit": COMMIT,
        "X-Linked-Size": str(len(hub.files[path])),
        "X-Linked-ETag": f'"{digest}"',
    }
    return web.Response(status=302, headers=headers)


async def _stored(hub: Hub, request: web.Request) -> web.Response:
    hub.storage_requests.append(request)
    data = hub.files[request.match_info["path"]]
    response = ranged(request, data)
    response.headers["ETag"] = f'"{hashlib.sha256(data).hexdigest()}"'
    return response
