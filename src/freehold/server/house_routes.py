"""The routes that tell of the house itself: models, health, metrics. They ask no engine anything."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from freehold import __version__
from freehold.app import House
from freehold.core.errors import NotFoundError
from freehold.core.names import nearest
from freehold.gateway.endpoints import EndpointInfo
from freehold.server.answers import Handler
from freehold.server.call import Call
from freehold.server.drain import Drain
from freehold.server.errors import speaks_anthropic
from freehold.server.metrics import CONTENT_TYPE, Metrics

_NOT_READY = {
    "starting": "is starting",
    "backing-off": "is being started again",
    "failed": "did not start: see `freehold ps`",
    "stopping": "is stopping",
}


class HouseRoutes:
    """Handlers for GET routes; `model` answers `/v1/models/{id}`."""

    def __init__(self, house: House, metrics: Metrics, drain: Drain) -> None:
        self._house = house
        self._metrics = metrics
        self._drain = drain

    def routes(self) -> dict[str, Handler]:
        """GET handlers by path."""
        return {
            "/v1/models": self._models,
            "/health": self._health,
            "/health/live": self._live,
            "/health/ready": self._ready,
            "/metrics": self._show_metrics,
        }

    async def model(self, call: Call) -> None:
        """One endpoint by name. Raises NotFoundError with the nearest names."""
        name = call.path.removeprefix("/v1/models/")
        found = {info.name: info for info in self._endpoints(call)}
        if name not in found:
            raise NotFoundError("model", name, nearest=nearest(name, found), hint="GET /v1/models lists them.")
        await call.reply(200, self._shape_for(call)(found[name]))

    async def _models(self, call: Call) -> None:
        shape = self._shape_for(call)
        data = [shape(info) for info in self._endpoints(call)]
        if not speaks_anthropic(call.path, call.headers):
            await call.reply(200, {"object": "list", "data": data})
            return
        first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
        await call.reply(200, {"data": data, "has_more": False, "first_id": first, "last_id": last})

    def _endpoints(self, call: Call) -> list[EndpointInfo]:
        """Those that the caller's key may ask."""
        allowed = call.key.scopes.endpoints if call.key is not None else ()
        return [info for info in self._house.gateway.endpoints() if not allowed or info.name in allowed]

    def _shape_for(self, call: Call) -> Callable[[EndpointInfo], dict[str, Any]]:
        return self._anthropic_model if speaks_anthropic(call.path, call.headers) else self._openai_model

    def _openai_model(self, info: EndpointInfo) -> dict[str, Any]:
        facts = dataclasses.asdict(info)
        name, created = facts.pop("name"), facts.pop("created")
        named = {"id": name, "object": "model", "created": created, "owned_by": "freehold"}
        return {**named, **facts, **self._catalog_facts(info)}

    def _anthropic_model(self, info: EndpointInfo) -> dict[str, Any]:
        created = datetime.fromtimestamp(info.created, UTC).isoformat()
        title = self._catalog_facts(info)["title"] or info.name
        return {"type": "model", "id": info.name, "display_name": title, "created_at": created}

    def _catalog_facts(self, info: EndpointInfo) -> dict[str, str | None]:
        found = self._house.catalog.by_sha256(info.digest.removeprefix("sha256:")) if info.digest else None
        if found is None:
            return {"title": None, "quantization": None}
        model, build = found
        return {"title": model.title, "quantization": build.quantization}

    async def _live(self, call: Call) -> None:
        await call.reply(200, {"status": "ok"})

    async def _ready(self, call: Call) -> None:
        reasons = self._reasons()
        await call.reply(503 if reasons else 200, {"ready": not reasons, "reasons": reasons})

    async def _health(self, call: Call) -> None:
        reasons = self._reasons()
        status = "closing" if self._drain.has_begun else "starting" if reasons else "ok"
        body = {"status": status, "live": True, "ready": not reasons, "reasons": reasons, "version": __version__}
        await call.reply(200, body)

    def _reasons(self) -> list[str]:
        """Why the house is not ready, empty where it is: the endpoint that leads has to answer. A stopped worker is
        started by the first request and so counts as ready."""
        if self._drain.has_begun:
            return ["The house is closing."]
        infos = self._house.gateway.endpoints()
        if not infos:
            return ["There are no endpoints: `freehold pull` something."]
        first = infos[0]
        return [f"{first.name} {_NOT_READY[first.state]}."] if first.state in _NOT_READY else []

    async def _show_metrics(self, call: Call) -> None:
        self._house.access.require_admin(call)
        await call.reply_bytes(200, self._metrics.render(), ((b"content-type", CONTENT_TYPE),))
