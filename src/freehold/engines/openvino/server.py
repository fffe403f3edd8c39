"""The paths of an OpenVINO worker: the same as llama.cpp's server has, as far as this engine can."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NoReturn

from freehold.engines.http import body as bodies
from freehold.engines.http.body import RefusedError
from freehold.engines.http.connection import Connection
from freehold.engines.http.paths import Paths, metrics_text, model_list, slot_list
from freehold.engines.openvino import asked
from freehold.engines.openvino.answer import Answer
from freehold.engines.openvino.batching import Batching
from freehold.engines.openvino.pipeline import Pipeline
from freehold.engines.openvino.probe import Probe


class OpenVinoServer:
    """Serves one loaded build, called `model`; `paths` answer its requests."""

    def __init__(
        self, model: str, pipeline: Pipeline, probe: Probe, batching: Batching, settings: Mapping[str, Any]
    ) -> None:
        self._model = model
        self._pipeline = pipeline
        self._probe = probe
        self._batching = batching
        self._slots: int = settings["slots"]
        self._context_tokens: int = settings["context_tokens"]
        self._chats: bool = settings["chat"]
        self._started = int(time.time())
        self._requests = 0
        self._prompt_tokens = 0
        self.paths = Paths(
            get={
                "/health": lambda: {"status": "ok"},
                "/v1/models": lambda: model_list(model, self._started, {"n_ctx": self._context_tokens}),
                "/slots": self._slots_now,
                "/props": self._props,
            },
            post={
                "/v1/embeddings": _no_embeddings,
                "/tokenize": self._tokenize,
                "/detokenize": self._detokenize,
                "/apply-template": lambda body: {"prompt": self._rendered(body)},
            },
            metrics=self._metrics,
            generate=self._generate,
        )

    def _generate(self, body: dict[str, Any], chat: bool, connection: Connection) -> Answer:
        wanted = asked.read(body, chat=chat)
        prompts = [self._with_room(body, tokens) for tokens in self._prompts(body, chat=chat)]
        if wanted.schema is not None:
            self._probe.check(wanted.schema)
        self._batching.require_room(len(prompts) * wanted.answers)
        self._requests += 1
        self._prompt_tokens += sum(len(tokens) for tokens, _ in prompts)
        return Answer(wanted, prompts, self._batching, self._pipeline.vocabulary, connection, self._model)

    def _prompts(self, body: Mapping[str, Any], *, chat: bool) -> list[list[int]]:
        if chat:
            return [self._pipeline.encode(self._rendered(body), begin=True)]
        return [
            self._pipeline.encode(prompt, begin=True) if isinstance(prompt, str) else self._known(prompt)
            for prompt in bodies.several(body.get("prompt"), "prompt")
        ]

    def _with_room(self, body: Mapping[str, Any], tokens: list[int]) -> tuple[list[int], int]:
        """The prompt, and the most tokens that may follow it. Raises RefusedError where none may."""
        if not tokens:
            raise RefusedError(400, "the prompt is empty")
        room = self._context_tokens - len(tokens)
        if room < 1:
            raise bodies.over_context(len(tokens), self._context_tokens)
        most = bodies.most_tokens(body, room)
        if most < 1:
            raise RefusedError(400, "'max_tokens' must be at least 1")
        return tokens, most

    def _known(self, tokens: list[int]) -> list[int]:
        try:
            self._pipeline.vocabulary.text(tokens)
        except ValueError as error:
            raise RefusedError(400, str(error)) from error
        return tokens

    def _rendered(self, body: Mapping[str, Any]) -> str:
        if not self._chats:
            raise RefusedError(501, "chat is not supported: this build has no chat template")
        if body.get("tools"):
            raise RefusedError(501, "'tools' is not supported by this engine", "not_supported_error")
        said = [{**message, "content": bodies.text_of(message)} for message in bodies.messages(body)]
        return self._pipeline.render(said, body)

    def _tokenize(self, body: Mapping[str, Any]) -> dict[str, Any]:
        content = body.get("content", "")
        if not isinstance(content, str):
            raise RefusedError(400, "'content' must be a string")
        if body.get("parse_special") is False:
            raise RefusedError(501, "'parse_special' false is not supported by this engine", "not_supported_error")
        tokens = self._pipeline.encode(content, begin=bool(body.get("add_special")))
        if not body.get("with_pieces"):
            return {"tokens": tokens}
        return {"tokens": [{"id": token, "piece": self._pipeline.vocabulary.text([token])} for token in tokens]}

    def _detokenize(self, body: Mapping[str, Any]) -> dict[str, Any]:
        tokens = body.get("tokens", [])
        if not isinstance(tokens, list) or not all(type(token) is int for token in tokens):
            raise RefusedError(400, "'tokens' must be a list of token ids")
        return {"content": self._pipeline.vocabulary.text(self._known(tokens))}

    def _slots_now(self) -> list[dict[str, Any]]:
        taken = self._batching.under_way
        return slot_list([number < taken for number in range(max(self._slots, taken))], self._context_tokens)

    def _props(self) -> dict[str, Any]:
        return {
            "default_generation_settings": {"n_ctx": self._context_tokens},
            "total_slots": self._slots,
            "model_alias": self._model,
            "build_info": "freehold-openvino",
        }

    def _metrics(self) -> bytes:
        return metrics_text(
            prompt_tokens=self._prompt_tokens,
            made_tokens=self._batching.made_tokens,
            requests=self._requests,
            processing=self._batching.under_way,
        )


def _no_embeddings(_body: Mapping[str, Any]) -> NoReturn:
    raise RefusedError(501, "embeddings are not supported by this engine", "not_supported_error")
