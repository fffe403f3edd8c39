"""The Python API, written once: asynchronous. The synchronous twin in `sync.py` is generated from this file.

One call opens whatever a reference names, a held build, a file, somebody's API or the fake, and gives the same type,
so swapping a model is changing one string. Behind it stands a gateway of its own, in this process, with one endpoint:
the same one that the served API uses, so both answer alike. Closing a model leaves no process.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from freehold.app import House
from freehold.core.builds import HeldBuild
from freehold.core.errors import CallError
from freehold.core.ports import Progress
from freehold.core.refs import parse
from freehold.core.settings import EngineOptions, Settings
from freehold.gateway.assemble import assemble
from freehold.gateway.endpoints import EndpointInfo
from freehold.gateway.exchange import Exchange
from freehold.gateway.gateway import Gateway
from freehold.gateway.shaping import Verb
from freehold.python import answers, bodies, opening
from freehold.python.answers import Answer, Delta, Embeddings
from freehold.python.bodies import Messages, Schema


class AsyncModel:
    """An open model. Several calls may run at once; the engine's slots decide how many work at the same time."""

    def __init__(self, house: House, endpoint: EndpointInfo) -> None:
        self._house = house
        self._endpoint = endpoint
        self._closed = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.ref}{' closed' if self._closed else ''}>"

    def __del__(self) -> None:
        if not self._closed:
            warnings.warn(f"{self!r} was never closed.", ResourceWarning, stacklevel=2, source=self)

    @property
    def ref(self) -> str:
        """What the model was opened as: the reference, in its normal form."""
        return self._endpoint.name

    @property
    def info(self) -> EndpointInfo:
        """What is known of it: build, digest, context, license, capabilities. None is unknown."""
        return self._endpoint

    async def chat(
        self,
        messages: Messages,
        *,
        system: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        schema: Schema | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        **fields: Any,
    ) -> Answer:
        """The answer to `messages`: a text, or a list of OpenAI chat messages.

        `tools` are OpenAI tool definitions; `schema` is a JSON Schema or a pydantic model class that the answer must
        follow (`answer.json()` reads it). Any other field of OpenAI's chat API passes as given (`seed`, `stop`,
        `logprobs`, `top_p`). Raises ContextLengthError, RequestError, UnsupportedError, EngineError.
        """
        named = {"max_tokens": max_tokens, "temperature": temperature, **fields}
        body = bodies.chat(messages, system=system, tools=tools, schema=schema, fields=named)
        return await self._answer("chat", body)

    def stream(
        self,
        messages: Messages,
        *,
        system: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        schema: Schema | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        **fields: Any,
    ) -> AsyncStream:
        """What `chat` answers, piece by piece: iterate it for deltas, then read its `.answer`. Leaving it early
        stops the generation when it is closed; `with` does that for you."""
        named = {"max_tokens": max_tokens, "temperature": temperature, **fields}
        body = bodies.chat(messages, system=system, tools=tools, schema=schema, fields=named)
        return self._stream("chat", body)

    async def complete(
        self,
        prompt: str,
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        **fields: Any,
    ) -> Answer:
        """The text that follows `prompt`, without a chat template: what base models are for."""
        named = {"max_tokens": max_tokens, "temperature": temperature, **fields}
        return await self._answer("complete", bodies.complete(prompt, named))

    def stream_completion(
        self,
        prompt: str,
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        **fields: Any,
    ) -> AsyncStream:
        """What `complete` answers, piece by piece."""
        named = {"max_tokens": max_tokens, "temperature": temperature, **fields}
        return self._stream("complete", bodies.complete(prompt, named))

    async def embed(self, texts: str | Sequence[str], **fields: Any) -> Embeddings:
        """One vector for every text, in order, normalized as the engine does it."""
        listed = [texts] if isinstance(texts, str) else list(texts)
        body = (await self._gateway().embed({"model": self.ref, "input": listed, **fields})).body
        rows = sorted(body["data"], key=lambda row: row["index"])
        return Embeddings(tuple(tuple(row["embedding"]) for row in rows), answers.usage(body), body)

    async def tokenize(self, text: str) -> tuple[int, ...]:
        """Token ids of `text` with the model's own start tokens. UnsupportedError where the engine does not say."""
        answer = await self._gateway().tokenize({"model": self.ref, "prompt": text})
        return tuple(answer.body["tokens"])

    async def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of `tokens`."""
        answer = await self._gateway().detokenize({"model": self.ref, "tokens": list(tokens)})
        return str(answer.body["prompt"])

    async def count(self, messages: Messages, *, system: str | None = None) -> int:
        """How many tokens `messages` are as a prompt, chat template included: counted, never estimated."""
        body = bodies.chat(messages, system=system, tools=None, schema=None, fields={})
        return await self._gateway().count_tokens({"model": self.ref, **body})

    async def close(self) -> None:
        """Stop what is under way and end the worker; on return no process of it is left. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            await self._house.gateway.close(drain_s=0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _gateway(self) -> Gateway:
        if self._closed:
            raise CallError(f"{self.ref} is closed.", hint=f'Open it again: freehold.open("{self.ref}").')
        return self._house.gateway

    async def _answer(self, verb: Verb, body: dict[str, Any]) -> Answer:
        got = await self._gateway().answer(verb, {"model": self.ref, **body})
        return answers.answer(got.body, endpoint=got.endpoint, digest=got.digest)

    def _stream(self, verb: Verb, body: dict[str, Any]) -> AsyncStream:
        options = {"include_usage": True, **(body.get("stream_options") or {})}
        asked = {"model": self.ref, **body, "stream": True, "stream_options": options}
        return AsyncStream(self._gateway(), verb, asked)


class AsyncStream:
    """An answer on its way. It is asked for when the first piece is wanted, and errors are raised there."""

    def __init__(self, gateway: Gateway, verb: Verb, body: dict[str, Any]) -> None:
        self._gateway = gateway
        self._verb = verb
        self._body = body
        self._exchange: Exchange | None = None
        self._chunks: AsyncIterator[dict[str, Any]] | None = None
        self._seen: list[dict[str, Any]] = []
        self._answer: Answer | None = None

    @property
    def answer(self) -> Answer:
        """The whole answer once the stream has ended; what had been said by then where it was closed early
        (`finish_reason` None). Raises CallError while it is still under way."""
        if self._answer is None:
            raise CallError("The stream has not ended yet.", hint="Iterate it to its end, or close it.")
        return self._answer

    async def close(self) -> None:
        """Stop the generation. Closing twice, or after the end, is fine."""
        if self._exchange is not None:
            await self._exchange.aclose()
        if self._answer is None:
            await self._finish()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delta:
        if self._answer is not None:
            raise StopAsyncIteration
        try:
            return await self._next()
        except (Exception, asyncio.CancelledError):
            # The end, an error or a cancelled caller: whichever, the engine is let go of before it is passed on.
            await self.close()
            raise

    async def _next(self) -> Delta:
        if self._chunks is None:
            self._exchange = await self._gateway.open(self._verb, self._body)
            self._chunks = aiter(self._exchange)
        while True:
            chunk = await anext(self._chunks)
            self._seen.append(chunk)
            if chunk.get("choices"):
                return answers.delta(chunk)

    async def _finish(self) -> None:
        async def seen() -> AsyncIterator[dict[str, Any]]:
            for chunk in self._seen:
                yield dict(chunk)

        whole = await assemble(seen(), chat=self._verb == "chat")
        digest = self._exchange.digest if self._exchange else None
        self._answer = answers.answer(whole, endpoint=self._body["model"], digest=digest)


async def open_async(
    ref: str,
    *,
    pull: bool = False,
    key_env: str | None = None,
    context_tokens: int | None = None,
    slots: int | None = None,
    threads: int | None = None,
    settings: Settings | None = None,
) -> AsyncModel:
    """Open what `ref` names and wait until it can answer.

    `"smollm2-135m-instruct"`, `"./model.gguf"`, `"openai:gpt-5"`, `"fake:x"`: the type is the same. A build that is
    not held is a NotFoundError, or is pulled first with `pull=True`; a file on this disk is checked and used where it
    lies. `key_env` names the environment variable that holds a remote API's key. `context_tokens`, `slots` and
    `threads` override what the engine would choose. `settings` default to freehold.toml and FREEHOLD_*.
    What is asked of it is recorded, as a house does (`[ledger]`). Raises BadReferenceError, NotFoundError,
    SettingsError, WeightsError, WorkerStartError, LedgerError.
    """
    options = EngineOptions(context_tokens=context_tokens, slots=slots, threads=threads)
    wanted = opening.Wanted(parse(ref), pull=pull, key_env=key_env, options=options)
    house, endpoint = await opening.open_house(wanted, settings)
    return AsyncModel(house, endpoint)


async def pull_async(ref: str, *, progress: Progress | None = None, settings: Settings | None = None) -> HeldBuild:
    """Bring the build that `ref` names into the store, checked; at once where it is held already.

    Raises NotFoundError, SourceError (unreachable, gated, hash mismatch), NoSpaceError, WeightsError.
    """
    return await opening.pull_into(opening.house_for(settings), parse(ref), progress=progress)
