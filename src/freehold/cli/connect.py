"""Finds who answers for a reference: an endpoint of the running house, else a model opened for this command alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from freehold import control
from freehold.core.errors import KeyRefusedError, NotFoundError, UnsupportedError
from freehold.core.refs import parse
from freehold.core.settings import DEFAULT_MODEL, Settings
from freehold.python.aio import AsyncModel, open_async
from freehold.python.held import builds
from freehold.python.opening import Wanted, open_house

KEY_ENV = "FREEHOLD_API_KEY"
NOTHING_HELD = "Nothing is held yet."


@dataclass(frozen=True, slots=True)
class Connection:
    """A model to talk to. `name` is what people call it; `context_tokens` None is unknown; `chats` False means that
    the build has no chat template; `shared` says that a running house answers, whose worker stays when we leave;
    `digest` is then the build's that it serves."""

    model: AsyncModel
    name: str
    context_tokens: int | None
    chats: bool
    shared: bool
    digest: str | None = None


async def connect(ref: str, settings: Settings, *, pull: bool = False) -> Connection:
    """`ref` is an endpoint of the running house, one of freehold.toml, or a reference. Raises what
    `freehold.open_async` raises, and KeyRefusedError where the house wants another key than this shell has."""
    served = _endpoint_of_house(ref, settings)
    if served is not None:
        return await _through_house(*served, settings)
    row = (settings.endpoints or {}).get(ref)
    wanted = Wanted(row.ref, pull, row.key_env, row.options) if row is not None else Wanted(parse(ref), pull)
    model = AsyncModel(*await open_house(wanted, settings))
    able = model.info.capabilities
    return Connection(model, ref, model.info.context_tokens, able.chat if able is not None else True, shared=False)


async def _through_house(address: str, served: Mapping[str, Any], settings: Settings) -> Connection:
    key = settings.server.api_key
    if not control.admits(address, key):
        wrong = "wants its key" if key is None else f"refuses the key that {KEY_ENV} gives"
        raise KeyRefusedError(
            f"The running house at {address} {wrong}.", hint=f"Set {KEY_ENV} here too, to the key it was started with."
        )
    key_env = KEY_ENV if key is not None else None
    model = await open_async(f"openai+{address}/v1:{served['name']}", key_env=key_env, settings=settings)
    return Connection(
        model, served["name"], served["context_tokens"], served["chat"] is not False, True, served["digest"]
    )


async def connect_to_chat(ref: str, settings: Settings) -> Connection:
    """As `connect`, for a conversation. Raises UnsupportedError where the model only continues texts; whatever was
    started for it has ended then."""
    connection = await connect(ref, settings)
    if connection.chats:
        return connection
    await connection.model.close()
    raise UnsupportedError(
        f"{connection.name} is a base model without a chat template, so it cannot chat.",
        hint=f'It can go on with a text: freehold run {ref} "Once upon a time"',
    )


def usual_ref(settings: Settings) -> str:
    """What to talk to when nobody says: the running house's first endpoint, the file's first, the default model,
    the first build held; of the house's and of those held, one that can chat before one that only continues texts.
    Raises NotFoundError where nothing is held."""
    if control.running(settings) is not None:
        served = control.ps(settings)["endpoints"]
        if served:
            return str(min(served, key=lambda row: row["chat"] is False)["name"])
    if settings.endpoints:
        return next(iter(settings.endpoints))
    held = builds(settings)
    if not held:
        raise NotFoundError("build", DEFAULT_MODEL, text=NOTHING_HELD, hint=f"Pull one: freehold pull {DEFAULT_MODEL}")
    return min((build.facts.chat_template is None, build.model != DEFAULT_MODEL, build.model) for build in held)[2]


def _endpoint_of_house(name: str, settings: Settings) -> tuple[str, Mapping[str, Any]] | None:
    """The running house's address and the endpoint `name` of it, or None."""
    house = control.running(settings)
    if house is None:
        return None
    row = next((row for row in control.ps(settings)["endpoints"] if name in (row["name"], row["build"])), None)
    return None if row is None else (house.address, row)
