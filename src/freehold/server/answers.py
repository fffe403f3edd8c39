"""The routes that ask a model: OpenAI's, Anthropic's Messages, Responses, and the engine's own tokens.

Each reads the body, checks it, asks the gateway in OpenAI's shape and answers in the dialect it was asked in. The
client is watched from the moment its request is whole: when it goes, or its time is over, the work stops.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from freehold.gateway.asking import Caller
from freehold.gateway.gateway import Answer, Gateway
from freehold.gateway.shaping import Verb
from freehold.gateway.translate import messages, responses
from freehold.server import checks
from freehold.server.body import read_object
from freehold.server.call import Call
from freehold.server.streams import EventFrames, EventStream, Frames, OpenAIFrames, stream
from freehold.server.watch import ClientWatch
from freehold.server.wishes import read_wish

Handler = Callable[[Call], Awaitable[None]]
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one route asks and answers. `to_chat` gives what the gateway is asked, `from_chat` what the client gets."""

    verb: Verb
    check: checks.Check
    to_chat: Callable[[Body], Body]
    from_chat: Callable[[Body, Body], Body]
    frames: Callable[[Body], Frames]


def _translated(
    check: checks.Check,
    to_chat: Callable[[Body], Body],
    from_chat: Callable[[Body, Body], Body],
    events: Callable[[Body], EventStream],
) -> Dialect:
    return Dialect("chat", check, to_chat, from_chat, lambda body: EventFrames(events(body)))


def _plain(verb: Verb, check: checks.Check) -> Dialect:
    return Dialect(verb, check, lambda body: body, lambda answer, _: answer, lambda _: OpenAIFrames())


CHAT = _plain("chat", checks.CHAT)
COMPLETION = _plain("complete", checks.COMPLETION)
MESSAGES = _translated(checks.MESSAGES, messages.to_chat, messages.from_chat, messages.Stream)
RESPONSES = _translated(checks.RESPONSES, responses.to_chat, responses.from_chat, responses.Stream)


class Answers:
    """Handlers for every route that reaches an engine."""

    def __init__(self, gateway: Gateway, *, max_body_bytes: int) -> None:
        self._gateway = gateway
        self._max_body_bytes = max_body_bytes

    def routes(self) -> dict[str, Handler]:
        """POST handlers by path."""
        ask = self._asking
        return {
            "/v1/chat/completions": self._generating(CHAT),
            "/v1/completions": self._generating(COMPLETION),
            "/v1/messages": self._generating(MESSAGES),
            "/v1/responses": self._generating(RESPONSES),
            "/v1/embeddings": ask(checks.EMBEDDINGS, self._gateway.embed),
            "/v1/tokenize": ask(checks.TOKENIZE, self._gateway.tokenize),
            "/v1/detokenize": ask(checks.DETOKENIZE, self._gateway.detokenize),
            "/v1/messages/count_tokens": self._count_tokens,
        }

    def _generating(self, dialect: Dialect) -> Handler:
        async def handle(call: Call) -> None:
            body = await self._read(call, dialect.check)
            asked = dialect.to_chat(body)
            async with ClientWatch(call) as watch:
                if body.get("stream"):
                    exchange = await self._gateway.open(dialect.verb, asked, call)
                    await stream(call, exchange, dialect.frames(body), watch)
                else:
                    answer = await self._gateway.answer(dialect.verb, asked, call)
                    _note(call, answer)
                    await call.reply(200, dialect.from_chat(answer.body, body))

        return handle

    def _asking(self, check: checks.Check, ask: Callable[[Body, Caller], Awaitable[Answer]]) -> Handler:
        async def handle(call: Call) -> None:
            body = await self._read(call, check)
            async with ClientWatch(call):
                answer = await ask(body, call)
                _note(call, answer)
                await call.reply(200, answer.body)

        return handle

    async def _count_tokens(self, call: Call) -> None:
        body = await self._read(call, checks.COUNT_TOKENS)
        async with ClientWatch(call):
            count = await self._gateway.count_tokens(messages.to_count(body), call)
            self._name(call, body["model"])
            await call.reply(200, {"input_tokens": count})

    async def _read(self, call: Call, check: checks.Check) -> Body:
        body = await read_object(call, self._max_body_bytes)
        call.asked_model = body.get("model")
        check(body)
        call.wish = read_wish(call.headers, body, self._gateway.settings.admission, call.started_at)
        return body

    def _name(self, call: Call, model: str) -> None:
        info = next((info for info in self._gateway.endpoints() if info.name == model), None)
        if info is not None:
            call.endpoint, call.digest = info.name, info.digest


def _note(call: Call, answer: Answer) -> None:
    call.endpoint, call.digest = answer.endpoint, answer.digest
    usage = answer.body.get("usage")
    call.usage = usage if isinstance(usage, dict) else None
