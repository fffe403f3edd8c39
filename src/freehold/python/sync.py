"""The synchronous Python API. Made from aio.py by tools/sync_twin.py: change that file, not this one.

Every call runs on one background thread with an event loop of its own, so it works inside Jupyter and from several
threads at once. See loop.py for what happens at a fork, at an interrupt and at the end of the interpreter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from freehold.core.builds import HeldBuild
from freehold.core.ports import Progress
from freehold.core.settings import Settings
from freehold.gateway.endpoints import EndpointInfo
from freehold.python import aio
from freehold.python.answers import Answer, Delta, Embeddings
from freehold.python.bodies import Messages, Schema
from freehold.python.loop import Twin, shared


class Model(Twin[aio.AsyncModel]):
    """An open model. Several calls may run at once; the engine's slots decide how many work at the same time."""

    @property
    def ref(self) -> str:
        """What the model was opened as: the reference, in its normal form."""
        return self._inner.ref

    @property
    def info(self) -> EndpointInfo:
        """What is known of it: build, digest, context, license, capabilities. None is unknown."""
        return self._inner.info

    def chat(
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
        return self._loop.run(
            self._inner.chat(
                messages,
                system=system,
                tools=tools,
                schema=schema,
                max_tokens=max_tokens,
                temperature=temperature,
                **fields,
            )
        )

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
    ) -> Stream:
        """What `chat` answers, piece by piece: iterate it for deltas, then read its `.answer`. Leaving it early
        stops the generation when it is closed; `with` does that for you."""
        return Stream(
            self._inner.stream(
                messages,
                system=system,
                tools=tools,
                schema=schema,
                max_tokens=max_tokens,
                temperature=temperature,
                **fields,
            ),
            self._loop,
        )

    def complete(
        self, prompt: str, *, max_tokens: int | None = None, temperature: float | None = None, **fields: Any
    ) -> Answer:
        """The text that follows `prompt`, without a chat template: what base models are for."""
        return self._loop.run(self._inner.complete(prompt, max_tokens=max_tokens, temperature=temperature, **fields))

    def stream_completion(
        self, prompt: str, *, max_tokens: int | None = None, temperature: float | None = None, **fields: Any
    ) -> Stream:
        """What `complete` answers, piece by piece."""
        return Stream(
            self._inner.stream_completion(prompt, max_tokens=max_tokens, temperature=temperature, **fields), self._loop
        )

    def embed(self, texts: str | Sequence[str], **fields: Any) -> Embeddings:
        """One vector for every text, in order, normalized as the engine does it."""
        return self._loop.run(self._inner.embed(texts, **fields))

    def tokenize(self, text: str) -> tuple[int, ...]:
        """Token ids of `text` with the model's own start tokens. UnsupportedError where the engine does not say."""
        return self._loop.run(self._inner.tokenize(text))

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of `tokens`."""
        return self._loop.run(self._inner.detokenize(tokens))

    def count(self, messages: Messages, *, system: str | None = None) -> int:
        """How many tokens `messages` are as a prompt, chat template included: counted, never estimated."""
        return self._loop.run(self._inner.count(messages, system=system))

    def close(self) -> None:
        """Stop what is under way and end the worker; on return no process of it is left. Closing twice is fine."""
        self._loop.run(self._inner.close())
        self._closed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Stream(Twin[aio.AsyncStream]):
    """An answer on its way. It is asked for when the first piece is wanted, and errors are raised there."""

    @property
    def answer(self) -> Answer:
        """The whole answer once the stream has ended; what had been said by then where it was closed early
        (`finish_reason` None). Raises CallError while it is still under way."""
        return self._inner.answer

    def close(self) -> None:
        """Stop the generation. Closing twice, or after the end, is fine."""
        self._loop.run(self._inner.close())
        self._closed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Delta:
        try:
            return self._loop.run(self._inner.__anext__())
        except StopAsyncIteration:
            self._closed()
            raise StopIteration from None


def open(
    ref: str,
    *,
    pull: bool = False,
    key_env: str | None = None,
    context_tokens: int | None = None,
    slots: int | None = None,
    threads: int | None = None,
    settings: Settings | None = None,
) -> Model:
    """Open what `ref` names and wait until it can answer.

    `"smollm2-135m-instruct"`, `"./model.gguf"`, `"openai:gpt-5"`, `"fake:x"`: the type is the same. A build that is
    not held is a NotFoundError, or is pulled first with `pull=True`; a file on this disk is checked and used where it
    lies. `key_env` names the environment variable that holds a remote API's key. `context_tokens`, `slots` and
    `threads` override what the engine would choose. `settings` default to freehold.toml and FREEHOLD_*.
    What is asked of it is recorded, as a house does (`[ledger]`). Raises BadReferenceError, NotFoundError,
    SettingsError, WeightsError, WorkerStartError, LedgerError.
    """
    loop = shared()
    return Model(
        loop.run(
            aio.open_async(
                ref,
                pull=pull,
                key_env=key_env,
                context_tokens=context_tokens,
                slots=slots,
                threads=threads,
                settings=settings,
            )
        ),
        loop,
    )


def pull(ref: str, *, progress: Progress | None = None, settings: Settings | None = None) -> HeldBuild:
    """Bring the build that `ref` names into the store, checked; at once where it is held already.

    Raises NotFoundError, SourceError (unreachable, gated, hash mismatch), NoSpaceError, WeightsError.
    """
    loop = shared()
    return loop.run(aio.pull_async(ref, progress=progress, settings=settings))
