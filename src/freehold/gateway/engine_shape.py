"""Whether what an engine says has the shape that the rest of the house relies on.

No engine is believed: a remote one is somebody else's, and a local one reads files of strangers. Fields that are not
named here pass unseen, and nothing here reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Required

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic refuses the one of typing before Python 3.12

from freehold.core.errors import EngineError
from freehold.core.ports import Upstream

_LENIENT = ConfigDict(extra="allow", strict=True)
_Count = Annotated[int, Field(ge=0, lt=2**53)]
_Number = Annotated[float, Field(allow_inf_nan=False)]


@with_config(_LENIENT)
class _Function(TypedDict, total=False):
    name: str | None
    arguments: str | None


@with_config(_LENIENT)
class _Call(TypedDict, total=False):
    index: _Count
    id: str | None
    function: _Function


@with_config(_LENIENT)
class _Delta(TypedDict, total=False):
    role: str | None
    content: str | None
    reasoning_content: str | None
    reasoning: str | None
    refusal: str | None
    tool_calls: list[_Call] | None


@with_config(_LENIENT)
class _Token(TypedDict, total=False):
    token: Required[str]
    logprob: Required[_Number]
    bytes: list[_Count] | None


@with_config(_LENIENT)
class _Entry(_Token, total=False):
    top_logprobs: list[_Token] | None


@with_config(_LENIENT)
class _Logprobs(TypedDict, total=False):
    content: list[_Entry] | None


@with_config(_LENIENT)
class _Choice(TypedDict, total=False):
    index: _Count
    delta: _Delta
    text: str
    finish_reason: str | None
    logprobs: _Logprobs | None


@with_config(_LENIENT)
class _Read(TypedDict, total=False):
    cached_tokens: _Count | None


@with_config(_LENIENT)
class _Made(TypedDict, total=False):
    reasoning_tokens: _Count | None


@with_config(_LENIENT)
class _Usage(TypedDict, total=False):
    prompt_tokens: _Count
    completion_tokens: _Count
    total_tokens: _Count
    prompt_tokens_details: _Read | None
    completion_tokens_details: _Made | None


@with_config(_LENIENT)
class _Timings(TypedDict, total=False):
    predicted_per_second: _Number | None


@with_config(_LENIENT)
class _Chunk(TypedDict, total=False):
    choices: list[_Choice] | None
    usage: _Usage | None
    created: _Number | None
    timings: _Timings | None


@with_config(_LENIENT)
class _Vector(TypedDict):
    embedding: list[_Number] | str
    index: _Count


@with_config(_LENIENT)
class _Embeddings(TypedDict, total=False):
    data: Required[list[_Vector]]
    usage: _Usage | None


@with_config(_LENIENT)
class _Tokens(TypedDict):
    tokens: list[_Count]


@with_config(_LENIENT)
class _Rendered(TypedDict):
    prompt: str


@with_config(_LENIENT)
class _Text(TypedDict):
    content: str


_PIECE = {"index", "delta", "finish_reason"}
_CHUNK: TypeAdapter[Any] = TypeAdapter(_Chunk)
_ANSWERS: Mapping[str, TypeAdapter[Any]] = {
    "/embeddings": TypeAdapter(_Embeddings),
    "/tokenize": TypeAdapter(_Tokens),
    "/detokenize": TypeAdapter(_Text),
    "/apply-template": TypeAdapter(_Rendered),
}


def check_chunk(chunk: dict[str, Any], upstream: Upstream, choices: int) -> None:
    """Raises EngineError that names the first field of the wrong shape of a stream's chunk, in which there are so many
    `choices`."""
    if _is_a_piece(chunk, choices):
        return
    _check(_CHUNK, chunk, upstream)
    for place, choice in enumerate(chunk.get("choices") or ()):
        if choice.get("index", 0) >= choices:
            reason = f"{choices} {'was' if choices == 1 else 'were'} asked for"
            raise _field(upstream, f"choices.{place}.index", reason)


def check_answer(path: str, answer: dict[str, Any], upstream: Upstream) -> None:
    """Raises EngineError that names the first field of the wrong shape of what `path` was answered with."""
    if (shape := _ANSWERS.get(path)) is not None:
        _check(shape, answer, upstream)


def not_an_answer(upstream: Upstream, what: str) -> EngineError:
    """The error of an engine that did `what`, and whose it is to look."""
    if upstream.socket_path is None:
        hint = "See that its address in freehold.toml is that of an API like OpenAI's; its operator knows what it sent."
        return EngineError(f"{upstream.base_url} {what}.", hint=hint)
    hint = "`freehold verify` looks at the build's file, `freehold doctor` at the engine."
    return EngineError(f"{upstream.engine} {what}.", hint=hint)


def check_call(call: Mapping[str, Any]) -> None:
    """Raises EngineError where a tool call, whole or at its beginning, does not say which one it is."""
    if not isinstance(call.get("id"), str) or not isinstance((call.get("function") or {}).get("name"), str):
        raise EngineError("The engine called a tool without the call's id or the tool's name.")


def _is_a_piece(chunk: dict[str, Any], choices: int) -> bool:
    """Whether it is a piece of a chat's text and nothing else, as nearly every chunk is. Looked at by hand, as it is
    done for every token of every stream, and the whole look takes several times as long."""
    found = chunk.get("choices")
    if type(found) is not list or len(found) != 1 or "usage" in chunk or "timings" in chunk:
        return False
    choice = found[0]
    if type(choice) is not dict or choice.keys() != _PIECE or choice["finish_reason"] is not None:
        return False
    index, delta = choice["index"], choice["delta"]
    is_text = type(delta) is dict and len(delta) == 1 and type(delta.get("content")) is str
    return is_text and type(index) is int and 0 <= index < choices and type(chunk.get("created")) is int


def _check(shape: TypeAdapter[Any], said: dict[str, Any], upstream: Upstream) -> None:
    try:
        shape.validate_python(said)
    except ValidationError as error:
        row = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in row["loc"])
        raise _field(upstream, field, row["msg"]) from None


def _field(upstream: Upstream, field: str, reason: str) -> EngineError:
    return not_an_answer(upstream, f"answered with a wrong `{field}`: {reason}")
