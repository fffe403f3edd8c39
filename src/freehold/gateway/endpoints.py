"""Endpoints: the names that clients send as `model`, and what each of them points at. Pure.

With `[endpoints]` in freehold.toml exactly those exist. Without it every held build is one: under its model's name
where the model has one build, and always under its full name `model:tag`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from freehold.core.builds import HeldBuild
from freehold.core.errors import NotFoundError, PolicyError, PolicyReviewError
from freehold.core.memory_settings import StaySettings
from freehold.core.names import nearest
from freehold.core.ports import Capabilities, WorkerState
from freehold.core.refs import OPENAI_URL, FakeRef, RemoteRef
from freehold.core.settings import EndpointSettings, EngineOptions, Settings

EndpointKind = Literal["local", "remote", "fake"]


@dataclass(frozen=True, slots=True)
class Target:
    """What an endpoint runs. Two endpoints with equal targets share one worker.

    `build` is set for local targets; `key_env` names the environment variable of a remote one's key.
    """

    kind: EndpointKind
    reference: str
    build: HeldBuild | None = None
    remote: RemoteRef | None = None
    fake: FakeRef | None = None
    key_env: str | None = None
    options: EngineOptions = field(default_factory=EngineOptions)

    def __hash__(self) -> int:
        return hash((self.kind, self.reference, self.key_env, self.options))


@dataclass(frozen=True, slots=True)
class EndpointInfo:
    """An endpoint as clients and people see it. None is unknown; `state` is its worker's. `chat` is known of a held
    build before its worker ever ran: False means that it has no chat template, so it only continues texts."""

    name: str
    target: str
    kind: EndpointKind
    build: str | None
    digest: str | None
    context_tokens: int | None
    state: WorkerState
    capabilities: Capabilities | None
    created: int
    license: str | None = None
    size_bytes: int | None = None
    chat: bool | None = None
    note: str | None = None


class EndpointTable:
    """A name for every target. `default` is the one the chat page opens with; `stays` what endpoints say of their stay
    in memory, by name; `keeps` for how many seconds those that keep what they are asked and answer keep it."""

    def __init__(
        self,
        targets: Mapping[str, Target],
        *,
        aliases: Mapping[str, str] | None = None,
        stays: Mapping[str, StaySettings] | None = None,
        keeps: Mapping[str, float] | None = None,
    ) -> None:
        self.targets = dict(targets)
        self.stays = dict(stays or {})
        self.keeps = dict(keeps or {})
        self._aliases = dict(aliases or {})

    @property
    def default(self) -> str | None:
        return next(iter(self.targets), None)

    def find(self, name: str) -> tuple[str, Target]:
        """The endpoint's own name and its target. Raises NotFoundError with the nearest names."""
        own = self._aliases.get(name, name)
        if own in self.targets:
            return own, self.targets[own]
        hint = "GET /v1/models lists them." if self.targets else "Nothing is held yet: `freehold pull`."
        raise NotFoundError("model", name, nearest=nearest(name, self.targets), hint=hint)


def local(build: HeldBuild, options: EngineOptions) -> Target:
    return Target("local", build.name, build=build, options=options)


def chats(target: Target, running: Capabilities | None) -> bool | None:
    """Whether `target` can chat: by what its engine told, else by what is known of its build; None is unknown."""
    if running is not None:
        return running.chat
    return None if target.build is None else target.build.facts.chat_template is not None


def offered(engine: Capabilities) -> Capabilities:
    """What clients can do at an endpoint of `engine`: tools that it or its template lacks are added on the way."""
    forced_tools = engine.forced_tools or (engine.chat and engine.json_schema)
    return replace(engine, tools=engine.tools or engine.chat, forced_tools=forced_tools)


def from_settings(row: EndpointSettings, settings: Settings, build: HeldBuild | None) -> Target:
    """The target of one row of `[endpoints]`; `build` is what a local reference was found to be."""
    options = row.options.over(settings.engine)
    if isinstance(row.ref, RemoteRef):
        key_env = row.key_env or _usual_key_env(row.ref)
        # How many requests it is sent at once; nothing else of an engine's options means anything there.
        slots = EngineOptions(slots=row.options.slots)
        return Target("remote", str(row.ref), remote=row.ref, key_env=key_env, options=slots)
    if isinstance(row.ref, FakeRef):
        return Target("fake", str(row.ref), fake=row.ref, options=options)
    assert build is not None, "a local reference is resolved before it becomes a target"
    return local(build, options)


def from_held(builds: Collection[HeldBuild], options: EngineOptions, *, first: str) -> EndpointTable:
    """Every held build as an endpoint; the model named `first` leads where it is held."""
    known = {build.digest for build in builds}
    # Another form of a build that is held too is no endpoint of its own.
    own = (build for build in builds if build.parent not in known)
    ordered = sorted(own, key=lambda build: (build.model != first, build.name))
    count = Counter(build.model for build in ordered)
    targets: dict[str, Target] = {}
    aliases: dict[str, str] = {}
    for build in ordered:
        name = build.model if count[build.model] == 1 else build.name
        targets[name] = local(build, options)
        aliases[build.name] = name
    for build in ordered:
        aliases.setdefault(build.model, build.name)
    return EndpointTable(targets, aliases={alias: name for alias, name in aliases.items() if alias not in targets})


def together(refused: Sequence[PolicyError]) -> PolicyError:
    """One error for all of `refused`, which must not be empty: a denial where one of them is a denial."""
    denied = [error for error in refused if not isinstance(error, PolicyReviewError)]
    first = (denied or refused)[0]
    messages = "\n".join(dict.fromkeys(error.message for error in refused))
    verdicts = [verdict for error in refused for verdict in error.data["refused"]]
    return type(first)(messages, hint=first.hint, refused=verdicts)


def is_local(row: EndpointSettings) -> bool:
    return not isinstance(row.ref, RemoteRef | FakeRef)


def _usual_key_env(ref: RemoteRef) -> str | None:
    """OpenAI's own variable for OpenAI's own address; any other host gets a key only where one is named for it."""
    return "OPENAI_API_KEY" if ref.base_url == OPENAI_URL else None
