"""The routes behind the Models page: the catalog with what is held of it, and the paper of one model.

GET only, and nothing here asks an engine or a network anything. Reading deeds and papers takes milliseconds of disk and
processor, so it is done on a thread, beside the answers being streamed.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from anyio import to_thread

from freehold.app import House
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
        serving = {info.digest: info.name for info in self._house.gateway.endpoints() if info.digest}
        await call.reply(200, await to_thread.run_sync(self._everything, serving))

    def _paper(self, name: str) -> dict[str, Any]:
        self._follow_settings()
        return self._overview.paper(name)

    def _everything(self, serving: dict[str, str]) -> dict[str, Any]:
        """`serving` has the endpoint of each digest that is served."""
        self._follow_settings()
        house, overview = self._house, self._overview
        held = [{**dataclasses.asdict(each), "endpoint": serving.get(each.digest)} for each in house.holdings()]
        unreadable = len(house.store.problems())
        return {"models": overview.rows, "held": held, "unreadable": unreadable, **overview.words, **overview.asker}

    def _follow_settings(self) -> None:
        """Verdicts are given under the settings in force, which a reload may have changed."""
        settings = self._house.gateway.settings
        self._overview = self._overview.under(settings.organization, settings.policy)
