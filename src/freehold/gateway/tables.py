"""Reads what the endpoints of a house point at: builds that are held and permitted, and what is elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from freehold.core.builds import HeldBuild
from freehold.core.errors import BadReferenceError, NoEngineError, NotFoundError, PolicyError, SettingsError
from freehold.core.refs import Reference
from freehold.core.settings import DEFAULT_MODEL, EndpointSettings, Settings
from freehold.gateway import endpoints
from freehold.gateway.endpoints import EndpointTable, Target
from freehold.gateway.pool import MakeWorker


class Tables:
    """`held`, `find`, `permit` and `make_worker` are the gateway's own."""

    def __init__(
        self,
        held: Callable[[], tuple[HeldBuild, ...]],
        find: Callable[[Reference], HeldBuild],
        permit: Callable[[HeldBuild, Settings], object],
        make_worker: MakeWorker,
    ) -> None:
        self._held = held
        self._find = find
        self._permit = permit
        self._make_worker = make_worker

    def read(self, settings: Settings) -> EndpointTable:
        """The endpoints that `settings` mean. Raises SettingsError that names every one that cannot be served, and
        PolicyError that names every one that may not."""
        if settings.endpoints is None:
            return endpoints.from_held(self._permitted(settings), settings.engine, first=DEFAULT_MODEL)
        targets: dict[str, Target] = {}
        wrong: list[str] = []
        refused: list[PolicyError] = []
        for row in settings.endpoints.values():
            try:
                targets[row.name] = self._target(row, settings)
            except (NotFoundError, BadReferenceError, NoEngineError) as error:
                wrong.append(f"  {row.name}: {error}")
            except PolicyError as error:
                refused.append(error)
        if wrong:
            raise SettingsError(f"{len(wrong)} of the endpoints cannot be served:\n" + "\n".join(wrong))
        if refused:
            raise endpoints.together(refused)
        rows = settings.endpoints.values()
        keeps = {row.name: row.keep_content_s for row in rows if row.keep_content_s is not None}
        return EndpointTable(targets, stays={row.name: row.stay for row in rows}, keeps=keeps)

    def _permitted(self, settings: Settings) -> tuple[HeldBuild, ...]:
        """The held builds that the policy lets the house serve and an engine here opens: nobody asked for one by name,
        so another is left out. Raises PolicyError where every one is refused."""
        taken: list[HeldBuild] = []
        refused: list[PolicyError] = []
        for build in self._held():
            try:
                self._permit(build, settings)
                taken.append(build)
            except NoEngineError:
                continue
            except PolicyError as error:
                refused.append(error)
        if refused and not taken:
            raise endpoints.together(refused)
        return tuple(taken)

    def _target(self, row: EndpointSettings, settings: Settings) -> Target:
        """What `row` points at. Raises NotFoundError where it is not held, BadReferenceError for wrong options,
        NoEngineError where nothing here runs it, PolicyError where the house may not serve it."""
        if endpoints.is_local(row):
            build = self._find(row.ref)
            self._permit(build, settings)
            return endpoints.from_settings(row, settings, build)
        target = endpoints.from_settings(row, settings, None)
        # An engine reads its own options when it makes a worker: now, not when the first request comes.
        self._make_worker(target)
        return target
