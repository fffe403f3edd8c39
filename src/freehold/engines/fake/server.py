"""The paths of the fake engine, the same as llama.cpp's server has, and what it remembers between requests.

It remembers slots and counters only, no prompt. There is a slot for every answer under way, unless it was told how
many it has: then requests wait for theirs in the order in which they came, as with the real engine.
"""

from __future__ import annotations

import base64
import struct
import time
from typing import Any

from freehold.engines.fake import asked, words
from freehold.engines.fake.asked import Asked
from freehold.engines.fake.delivery import FAULT_TEXT, Delivery
from freehold.engines.fake.options import FakeOptions
from freehold.engines.fake.slots import Slots, Slotted
from freehold.engines.fake.template import render
from freehold.engines.http.body import RefusedError, messages
from freehold.engines.http.connection import Connection
from freehold.engines.http.paths import Paths, metrics_text, model_list, slot_list


class FakeServer:
    """One fake engine, called `model`; `paths` answer its requests."""

    def __init__(self, model: str, options: FakeOptions) -> None:
        self._model = model
        self._options = options
        self._started = int(time.time())
        self._slots = Slots(options.slots)
        self._requests = 0
        self._prompt_tokens = 0
        self._made_tokens = 0
        self.paths = Paths(
            get={
                "/health": lambda: {"status": "ok"},
                "/v1/models": self._models,
                "/slots": lambda: slot_list(self._slots.busy, options.context_tokens),
                "/props": self._props,
            },
            post={
                "/v1/embeddings": self._embeddings,
                "/tokenize": _tokenize,
                "/detokenize": lambda body: {"content": asked.text_of_tokens(body.get("tokens", []))},
                "/apply-template": lambda body: {"prompt": render(messages(body), asked.tools(body))},
            },
            metrics=self._metrics,
            generate=self._generate,
        )

    def _generate(self, body: dict[str, Any], chat: bool, connection: Connection) -> Slotted:
        if self._options.http_500:
            raise RefusedError(500, FAULT_TEXT, "server_error")
        if self._options.busy_503:
            raise RefusedError(503, "Loading model", "unavailable_error")
        wanted = asked.read(body, chat=chat, options=self._options, model=self._model)
        self._count(wanted)
        return Slotted(
            self._slots, len(wanted.scripts), lambda ended: Delivery(wanted, self._options, connection, ended)
        )

    def _count(self, wanted: Asked) -> None:
        self._requests += 1
        self._prompt_tokens += wanted.prompt_tokens
        self._made_tokens += sum(script.tokens for script in wanted.scripts)

    def _models(self) -> dict[str, Any]:
        meta = {"n_ctx": self._options.context_tokens, "n_embd": words.EMBEDDING_LENGTH}
        return model_list(self._model, self._started, meta)

    def _props(self) -> dict[str, Any]:
        return {
            "default_generation_settings": {"n_ctx": self._options.context_tokens},
            "total_slots": len(self._slots.busy),
            "model_alias": self._model,
            "build_info": "freehold-fake",
        }

    def _embeddings(self, body: dict[str, Any]) -> dict[str, Any]:
        texts = asked.prompts(body.get("input"), "input")
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
        return metrics_text(
            prompt_tokens=self._prompt_tokens,
            made_tokens=self._made_tokens,
            requests=self._requests,
            processing=sum(self._slots.busy),
        )


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
