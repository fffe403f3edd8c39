"""Holds back, before a request is sent, the tokens that it may take of its key's limits: its prompt and its answers.

So no order of requests takes more than a limit, as far as an engine keeps to what it was told. Without such a limit
nothing is looked at. A prompt's bytes are a bound of its tokens, which costs nothing; only where that bound does not
fit does the engine count. An answer whose length the request leaves open gets a share of what is left, and the rest is
for others that come meanwhile. An engine that does not count is believed to need at most a token for each byte.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic_core import to_json

from freehold.core.ports import Upstream
from freehold.gateway import requests, tokens
from freehold.gateway.access.key import Verb
from freehold.gateway.asking import Asking
from freehold.gateway.post import Post

USUAL_TOKENS = 4096
"""Room for an ordinary answer: less is no share, as long as more is left."""
SHARE = 4
TEMPLATE_TOKENS = 1024
"""What a chat template says of its own beside what it is given; those seen say less than half of it."""
Asked = Literal["chat", "complete", "embed"]
_PROMPTS: Mapping[Asked, tuple[str, ...]] = {
    "chat": ("messages", "tools", "chat_template_kwargs"),
    "complete": ("prompt",),
    "embed": ("input",),
}


@dataclass(frozen=True, slots=True)
class Need:
    """What a request may take: tokens of `prompt`, once for each answer to it, and `answers` of at most `most` tokens
    (None: it does not say). A prompt and an answer have `context` together (None is unknown)."""

    prompt: int
    answers: int
    most: int | None
    context: int | None = None


class Grant(NamedTuple):
    """`held` tokens are held back; an answer may have `most`, None where the request or its context bounds it."""

    held: int
    most: int | None


def granted(need: Need, room: int) -> Grant:
    """What to hold back of `room` for `need`. It is more than `room` where there is not enough."""
    full = None if need.context is None else need.context * need.answers
    if need.most is not None:
        return Grant(_at_most(need.prompt + need.most * need.answers, full), None)
    if full is not None and full <= _share(room):
        return Grant(full, None)
    each = max(1, min(_share(room), room - need.prompt) // need.answers)
    return Grant(_at_most(need.prompt + each * need.answers, full), each)


def foreseen(post: Post, verb: Verb, body: Mapping[str, Any]) -> int | None:
    """How many tokens the answers to `body` may have at most; None where it does not say, or what they have room for is
    not known before the worker of `post` is ready."""
    each = requests.most_tokens(body)
    if each is None or post.worker.state != "ready":
        return None
    return _at_most(each, post.worker.upstream.context_tokens) * requests.width(body, verb)


async def held_back(asking: Asking, asked: Asked, body: dict[str, Any]) -> dict[str, Any]:
    """`body`, which is about to be sent, with a limit of its answers where those of its key need one. Raises
    LimitError, and what counting raises."""
    permit = asking.permit
    room = permit.room if permit is not None else None
    if permit is None or room is None:
        return body
    need = _bounded(asked, body, asking.upstream)
    if asking.upstream.capabilities.tokenize and not _fits(need, room):
        count = await _counted(asking, asked, body) * requests.copies(body, asked)
        need = dataclasses.replace(need, prompt=count)
        room = permit.room or 0  # others came meanwhile
    grant = granted(need, room)
    permit.hold(grant.held)
    return body if grant.most is None else {**body, "max_tokens": grant.most}


def _share(room: int) -> int:
    return min(room, max(USUAL_TOKENS, room // SHARE))


def _at_most(value: int, bound: int | None) -> int:
    return value if bound is None else min(value, bound)


def _fits(need: Need, room: int) -> bool:
    """Whether a count could grant no more than the bound does."""
    grant = granted(need, room)
    return grant.held <= room and (grant.most is None or need.prompt + _share(room) <= room)


def _bounded(asked: Asked, body: Mapping[str, Any], upstream: Upstream) -> Need:
    prompt = {field: body[field] for field in _PROMPTS[asked] if body.get(field) is not None}
    spare = TEMPLATE_TOKENS if upstream.capabilities.tokenize else 0
    bound = (len(to_json(prompt)) + spare) * requests.copies(body, asked)
    if asked == "embed":
        return Need(bound, 0, 0)
    return Need(bound, requests.width(body, asked), requests.most_tokens(body), upstream.context_tokens)


async def _counted(asking: Asking, asked: Asked, body: Mapping[str, Any]) -> int:
    """The tokens of the prompt, or of all prompts or inputs, as the engine counts them."""
    if asked == "chat":
        return len(await tokens.of_messages(asking, body))
    return await _length(asking, body.get(*_PROMPTS[asked]))


async def _length(asking: Asking, given: object) -> int:
    """Of a text, a token's id, a list of either, or llama.cpp's object with a text in it, however they are nested."""
    if isinstance(given, str):
        return len(await tokens.of_text(asking, given, add_special=True))
    parts = given.values() if isinstance(given, dict) else given if isinstance(given, list) else None
    if parts is None:
        return 1
    count = 0
    for part in parts:
        count += await _length(asking, part)
    return count
