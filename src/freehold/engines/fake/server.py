"""The paths of the fake engine, the same as llama.cpp's server has, and what it remembers between requests.

It remembers slots and counters only, no prompt. There is a slot for every answer under way: unlike the real engine it
never lets a request wait for one.
"""

from __future__ import annotations

import base64
import struct
import time
from collections.abc import Callable
from typing import Any

from pydantic_core import from_json, to_json

from freehold.engines.fake import asked, words
from freehold.engines.fake.asked import Asked, RefusedError
from freehold.engines.fake.connection import Connection
from freehold.engines.fake.delivery import FAULT_TEXT, Delivery
from freehold.engines.fake.options import FakeOptions
from freehold.engines.fake.template import render

SLOTS_SHOWN = 4


class FakeServer:
    """One fake engine, called `model`. `handle` answers one request on its connection."""

    def __init__(self, model: str, options: FakeOptions) -> None:
        self._model = model
        self._options = options
        self._started = int(time.time())
        self._slots = [False] * SLOTS_SHOWN
        self._requests = 0
        self._prompt_tokens = 0
        self._made_tokens = 0
        self._get: dict[str, Callable[[], Any]] = {
            "/health": lambda: {"status": "ok"},
            "/v1/models": self._models,
            "/slots": self._slots_now,
            "/props": self._props,
        }
        self._post: dict[str, Callable[[Any], Any]] = {
            "/v1/embeddings": self._embeddings,
            "/tokenize": _tokenize,
            "/detokenize": _detokenize,
            "/apply-template": lambda body: {"prompt": render(asked.messages(body), asked.tools(body))},
        }

    def handle(self, method: str, path: str, raw: bytes, connection: Connection) -> None:
        try:
            self._handle(method, path, raw, connection)
        except RefusedError as refused:
            connection.answer(refused.status, to_json({"error": refused.error}))

    def _handle(self, method: str, path: str, raw: bytes, connection: Connection) -> None:
        if method == "POST" and path in {"/v1/chat/completions", "/v1/completions"}:
            self._generate(_parsed(raw), connection, chat=path == "/v1/chat/completions")
        elif method == "POST" and path in self._post:
            connection.answer(200, to_json(self._post[path](_object(raw))))
        elif method == "GET" and path == "/metrics":
            connection.answer(200, self._metrics(), "text/plain; version=0.0.4")
        elif method == "GET" and path in self._get:
            connection.answer(200, to_json(self._get[path]()))
        else:
            raise RefusedError(404, "File Not Found", "not_found_error")

    def _generate(self, body: Any, connection: Connection, *, chat: bool) -> None:
        if self._options.http_500:
            raise RefusedError(500, FAULT_TEXT, "server_error")
        if self._options.busy_503:
            raise RefusedError(503, "Loading model", "unavailable_error")
        wanted = asked.read(body, chat=chat, options=self._options, model=self._model)
        self._count(wanted)
        taken = self._take_slots(len(wanted.scripts))
        connection.deliver(Delivery(wanted, self._options, connection, lambda: self._give_back(taken)))

    def _count(self, wanted: Asked) -> None:
        self._requests += 1
        self._prompt_tokens += wanted.prompt_tokens
        self._made_tokens += sum(script.tokens for script in wanted.scripts)

    def _take_slots(self, count: int) -> list[int]:
        free = [index for index, busy in enumerate(self._slots) if not busy][:count]
        new = range(len(self._slots), len(self._slots) + count - len(free))
        self._slots += [True] * len(new)
        for index in free:
            self._slots[index] = True
        return [*free, *new]

    def _give_back(self, taken: list[int]) -> None:
        for index in taken:
            self._slots[index] = False

    def _slots_now(self) -> list[dict[str, Any]]:
        context = self._options.context_tokens
        return [
            {"id": index, "n_ctx": context, "speculative": False, "is_processing": busy}
            for index, busy in enumerate(self._slots)
        ]

    def _models(self) -> dict[str, Any]:
        meta = {"n_ctx": self._options.context_tokens, "n_embd": words.EMBEDDING_LENGTH}
        row = {"id": self._model, "object": "model", "created": self._started, "owned_by": "freehold", "meta": meta}
        return {"object": "list", "data": [row]}

    def _props(self) -> dict[str, Any]:
        return {
            "default_generation_settings": {"n_ctx": self._options.context_tokens},
            "total_slots": len(self._slots),
            "model_alias": self._model,
            "build_info": "freehold-fake",
        }

    def _embeddings(self, body: dict[str, Any]) -> dict[str, Any]:
        texts = asked.several(body.get("input"), "input")
        form = body.get("encoding_format", "float")
        if form not in {"float", "base64"}:
            raise RefusedError(400, "encoding_format must be 'float' or 'base64'")
        tokens = sum(map(words.count, texts))
        data = [
            {"embedding": _encoded(words.embed(text), form), "index": index, "object": "embedding"}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"model": body.get("model") or self._model, "object": "list", "usage": usage, "data": data}

    def _metrics(self) -> bytes:
        rows = (
            ("prompt_tokens_total", "counter", "Prompt tokens of all requests", self._prompt_tokens),
            ("tokens_predicted_total", "counter", "Tokens of all answers, also those cut short", self._made_tokens),
            ("requests_total", "counter", "Requests for an answer that were accepted", self._requests),
            ("requests_processing", "gauge", "Answers under way", sum(self._slots)),
        )
        lines = [
            f"# HELP llamacpp:{name} {text}\n# TYPE llamacpp:{name} {kind}\nllamacpp:{name} {value}\n"
            for name, kind, text, value in rows
        ]
        return "".join(lines).encode()


def _parsed(raw: bytes) -> Any:
    try:
        return from_json(raw)
    except ValueError as error:
        raise RefusedError(400, f"the body is not JSON: {error}") from error


def _object(raw: bytes) -> dict[str, Any]:
    body = _parsed(raw)
    if not isinstance(body, dict):
        raise RefusedError(400, "the body must be a JSON object")
    return body


def _tokenize(body: dict[str, Any]) -> dict[str, Any]:
    content = body.get("content", "")
    if not isinstance(content, str):
        raise RefusedError(400, "'content' must be a string")
    pieces = words.split(content)
    if body.get("with_pieces"):
        return {"tokens": [{"id": words.token_id(piece), "piece": piece} for piece in pieces]}
    return {"tokens": [words.token_id(piece) for piece in pieces]}


def _encoded(vector: list[float], form: str) -> list[float] | str:
    if form == "float":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _detokenize(body: dict[str, Any]) -> dict[str, Any]:
    tokens = body.get("tokens", [])
    return {"content": asked.text_of_prompt(tokens) if tokens != [] else ""}
