"""Builds everything from Settings. The only place that knows every package."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from freehold import __version__
from freehold.catalog import Catalog
from freehold.catalog.overview import Overview
from freehold.core.builds import HeldBuild, WeightFacts
from freehold.core.ports import Outgoing, Worker
from freehold.core.refs import SourceKind
from freehold.core.settings import Settings
from freehold.egress.guard import Guard, guarding
from freehold.egress.policy import require_kept as require_kept
from freehold.egress.policy import require_listed
from freehold.egress.record import EgressRecord
from freehold.engines.fake.engine import Fake
from freehold.engines.llamacpp.engine import LlamaCpp
from freehold.engines.opens import no_engine, require_engine
from freehold.engines.openvino.engine import OpenVino
from freehold.engines.remote.engine import Remote
from freehold.gateway.access.access import Access
from freehold.gateway.access.book import KeyBook, id_of
from freehold.gateway.access.meter import Clocks
from freehold.gateway.endpoints import Target
from freehold.gateway.gateway import Gateway
from freehold.hardware import probe
from freehold.hardware.fingerprint import fingerprint
from freehold.ledger.cards import cards
from freehold.ledger.chains import chains, of_each, opened_alone
from freehold.ledger.content.erasing import Why as Why
from freehold.ledger.content.house_key import FILE as CONTENT_KEY
from freehold.ledger.content.house_key import KeyRing
from freehold.ledger.content.rekeyed import rekeyed_of as rekeyed_of
from freehold.ledger.content.spans import read_spans as read_spans
from freehold.ledger.energy import Counter, Meter, packages
from freehold.ledger.ledger import Ledger as Ledger
from freehold.ledger.ledger import opened
from freehold.ledger.report import UsageAsked as UsageAsked
from freehold.ledger.report import read_by as read_by
from freehold.ledger.report import read_day as read_day
from freehold.ledger.report import rows
from freehold.ledger.usage import spent, together, usage
from freehold.permits import Permits
from freehold.store.derived import Make, Making, derive
from freehold.store.holdings import Holding, holding
from freehold.store.plan import Source
from freehold.store.sources.disk import DiskSource
from freehold.store.sources.hub import HubSource
from freehold.store.sources.pypi import PypiSource
from freehold.store.sources.web import WebSource
from freehold.store.store import Store
from freehold.trials.applying import ExplainedWorker, Remembered
from freehold.trials.entrants import Entrant, LlamaEntrant
from freehold.trials.openvino import OpenVinoEntrant

if TYPE_CHECKING:
    from freehold.planning.planner import Planner
    from freehold.planning.targets import Builds, Targets


Recorded = Literal["house", "alone"]


@dataclass(frozen=True, slots=True)
class Engines:
    """Every engine this house has."""

    llamacpp: LlamaCpp
    openvino: OpenVino
    remote: Remote
    fake: Fake


@dataclass(frozen=True, slots=True)
class House:
    """One house: its settings, what it holds, where it gets more, and the way to its models."""

    settings: Settings
    catalog: Catalog
    store: Store
    sources: Mapping[SourceKind, Source]
    engines: Engines
    gateway: Gateway
    permits: Permits
    overview: Overview
    access: Access
    entrants: Sequence[Entrant]
    remembered: Remembered
    guard: Guard | None = None
    egress: EgressRecord | None = None

    @property
    def outgoing(self) -> Outgoing | None:
        """Through whom the house connects; None where it may by itself."""
        return self.guard

    async def begin_record(self, lost: Callable[[], None]) -> None:
        """Begin the record of what leaves, and hear the helpers of a restricted house; `lost` is called when
        one of them has ended. Raises LedgerError."""
        if self.egress is None:
            return
        allowed = None if self.guard is None else [str(peer) for peer in self.guard.peers]
        await self.egress.begin(version=__version__, allowed=allowed, strict=self.settings.ledger.mode == "strict")
        if self.guard is not None:
            self.guard.attend(self.egress, lost)
        else:
            self.egress.runs_unlocked()

    async def end_record(self) -> None:
        if self.guard is not None:
            self.guard.leave()
        if self.egress is not None:
            await self.egress.close()

    def usage(self, asked: UsageAsked) -> list[dict[str, Any]]:
        """What was used of this house, as `asked`, where `key` may be an owner's name; each key with its `owner`.
        Raises LedgerError, KeyBookError, NotFoundError and CallError where no key has that name, or several have."""
        folder, keys = self.settings.ledger_folder, self.access.keys.values()
        if asked.key is not None:
            asked = replace(asked, key=id_of(keys, asked.key))
        found = rows(together(of_each(chains(folder), lambda each: [usage(each, since_ms=asked.since_ms)])), asked)
        owners = {key.id: key.owner for key in keys}
        return [{**row, "owner": owners.get(row["key"])} if "key" in row else row for row in found]

    def no_engine(self, build: HeldBuild) -> str | None:
        """Why no engine here is known to run a held build; None where one is, or nobody can tell."""
        return no_engine(build.facts)

    def holding(self, build: HeldBuild) -> Holding:
        """What the deed of a held build says of it. Raises DeedError."""
        return holding(build, self.store, self.catalog)

    def fit(self, name: str) -> dict[str, Any]:
        """Every build of the model called `name` on this machine. Raises NotFoundError with the nearest names."""
        from freehold.planning.planner import Question

        builds = functools.cache(self.store.builds)
        return self._planner(builds).of_target(self._targets(builds).of_model(self.catalog.model(name)), Question())

    def fits(self) -> dict[str, Any]:
        """Of every model of the catalog whether it fits this machine, of held builds first."""
        builds = functools.cache(self.store.builds)
        return self._planner(builds).brief(self._targets(builds).held())

    def _planner(self, builds: Builds) -> Planner:
        """Who plans for this machine as it is now, what this house's workers have mapped counted as taken."""
        from freehold.planning.here import planner_here

        running = {worker.build for worker in self.gateway.workers() if worker.pid is not None}
        taken = sum(build.size_bytes for build in builds() if build.name in running)
        return planner_here(self.catalog, self.settings.home, taken)

    def _targets(self, builds: Builds) -> Targets:
        from freehold.planning.targets import Targets
        from freehold.trials.distances import distances_here

        return Targets(self.catalog, self.store, distances_here(self.settings.home, builds), builds)


