"""Output items of a Responses stream while they are being filled: a message, reasoning, a function call.

Each gives its opening events, one event per piece, and its closing events; `close` gives the finished item.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from freehold.gateway.translate.responses.answer import (
    call_item,
    logprob_entries,
    new_id,
    reasoning_item,
    text_item,
    text_part,
)

Emit = Callable[[str, dict[str, Any]], None]


class OpenItem(Protocol):
    def open(self, emit: Emit) -> None: ...

    def close(self, status: str, emit: Emit) -> dict[str, Any]: ...


class OpenText:
    """A message with one part: `kind` is "output_text" or "refusal"."""

    def __init__(self, output_index: int, kind: str) -> None:
        self.kind = kind
        self._id = new_id("msg")
        self._at = {"item_id": self._id, "output_index": output_index, "content_index": 0}
        self._output_index = output_index
        self._pieces: list[str] = []
        self._logprobs: list[dict[str, Any]] = []

    def open(self, emit: Emit) -> None:
        item = text_item(self._id, [], "in_progress")
        emit("response.output_item.added", {"output_index": self._output_index, "item": item})
        emit("response.content_part.added", {**self._at, "part": self._part()})

    def say(self, text: str, emit: Emit, logprobs: Mapping[str, Any] | None) -> None:
        self._pieces.append(text)
        data: dict[str, Any] = {**self._at, "delta": text}
        if self.kind == "output_text":
            data["logprobs"] = logprob_entries(logprobs) if logprobs else []
            self._logprobs += data["logprobs"]
        emit(f"response.{self.kind}.delta", data)

    def close(self, status: str, emit: Emit) -> dict[str, Any]:
        part = self._part()
        said = {key: value for key, value in part.items() if key in ("text", "logprobs", "refusal")}
        emit(f"response.{self.kind}.done", {**self._at, **said})
        emit("response.content_part.done", {**self._at, "part": part})
        item = text_item(self._id, [part], status)
        emit("response.output_item.done", {"output_index": self._output_index, "item": item})
        return item

    def _part(self) -> dict[str, Any]:
        text = "".join(self._pieces)
        return {"type": "refusal", "refusal": text} if self.kind == "refusal" else text_part(text, self._logprobs)


class OpenReasoning:
    """The model's reasoning, given whole as one `reasoning_text`."""

    def __init__(self, output_index: int) -> None:
        self._id = new_id("rs")
        self._at = {"item_id": self._id, "output_index": output_index, "content_index": 0}
        self._output_index = output_index
        self._pieces: list[str] = []

    def open(self, emit: Emit) -> None:
        item = reasoning_item(self._id, None, "in_progress")
        emit("response.output_item.added", {"output_index": self._output_index, "item": item})
        emit("response.content_part.added", {**self._at, "part": {"type": "reasoning_text", "text": ""}})

    def say(self, text: str, emit: Emit) -> None:
        self._pieces.append(text)
        emit("response.reasoning_text.delta", {**self._at, "delta": text})

    def close(self, status: str, emit: Emit) -> dict[str, Any]:
        text = "".join(self._pieces)
        emit("response.reasoning_text.done", {**self._at, "text": text})
        emit("response.content_part.done", {**self._at, "part": {"type": "reasoning_text", "text": text}})
        item = reasoning_item(self._id, text, status)
        emit("response.output_item.done", {"output_index": self._output_index, "item": item})
        return item


class OpenCall:
    """A function call; `call_index` is the chat stream's own index of it."""

    def __init__(self, output_index: int, call: Mapping[str, Any]) -> None:
        self.call_index = call.get("index", 0)
        self._call = call
        self._id = new_id("fc")
        self._at = {"item_id": self._id, "output_index": output_index}
        self._output_index = output_index
        self._pieces: list[str] = []

    def open(self, emit: Emit) -> None:
        item = call_item(self._id, self._call, "", "in_progress")
        emit("response.output_item.added", {"output_index": self._output_index, "item": item})

    def say(self, text: str, emit: Emit) -> None:
        self._pieces.append(text)
        emit("response.function_call_arguments.delta", {**self._at, "delta": text})

    def close(self, status: str, emit: Emit) -> dict[str, Any]:
        arguments = "".join(self._pieces)
        emit("response.function_call_arguments.done", {**self._at, "arguments": arguments})
        item = call_item(self._id, self._call, arguments, status)
        emit("response.output_item.done", {"output_index": self._output_index, "item": item})
        return item
