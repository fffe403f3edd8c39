"""What a request asks of OpenVINO, checked, and what it cannot do refused by name. Pure.

Where nothing is said, sampling is as llama.cpp's server does it, so that an endpoint that changes its engine keeps its
manner. A field that is not known here is refused unless it says nothing: an answer that disregards what was asked is a
wrong answer.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from freehold.engines.http import body as bodies
from freehold.engines.http.body import RefusedError

ANSWERS_LIMIT = 128
NO_TOP_K = 2**31 - 1
_SEED_BITS = 32
_LARGEST = 1e6
# Less than this is no number to the engine, and leaves the likeliest token alone like zero.
_LEAST_TEMPERATURE = 1e-4

_TAKEN = frozenset(
    {
        *(
            "model",
            "messages",
            "prompt",
            "stream",
            "stream_options",
            "n",
            "max_tokens",
            "max_completion_tokens",
            "stop",
        ),
        *("temperature", "top_p", "top_k", "min_p", "seed", "presence_penalty", "frequency_penalty", "repeat_penalty"),
        *("logprobs", "top_logprobs", "response_format", "json_schema", "ignore_eos", "return_progress"),
        *("chat_template_kwargs", "add_generation_prompt"),
    }
)
# What changes no answer of this engine whatever it says; `cache_prompt` only where it asks for the cache that there is.
_WITHOUT_EFFECT = frozenset({"user", "metadata", "safety_identifier", "service_tier", "parallel_tool_calls"})


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. `temperature` 0 takes the likeliest."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    seed: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked request. `schema` is JSON text, None where plain text is wanted."""

    chat: bool
    answers: int
    sampling: Sampling
    stops: tuple[str, ...]
    schema: str | None
    logprobs: bool
    ignore_end: bool
    stream: bool
    include_usage: bool
    progress: bool


def read(body: Mapping[str, Any], *, chat: bool) -> Asked:
    """What `body` asks, but for its prompt. Raises RefusedError."""
    _refuse_unknown(body)
    schema = bodies.schema_of(body)
    return Asked(
        chat=chat,
        answers=bodies.whole(body, "n", 1, 1, ANSWERS_LIMIT),
        sampling=_sampling(body),
        stops=bodies.stops(body),
        schema=None if schema is None else json.dumps(schema, ensure_ascii=False),
        logprobs=_logprobs(body, chat=chat),
        ignore_end=bool(body.get("ignore_eos")),
        stream=bool(body.get("stream")),
        include_usage=bodies.include_usage(body),
        progress=bool(body.get("return_progress")),
    )


def _refuse_unknown(body: Mapping[str, Any]) -> None:
    for field, value in body.items():
        if field in _TAKEN or field in _WITHOUT_EFFECT or value in (None, False, "", [], {}):
            continue
        if (field, value) in (("cache_prompt", True), ("tool_choice", "none"), ("tool_choice", "auto")):
            continue
        kind = 400 if field == "grammar" else 501
        raise RefusedError(kind, f"'{field}' is not supported by this engine", "not_supported_error")
    if body.get("cache_prompt") is False:
        raise RefusedError(501, "'cache_prompt' false is not supported by this engine: its cache serves every request")


def _sampling(body: Mapping[str, Any]) -> Sampling:
    top_k = bodies.whole(body, "top_k", 40, -1, NO_TOP_K)
    temperature = bodies.number(body, "temperature", 0.8, 0, _LARGEST)
    seed = bodies.whole(body, "seed", -1, -(2**63), 2**64)
    return Sampling(
        temperature=temperature if temperature >= _LEAST_TEMPERATURE else 0,
        # The engine takes no zero; the least it takes leaves the likeliest token alone too.
        top_p=max(bodies.number(body, "top_p", 0.95, 0, 1), 1e-6),
        top_k=top_k if top_k > 0 else NO_TOP_K,
        min_p=min(bodies.number(body, "min_p", 0.05, 0, 1), 1 - 1e-6),
        repetition_penalty=max(bodies.number(body, "repeat_penalty", 1, 0, _LARGEST), 1e-6),
        presence_penalty=bodies.number(body, "presence_penalty", 0, -2, 2),
        frequency_penalty=bodies.number(body, "frequency_penalty", 0, -2, 2),
        seed=secrets.randbits(_SEED_BITS) if seed == -1 else seed % 2**_SEED_BITS,
    )


def _logprobs(body: Mapping[str, Any], *, chat: bool) -> bool:
    """Whether the log probabilities of the tokens themselves are wanted: those of others are not to be had."""
    field = "top_logprobs" if chat else "logprobs"
    if not chat and body.get(field) is False:
        return False
    if bodies.whole(body, field, 0, 0, 20):
        raise RefusedError(
            501,
            f"'{field}' above 0 is not supported by this engine: it tells the log probability of its own token alone",
        )
    return bool(body.get("logprobs")) if chat else body.get("logprobs") is not None
