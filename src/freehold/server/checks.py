"""Checks the types of a request's known fields, and names the field that is wrong as the client spelled it.

Only checks: what is relayed is the client's own dict, so every field and value keeps, also those nobody here knows.
Ranges are the engine's to judge, except where a value makes no sense to anybody. Messages and Responses have their
content checked by their translators; here are the scalars that those pass through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic refuses the one of typing before Python 3.12

from freehold.core.errors import RequestError

Check = Callable[[dict[str, Any]], None]

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[int, Field(ge=1)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Name = Annotated[str, Field(min_length=1)]
_Filled = Field(min_length=1)
_LENIENT = ConfigDict(extra="allow", strict=True)


@with_config(_LENIENT)
class _Part(TypedDict, total=False):
    type: str
    text: str | None


@with_config(_LENIENT)
class _Call(TypedDict, total=False):
    id: str | None
    function: dict[str, Any]


@with_config(_LENIENT)
class _Message(TypedDict, total=False):
    role: str
    name: str | None
    content: str | list[_Part] | None
    tool_calls: list[_Call] | None
    tool_call_id: str | None


@with_config(_LENIENT)
class _StreamOptions(TypedDict, total=False):
    include_usage: bool | None


@with_config(_LENIENT)
class _Function(TypedDict, total=False):
    name: _Name
    description: str | None
    parameters: dict[str, Any] | None


@with_config(_LENIENT)
class _Tool(TypedDict, total=False):
    type: str
    function: _Function


@with_config(_LENIENT)
class _Sampling(TypedDict, total=False):
    model: _Name
    stream: bool | None
    stream_options: _StreamOptions | None
    max_tokens: _Positive | None
    temperature: Annotated[_Number, Field(ge=0)] | None
    top_p: _Share | None
    min_p: _Share | None
    n: Annotated[int, Field(ge=1, le=128)] | None
    seed: int | None
    stop: str | list[str] | None
    presence_penalty: _Number | None
    frequency_penalty: _Number | None
    logit_bias: dict[str, Any] | list[Any] | None
    response_format: dict[str, Any] | None
    grammar: str | None
    user: str | None


@with_config(_LENIENT)
class _Chat(_Sampling, total=False):
    messages: Annotated[list[_Message], _Filled]
    max_completion_tokens: _Positive | None
    logprobs: bool | None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None
    tools: list[_Tool] | None
    modalities: list[str] | None
    tool_choice: str | dict[str, Any] | None
    parallel_tool_calls: bool | None


@with_config(_LENIENT)
class _Completion(_Sampling, total=False):
    prompt: str | list[Any]
    logprobs: Annotated[int, Field(ge=0, le=20)] | None
    echo: bool | None


@with_config(_LENIENT)
class _Embeddings(TypedDict, total=False):
    model: _Name
    input: Annotated[str, _Filled] | Annotated[list[Any], _Filled]
    encoding_format: str | None
    dimensions: _Positive | None


@with_config(_LENIENT)
class _Messages(TypedDict, total=False):
    model: _Name
    messages: Annotated[list[dict[str, Any]], _Filled]
    max_tokens: _Positive | None
    stream: bool | None
    temperature: Annotated[_Number, Field(ge=0)] | None
    top_p: _Share | None
    top_k: int | None
    stop_sequences: list[str] | None


@with_config(_LENIENT)
class _Responses(TypedDict, total=False):
    model: _Name
    input: str | list[Any]
    instructions: str | None
    max_output_tokens: _Positive | None
    stream: bool | None
    temperature: Annotated[_Number, Field(ge=0)] | None
    top_p: _Share | None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None
    parallel_tool_calls: bool | None
    user: str | None


@with_config(_LENIENT)
class _Tokens(TypedDict, total=False):
    model: _Name
    prompt: str
    content: str
    messages: list[_Message]
    tokens: list[int]


class Body(NamedTuple):
    """What a route's body is checked against: the type of its known fields, and those that must be there."""

    kind: Any
    required: tuple[str, ...]


def _checker(asked: Body) -> Check:
    adapter: TypeAdapter[Any] = TypeAdapter(asked.kind)

    def check(body: dict[str, Any]) -> None:
        for field in asked.required:
            if body.get(field) is None:
                raise RequestError(f"`{field}` is required.", param=field)
        try:
            adapter.validate_python(body)
        except ValidationError as error:
            raise _refusal(error, body) from None

    return check


def _refusal(error: ValidationError, body: dict[str, Any]) -> RequestError:
    """The complaints about the first field that is wrong. A union has one for each of its members: the one that came
    deepest is about the member that was meant."""
    found = [(_spelled(row["loc"], body), row["msg"]) for row in error.errors(include_url=False, include_context=False)]
    root = found[0][0].partition(".")[0]
    first = max((field for field, _ in found if field.partition(".")[0] == root), key=lambda field: field.count("."))
    complaints = dict.fromkeys(text[:1].lower() + text[1:] for field, text in found if field == first)
    return RequestError(f"`{first}` is wrong: {', or '.join(complaints)}.", param=first)


def _spelled(location: tuple[int | str, ...], body: Any) -> str:
    """The part of pydantic's location that is in the body; the rest names members of unions."""
    parts: list[str] = []
    for part in location:
        inside = part in body if isinstance(body, dict) else isinstance(body, list) and isinstance(part, int)
        if inside:
            parts.append(str(part))
            body = body[part]
    return ".".join(parts)


def _chat(body: dict[str, Any]) -> None:
    _chat_types(body)
    for place, message in enumerate(body["messages"]):
        if "role" not in message:
            raise RequestError(f"`messages.{place}.role` is required.", param=f"messages.{place}.role")
        if message.get("content") is None and message["role"] != "assistant":
            field = f"messages.{place}.content"
            raise RequestError(f"`{field}` is required of the role {message['role']!r}.", param=field)


BODIES: Mapping[str, Body] = {
    "/v1/chat/completions": Body(_Chat, ("model", "messages")),
    "/v1/completions": Body(_Completion, ("model", "prompt")),
    "/v1/embeddings": Body(_Embeddings, ("model", "input")),
    "/v1/messages": Body(_Messages, ("model", "messages", "max_tokens")),
    "/v1/messages/count_tokens": Body(_Messages, ("model", "messages")),
    "/v1/responses": Body(_Responses, ("model",)),
    "/v1/tokenize": Body(_Tokens, ("model",)),
    "/v1/detokenize": Body(_Tokens, ("model", "tokens")),
}
"""By route; the description of the API is made from it too."""
_chat_types = _checker(BODIES["/v1/chat/completions"])
CHAT: Check = _chat
COMPLETION = _checker(BODIES["/v1/completions"])
EMBEDDINGS = _checker(BODIES["/v1/embeddings"])
MESSAGES = _checker(BODIES["/v1/messages"])
COUNT_TOKENS = _checker(BODIES["/v1/messages/count_tokens"])
RESPONSES = _checker(BODIES["/v1/responses"])
TOKENIZE = _checker(BODIES["/v1/tokenize"])
DETOKENIZE = _checker(BODIES["/v1/detokenize"])
