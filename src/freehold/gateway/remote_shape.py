"""Whether a chunk of somebody else's API has the shape that the rest of the house relies on.

Our own workers are held to it by the contract suite; what comes from outside is looked at as it comes. Fields that are
not named here pass unseen.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic refuses the one of typing before Python 3.12

from freehold.core.errors import EngineError

_LENIENT = ConfigDict(extra="allow", strict=True)


@with_config(_LENIENT)
class _Function(TypedDict, total=False):
    name: str | None
    arguments: str | None


@with_config(_LENIENT)
class _Call(TypedDict, total=False):
    index: int
    id: str | None
    function: _Function


@with_config(_LENIENT)
class _Delta(TypedDict, total=False):
    role: str | None
    content: str | None
    reasoning_content: str | None
    refusal: str | None
    tool_calls: list[_Call] | None


@with_config(_LENIENT)
class _Choice(TypedDict, total=False):
    index: int
    delta: _Delta
    text: str
    finish_reason: str | None
    logprobs: dict[str, Any] | None


@with_config(_LENIENT)
class _Usage(TypedDict, total=False):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, Any] | None
    completion_tokens_details: dict[str, Any] | None


@with_config(_LENIENT)
class _Chunk(TypedDict, total=False):
    choices: list[_Choice] | None
    usage: _Usage | None


_CHUNK: TypeAdapter[Any] = TypeAdapter(_Chunk)


def check(chunk: dict[str, Any], address: str) -> None:
    """Raises EngineError that names the first field of the wrong shape."""
    try:
        _CHUNK.validate_python(chunk)
    except ValidationError as error:
        row = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in row["loc"])
        raise EngineError(f"{address} answered with a wrong `{field}`: {row['msg']}.") from None
