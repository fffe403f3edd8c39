"""The Protocols through which layers meet: engines and their workers, connections that go out, progress displays.

An engine, local or remote, is something that speaks OpenAI's HTTP at an Upstream. The gateway knows
nothing more about it, which is what makes swapping a model a matter of one line.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from freehold.core.quantity import Quantity

SchemaRules = Literal["llama.cpp", "xgrammar"]
WorkerState = Literal["stopped", "starting", "ready", "backing-off", "failed", "stopping"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the engine does itself; where it does not, the gateway helps or refuses by name.

    `tools`: the chat template of this build knows tools. `forced_tools`: `tool_choice` "required" or a
    named function is enforced by the engine. `progress`: it accepts `return_progress`. `grammar`: it
    takes a GBNF grammar. `tokenize`: it has /tokenize and /detokenize. `embeddings`: /v1/embeddings.
    `chat`: there is a chat template, so /v1/chat/completions makes sense. `top_logprobs`: with `logprobs`, those of
    other tokens than the one that was taken. `schema_rules`: whose rules tell what of a JSON schema is lost in silence.
    """

    chat: bool = True
    tools: bool = True
    forced_tools: bool = True
    json_schema: bool = True
    grammar: bool = False
    logprobs: bool = True
    embeddings: bool = True
    tokenize: bool = False
    progress: bool = False
    top_logprobs: bool = True
    schema_rules: SchemaRules = "llama.cpp"


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where an engine answers, and how it wants to be asked.

    With `socket_path` the host in `base_url` is only a name. `base_url` has no trailing slash and does
    not include `/v1`-style prefixes beyond what must stand before `/chat/completions`; for local workers
    it is `http://worker/v1`. `headers` may hold a key and is therefore not in the repr. `model` is the
    name the engine expects. `digest` is None where nobody can know it (remote).
    `trained_tokens` is the longest context that the model was trained with, None is unknown. `slots` is how many
    answers the engine makes at one time, None where it says no number. `release` is the engine's, None is unknown.
    `keeps_alive` is False where a connection ends with the answer that came over it, whatever the engine promises.
    """

    engine: str
    base_url: str
    model: str
    capabilities: Capabilities
    socket_path: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    digest: str | None = None
    context_tokens: int | None = None
    trained_tokens: int | None = None
    slots: int | None = None
    release: str | None = None
    keeps_alive: bool = True

    @property
    def fingerprint(self) -> str | None:
        """What answers are made with, in one word: another engine, release or build has another. None where nobody
        knows the build."""
        if self.digest is None:
            return None
        build = self.digest.removeprefix("sha256:")[:12]
        return "-".join([self.engine, *([self.release] if self.release else []), build])


@dataclass(frozen=True, slots=True)
class Choice:
    """One setting of a worker: its value, whether a person `set` it or it was `chosen`, and why."""

    value: str
    origin: Literal["chosen", "set", "default"]
    reason: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One kind of thing that a locked worker asked the kernel for and was refused: how often, and when (Unix time)."""

    what: str
    count: int
    first_at: float
    last_at: float


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What `freehold ps` shows of one worker. None is unknown, never zero.

    `attempts` are what its lock refused since it started; None where nobody can see them. `memory_bytes` is what its
    process shows now, `reserved_bytes` what the house keeps free for it, of which `mapped_bytes` are weights that all
    workers of the build have together; `in_use` requests are at work there and `waiting` ones wait for it.
    """

    build: str
    engine: str
    state: WorkerState
    pid: int | None
    started_at: float | None
    restarts: int
    memory_bytes: int | None
    lock: str
    choices: Mapping[str, Choice]
    last_error: str | None
    log_path: str | None
    attempts: tuple[Attempt, ...] | None = None
    reserved_bytes: int = 0
    mapped_bytes: int = 0
    in_use: int = 0
    waiting: int = 0
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """The machine's memory that a worker may be planned into: `share_bytes` where it can do with that, and `most_bytes`
    at most."""

    share_bytes: int
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Mapped:
    """Weights that a worker reads where its build's file is mapped and never copies: the kernel keeps those pages once,
    however many workers map the file (`mmap(2)`). `digest` is the build's."""

    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class MemoryNeeds:
    """What a worker takes of the machine's memory. `start` is what it takes to be ready and to answer, with what is
    `mapped`; a cache may take `growth_bytes` more as it fills. Of what its process shows, `given_back_bytes` are pages
    that the kernel takes back where it needs them. Where `start` is unknown, `floor_bytes` are sure."""

    start: Quantity
    growth_bytes: int = 0
    given_back_bytes: int = 0
    floor_bytes: int = 0
    mapped: Mapped | None = None


class Worker(Protocol):
    """One build being served, by a process of ours or by somebody else's API."""

    @property
    def upstream(self) -> Upstream:
        """Valid once `start` has returned; the socket changes with every restart, so ask each time."""

    @property
    def state(self) -> WorkerState: ...

    async def plan(self, room: Room) -> MemoryNeeds:
        """Choose how it will run within `room`, and say what it will take; the same `room` gives the same. Raises
        WorkerStartError where what is set cannot be run there."""

    async def start(self) -> None:
        """Start and wait until it answers. Raises WorkerStartError with the log's last lines."""

    async def ready(self) -> Upstream:
        """Wait out a restart, then give the upstream; raises WorkerStartError once it has been given up."""

    async def stop(self, *, grace_s: float = 5.0) -> None:
        """End it; on return no process of it is left. Calling it twice is fine."""

    def report(self) -> WorkerReport: ...


class Outgoing(Protocol):
    """The one door through which a house that may not connect by itself has its connections made.

    Where a house has none (`None`), nothing is restricted and whoever needs a connection opens it. Who speaks HTTP
    takes `gateway.connector.connector(outgoing)`, which is right in both cases.
    """

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connected TCP socket that does not block; the caller closes it. Raises EgressError where the policy lets
        nothing go there, OSError (ConnectionRefusedError, TimeoutError) where nobody answers."""

    async def connect_worker(self, path: str) -> socket.socket:
        """The same for the Unix socket of one of the house's own workers."""


class Progress(Protocol):
    """Where a long piece of work says how far it is. Sizes in bytes; `total_bytes` None is unknown."""

    def start(self, task: str, *, total_bytes: int | None, done_bytes: int = 0) -> None: ...

    def advance(self, task: str, nbytes: int) -> None: ...

    def finish(self, task: str) -> None: ...

    def note(self, text: str) -> None:
        """One line of talk: resumed, waiting for another pull, checking."""
