"""Which path a request is for: the same paths as llama.cpp's server has, as far as a worker has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from freehold.engines.http.body import RefusedError, object_of
from freehold.engines.http.connection import Connection, Delivery

METRICS_TYPE = "text/plain; version=0.0.4"


@dataclass(frozen=True, slots=True)
class Paths:
    """`get` and `post` give the JSON to answer with; `metrics` a text for Prometheus. `generate` makes the delivery of
    an answer from the body (True: of a chat). Any of them may raise RefusedError."""

    get: Mapping[str, Callable[[], Any]]
    post: Mapping[str, Callable[[dict[str, Any]], Any]]
    metrics: Callable[[], bytes]
    generate: Callable[[dict[str, Any], bool, Connection], Delivery]
    _verbs: Mapping[str, bool] = field(default_factory=lambda: {"/v1/chat/completions": True, "/v1/completions": False})

    def handle(self, method: str, path: str, raw: bytes, connection: Connection) -> None:
        try:
            self._handle(method, path, raw, connection)
        except RefusedError as refused:
            connection.answer(refused.status, to_json({"error": refused.error}))

    def _handle(self, method: str, path: str, raw: bytes, connection: Connection) -> None:
        if method == "POST" and path in self._verbs:
            connection.deliver(self.generate(object_of(raw), self._verbs[path], connection))
        elif method == "POST" and path in self.post:
            connection.answer(200, to_json(self.post[path](object_of(raw))))
        elif method == "GET" and path == "/metrics":
            connection.answer(200, self.metrics(), METRICS_TYPE)
        elif method == "GET" and path in self.get:
            connection.answer(200, to_json(self.get[path]()))
        else:
            raise RefusedError(404, "File Not Found", "not_found_error")


def model_list(model: str, created: int, meta: Mapping[str, Any]) -> dict[str, Any]:
    """What /v1/models answers: the one model there is."""
    row = {"id": model, "object": "model", "created": created, "owned_by": "freehold", "meta": meta}
    return {"object": "list", "data": [row]}


def slot_list(busy: list[bool], context_tokens: int) -> list[dict[str, Any]]:
    """What /slots answers."""
    return [
        {"id": index, "n_ctx": context_tokens, "speculative": False, "is_processing": is_busy}
        for index, is_busy in enumerate(busy)
    ]


def metrics_text(*, prompt_tokens: int, made_tokens: int, requests: int, processing: int) -> bytes:
    """What /metrics answers, under llama.cpp's names."""
    rows = (
        ("prompt_tokens_total", "counter", "Prompt tokens of all requests", prompt_tokens),
        ("tokens_predicted_total", "counter", "Tokens of all answers, also those cut short", made_tokens),
        ("requests_total", "counter", "Requests for an answer that were accepted", requests),
        ("requests_processing", "gauge", "Answers under way", processing),
    )
    lines = [
        f"# HELP llamacpp:{name} {text}\n# TYPE llamacpp:{name} {kind}\nllamacpp:{name} {value}\n"
        for name, kind, text, value in rows
    ]
    return "".join(lines).encode()
