"""The routes behind the Models page: the catalog with what is held of it, and the paper of one model.

GET only, and nothing here asks an engine or a network anything. Reading deeds and papers takes milliseconds of disk and
processor, so it is done on a thread, beside the answers being streamed.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from anyio import to_thread

from freehold.app import House
from freehold.core.builds import HeldBuild
from freehold.core.errors import FreeholdError
from freehold.server.answers import Handler
from freehold.server.call import Call

ONE_MODEL = "/api/catalog/"


class CatalogRoutes:
    """Handlers for GET; `model` answers `/api/catalog/{name}`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._overview = house.overview

    def routes(self) -> dict[str, Handler]:
        """GET handlers by path."""
        return {"/api/catalog": self._catalog}

    async def model(self, call: Call) -> None:
        """The paper of one model by name. Raises NotFoundError with the nearest names."""
        await call.reply(200, await to_thread.run_sync(self._paper, call.path.removeprefix(ONE_MODEL)))

    async def _catalog(self, call: Call) -> None:
        await call.reply(200, await to_thread.run_sync(self._everything, self._serving()))

    def _serving(self) -> dict[str, str]:
        """The endpoint of each digest that is served; none where the endpoints cannot be read or may not be served. The
        routes that need one say why: who looks through the catalog is not kept from it."""
        try:
            return {info.digest: info.name for info in self._house.gateway.endpoints() if info.digest}
        except FreeholdError:
            return {}

    def _paper(self, name: str) -> dict[str, Any]:
        self._follow_settings()
        found = self._overview.paper(name)
        return {**found, "override": self._override(found) if found["verdict"] else None}

    def _override(self, found: dict[str, Any]) -> dict[str, Any] | None:
        """The override of a model that stands, and whether it covers what the verdict stands on today."""
        standing = self._house.permits.overrides.standing(found["model"]["name"])
        if standing is None:
            return None
        return {**dataclasses.asdict(standing), "covers_this": standing.covers(found["verdict"]["grounds"])}

    def _everything(self, serving: dict[str, str]) -> dict[str, Any]:
        self._follow_settings()
        house, overview = self._house, self._overview
        return {
            "models": overview.rows,
            "held": [self._held(build, serving.get(build.digest)) for build in house.store.builds()],
            "unreadable": len(house.store.problems()),
            **overview.words,
            **overview.asker,
        }

    def _held(self, build: HeldBuild, endpoint: str | None) -> dict[str, Any]:
        """A held build, its verdict among it: what is asked of its bytes and of what its source claims counts too."""
        house = self._house
        found = house.permits.of_build(build, house.gateway.settings) if self._overview.judged else None
        told = dataclasses.asdict(house.holding(build))
        return {
            **told,
            "endpoint": endpoint,
            "no_engine": house.no_engine(build),
            "verdict": found.as_json() if found else None,
        }

    def _follow_settings(self) -> None:
        """Verdicts are given under the settings in force, which a reload may have changed."""
        settings = self._house.gateway.settings
        self._overview = self._overview.under(settings.organization, settings.policy)