def build_house(settings: Settings, *, recorded: Recorded | None = None, guard: Guard | None = None) -> House:
    """Put a house together. Nothing is started, made or downloaded until something is asked of it. `recorded` is
    whose chain of the ledger its gateway writes: that of the house that serves, of which there is one, or one of a
    process that answers alone; None is for who answers nobody. `guard` is a restricted one's."""
    if settings.ledger.mode == "off":
        recorded = None
    egress = EgressRecord(settings.ledger_folder) if recorded == "house" else None
    keys, store, catalog = access(settings, guard), Store.of(settings), Catalog.load()
    permits = Permits(catalog, store)
    engines = _engines(settings, store, catalog, egress)
    entrants = _entrants(engines, settings, store, catalog)
    remembered = _remembered(entrants, settings, store)
    gateway = Gateway(
        settings,
        held=store.builds,
        find=store.find,
        permit=lambda build, under: _permit(permits, build, under),
        make_worker=lambda target: _worker(engines, remembered, settings, target),
        access=keys,
        outgoing=guard,
        open_ledger=(lambda: _ledger(settings, keys, recorded)) if recorded else None,
    )
    return House(
        settings=settings,
        catalog=catalog,
        store=store,
        sources=_sources(settings),
        engines=engines,
        gateway=gateway,
        permits=permits,
        overview=Overview(catalog, settings.organization, settings.policy),
        access=keys,
        entrants=entrants,
        remembered=remembered,
        guard=guard,
        egress=egress,
    )


def _permit(permits: Permits, build: HeldBuild, settings: Settings) -> None:
    """Raises PolicyError where the house does not serve `build`, NoEngineError where nothing here runs it."""
    permits.require_build(build, settings)
    require_engine(build)


def _engines(settings: Settings, store: Store, catalog: Catalog, watcher: EgressRecord | None) -> Engines:
    async def derived(parent: HeldBuild, making: Making, make: Make, facts: WeightFacts) -> HeldBuild:
        return await derive(parent, making, make, store=store, catalog=catalog, facts=facts)

    runtime_dir, log_dir = settings.runtime_dir, settings.home / "logs"
    return Engines(
        llamacpp=LlamaCpp(
            runtime_dir=runtime_dir, log_dir=log_dir, confirm=store.confirm, home=settings.home, watcher=watcher
        ),
        openvino=OpenVino(
            runtime_dir=runtime_dir, log_dir=log_dir, confirm=store.confirm, derive=derived, watcher=watcher
        ),
        remote=Remote(),
        fake=Fake(runtime_dir=runtime_dir, log_dir=log_dir, watcher=watcher),
    )


