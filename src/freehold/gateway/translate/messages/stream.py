"""A chat stream as the events of a Messages stream: blocks open and close one after another, never interleaved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.core.errors import EngineError, FreeholdError
from freehold.gateway.engine_shape import check_call
from freehold.gateway.translate.event import Event
from freehold.gateway.translate.messages.answer import opening, shows_thinking, stopped, usage

_ERROR_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def error_type(status: int) -> str:
    """Anthropic's word for an error with this HTTP status."""
    return _ERROR_TYPES.get(status, "api_error")


class Stream:
    """`request` is the client's Messages body. After `fail` or `end` nothing more is given."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request
        self._thinking = shows_thinking(request)
        self._started = False
        self._index = -1
        self._open: str | int | None = None  # "text", "thinking", or a tool call's index
        self._calls: set[int] = set()
        self._stop: tuple[str, str | None] = ("end_turn", None)
        self._refused = False
        self._usage: Mapping[str, Any] | None = None

    def feed(self, chunk: dict[str, Any]) -> list[Event]:
        """The events for one chat chunk, in order."""
        events: list[Event] = [] if self._started else self._start(chunk)
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta")
            if delta:
                self._delta(delta, events)
            if choice.get("finish_reason"):
                self._stop = stopped(choice["finish_reason"], choice)
        return events

    def end(self) -> list[Event]:
        """The closing events, when the chat stream is over."""
        events = [] if self._started else self._start({})
        self._close(events)
        reason, sequence = ("refusal", None) if self._refused else self._stop
        delta = {"stop_reason": reason, "stop_sequence": sequence}
        events.append(_event("message_delta", delta=delta, usage=usage(self._usage)))
        events.append(_event("message_stop"))
        return events

    def fail(self, error: FreeholdError) -> list[Event]:
        """The event that ends a stream that broke."""
        return [_event("error", error={"type": error_type(error.http_status), "message": str(error)})]

    def _start(self, chunk: Mapping[str, Any]) -> list[Event]:
        self._started = True
        return [_event("message_start", message=opening(chunk, self._request))]

    def _delta(self, delta: Mapping[str, Any], events: list[Event]) -> None:
        if self._thinking and (thought := delta.get("reasoning_content") or delta.get("reasoning")):
            self._say("thinking", thought, events)
        if text := delta.get("content"):
            self._say("text", text, events)
        elif refusal := delta.get("refusal"):
            self._refused = True
            self._say("text", refusal, events)
        for call in delta.get("tool_calls") or ():
            self._call(call, events)

    def _say(self, kind: str, text: str, events: list[Event]) -> None:
        if self._open != kind:
            empty = {"thinking": "", "signature": ""} if kind == "thinking" else {"text": ""}
            self._begin(kind, {"type": kind, **empty}, events)
        delta = {"type": f"{kind}_delta", kind: text}
        events.append(_event("content_block_delta", index=self._index, delta=delta))

    def _call(self, call: Mapping[str, Any], events: list[Event]) -> None:
        index = call.get("index", 0)
        function = call.get("function") or {}
        if self._open != index:
            if index in self._calls:
                raise EngineError("The engine went back to a tool call it had ended.")
            check_call(call)
            self._calls.add(index)
            name = function.get("name")
            self._begin(index, {"type": "tool_use", "id": call.get("id"), "name": name, "input": {}}, events)
        if piece := function.get("arguments"):
            delta = {"type": "input_json_delta", "partial_json": piece}
            events.append(_event("content_block_delta", index=self._index, delta=delta))

    def _begin(self, kind: str | int, block: dict[str, Any], events: list[Event]) -> None:
        self._close(events)
        self._open = kind
        self._index += 1
        events.append(_event("content_block_start", index=self._index, content_block=block))

    def _close(self, events: list[Event]) -> None:
        if self._open is not None:
            self._open = None
            events.append(_event("content_block_stop", index=self._index))


def _event(kind: str, **data: Any) -> Event:
    return Event(kind, {"type": kind, **data})
