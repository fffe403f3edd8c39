"""A chat stream as the events of a Responses stream: one item after another, each opened, filled and closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from freehold.core.errors import CallError, EngineError, FreeholdError
from freehold.gateway.engine_shape import check_call
from freehold.gateway.translate.event import Event
from freehold.gateway.translate.responses.answer import finished, opening, usage
from freehold.gateway.translate.responses.open_items import OpenCall, OpenItem, OpenReasoning, OpenText

_Item = TypeVar("_Item", OpenText, OpenReasoning, OpenCall)


class Stream:
    """`request` is the client's Responses body. After `fail` or `end` nothing more is given."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request
        self._response: dict[str, Any] | None = None
        self._events: list[Event] = []
        self._sequence = 0
        self._item: OpenItem | None = None
        self._calls: set[int] = set()
        self._output: list[dict[str, Any]] = []
        self._reason: str | None = None
        self._usage: Mapping[str, Any] | None = None

    def feed(self, chunk: dict[str, Any]) -> list[Event]:
        """The events for one chat chunk, in order."""
        self._start(chunk)
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta")
            if delta:
                self._delta(delta, choice.get("logprobs"))
            self._reason = choice.get("finish_reason") or self._reason
        return self._taken()

    def end(self) -> list[Event]:
        """The closing events, when the chat stream is over."""
        self._start({})
        status = finished(self._reason)
        self._close(status["status"])
        thought = any(item["type"] == "reasoning" for item in self._output)
        self._lifecycle(status["status"], **status, usage=usage(self._usage, thought=thought))
        return self._taken()

    def fail(self, error: FreeholdError) -> list[Event]:
        """The events that end a stream that broke; the items so far are in the failed response."""
        self._start({})
        self._close("incomplete")
        self._lifecycle("failed", status="failed", error={"code": _code(error), "message": str(error)})
        return self._taken()

    def _start(self, chunk: Mapping[str, Any]) -> None:
        if self._response is None:
            self._response = opening(chunk, self._request)
            self._lifecycle("created")
            self._lifecycle("in_progress")

    def _delta(self, delta: Mapping[str, Any], logprobs: Mapping[str, Any] | None) -> None:
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            item = self._item
            if not isinstance(item, OpenReasoning):
                item = self._begin(OpenReasoning)
            item.say(thought, self._emit)
        if text := delta.get("content"):
            self._text("output_text").say(text, self._emit, logprobs)
        if refusal := delta.get("refusal"):
            self._text("refusal").say(refusal, self._emit, None)
        for call in delta.get("tool_calls") or ():
            self._call(call)

    def _text(self, kind: str) -> OpenText:
        item = self._item
        if not isinstance(item, OpenText) or item.kind != kind:
            item = self._begin(lambda index: OpenText(index, kind))
        return item

    def _call(self, call: Mapping[str, Any]) -> None:
        index, item = call.get("index", 0), self._item
        if not isinstance(item, OpenCall) or item.call_index != index:
            if index in self._calls:
                raise EngineError("The engine went back to a tool call it had ended.")
            check_call(call)
            self._calls.add(index)
            item = self._begin(lambda output_index: OpenCall(output_index, call))
        if piece := (call.get("function") or {}).get("arguments"):
            item.say(piece, self._emit)

    def _begin(self, make: Callable[[int], _Item]) -> _Item:
        """Close the item under way and open the one that `make` gives for its output index."""
        self._close("completed")
        item = make(len(self._output))
        self._item = item
        item.open(self._emit)
        return item

    def _close(self, status: str) -> None:
        if self._item is not None:
            self._output.append(self._item.close(status, self._emit))
            self._item = None

    def _lifecycle(self, name: str, **changes: Any) -> None:
        assert self._response is not None
        self._response = {**self._response, **changes, "output": list(self._output)}
        self._emit(f"response.{name}", {"response": self._response})

    def _emit(self, name: str, data: dict[str, Any]) -> None:
        data["type"] = name
        data["sequence_number"] = self._sequence
        self._sequence += 1
        self._events.append(Event(name, data))

    def _taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events


def _code(error: FreeholdError) -> str:
    """One of the codes that the API knows."""
    if error.http_status == 429:
        return "rate_limit_exceeded"
    return "invalid_prompt" if isinstance(error, CallError) else "server_error"