def _entrants(engines: Engines, settings: Settings, store: Store, catalog: Catalog) -> tuple[Entrant, ...]:
    """The engines that can be measured against each other here: those that are installed."""
    llamacpp = LlamaEntrant(
        engines.llamacpp, store, catalog, runtime_dir=settings.runtime_dir, log_dir=settings.home / "logs"
    )
    both: tuple[Entrant, ...] = (llamacpp, OpenVinoEntrant(engines.openvino))
    return tuple(entrant for entrant in both if entrant.version is not None)


def _remembered(entrants: Sequence[Entrant], settings: Settings, store: Store) -> Remembered:
    versions = {entrant.name: entrant.version or "unknown" for entrant in entrants}
    return Remembered(settings.home, versions, lambda: fingerprint(probe.machine()), store.by_digest)


def _sources(settings: Settings) -> Mapping[SourceKind, Source]:
    return {
        "pypi": PypiSource(settings.environment),
        "hf": HubSource(settings.hub),
        "https": WebSource(),
        "file": DiskSource(),
    }


@contextlib.contextmanager
def guarded(settings: Settings) -> Iterator[Guard | None]:
    """The guard of a house whose policy says where connections may go, its helpers running; None where it does not.
    Raises SettingsError where the policy cannot be kept on this system."""
    if settings.policy.egress is None:
        yield None
        return
    require_kept(settings)
    with contextlib.closing(guarding(settings.policy.egress, settings.runtime_dir)) as guard:
        yield guard


def door_loop(outgoing: Outgoing) -> asyncio.AbstractEventLoop:
    """An event loop whose connections are all made by `outgoing`."""
    from freehold.egress.loop import DoorLoop

    return DoorLoop(outgoing)


def access(settings: Settings, outgoing: Outgoing | None = None) -> Access:
    """Who may ask the house that these settings mean; the issuer of their tokens is asked through `outgoing`. Raises
    SettingsError where [sign_on] makes no sense."""
    book, clocks, sign_on = KeyBook(settings.home), Clocks(), settings.sign_on
    if sign_on is None:
        return Access(book, settings.server.api_key, clocks=clocks)
    from freehold.gateway.access.tokens.code_flow import CodeFlow
    from freehold.gateway.access.tokens.fetching import fetching, posting
    from freehold.gateway.access.tokens.issuer import Issuer
    from freehold.gateway.access.tokens.tokens import Tokens

    issuer = Issuer(sign_on, fetching(outgoing), now_s=clocks.now_s)
    tokens, client = Tokens(sign_on, issuer, clocks.wall_s), sign_on.client
    flow = CodeFlow(sign_on.issuer, client, issuer.discovery, posting(outgoing)) if client is not None else None
    return Access(book, settings.server.api_key, tokens=tokens, code_flow=flow, clocks=clocks)


def measures_energy() -> bool:
    """Whether this machine has a counter of energy that this account may read."""
    return bool(_counters())


def _counters() -> list[Counter]:
    return [*packages(), *cards()]


async def _ledger(settings: Settings, keys: Access, recorded: Recorded) -> Ledger:
    folder, mode, meter = settings.ledger_folder, settings.ledger.mode, Meter(_counters())
    if recorded == "alone":
        return await opened_alone(folder, mode, version=__version__, meter=meter)
    if keys.needed:  # read first: what cannot be read leaves no ledger open
        keys.spent(await asyncio.to_thread(spent, folder, time.time()))
    ring = KeyRing(settings.home / CONTENT_KEY)
    return await opened(folder, mode, version=__version__, ring=ring, meter=meter)


def _worker(engines: Engines, remembered: Remembered, settings: Settings, target: Target) -> Worker:
    if target.build is not None:
        applied = remembered.apply(target.build, target.options)
        options = applied.arm.options(applied.options)
        if applied.arm.engine == "openvino":
            return ExplainedWorker(engines.openvino.worker(applied.arm.build, options), applied)
        return ExplainedWorker(engines.llamacpp.worker(applied.arm.build, options), applied)
    if target.remote is not None:
        require_listed(target.remote, settings.policy.egress)
        key = settings.secret(target.key_env) if target.key_env else None
        return engines.remote.worker(target.remote, key)
    assert target.fake is not None, f"{target.reference} is neither a build, a remote nor a fake"
    return engines.fake.worker(target.fake)
