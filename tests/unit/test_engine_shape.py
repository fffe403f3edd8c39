from __future__ import annotations

from typing import Any

import pytest

from freehold.core.errors import EngineError
from freehold.core.ports import Capabilities, Upstream
from freehold.gateway.engine_shape import check_chunk

FAR = Upstream("remote", "https://far.example/v1", "far", Capabilities())
HERE = Upstream("fake", "http://worker/v1", "fake:here", Capabilities(), socket_path="/run/worker.sock")


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": 5},
        {"choices": [5]},
        {"choices": [{"index": "0", "delta": {}}]},
        {"choices": [{"index": 0, "delta": {"content": 5}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": None}]}}]},
        {"choices": [{"index": 0, "delta": {}, "logprobs": 3}]},
        {"choices": [], "usage": {"prompt_tokens": "many"}},
    ],
)
def test_an_engine_of_the_wrong_shape_is_an_error_of_the_engine_and_no_bug(chunk: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match=r"^https://far\.example/v1 answered with a wrong `"):
        check_chunk(chunk, FAR, 1)
    with pytest.raises(EngineError, match=r"^fake answered with a wrong `"):
        check_chunk(chunk, HERE, 1)


def test_whoever_reads_that_an_engine_is_wrong_is_told_where_to_look() -> None:
    with pytest.raises(EngineError) as far:
        check_chunk({"choices": 5}, FAR, 1)
    assert "freehold.toml" in far.value.hint
    with pytest.raises(EngineError) as here:
        check_chunk({"choices": 5}, HERE, 1)
    assert "`freehold verify`" in here.value.hint


PIECE: dict[str, Any] = {"index": 0, "delta": {"content": "x"}, "finish_reason": None}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"index": "0"}, "choices.0.index"),
        ({"index": True}, "choices.0.index"),
        ({"index": -1}, "choices.0.index"),
        ({"index": 2}, "choices.0.index"),
        ({"delta": {"content": ["x"]}}, "choices.0.delta.content"),
        ({"delta": []}, "choices.0.delta"),
        ({"finish_reason": 5}, "choices.0.finish_reason"),
    ],
)
def test_a_piece_of_text_like_all_others_but_for_one_field_is_refused_by_it(
    changed: dict[str, Any], field: str
) -> None:
    check_chunk({"choices": [PIECE], "created": 1}, HERE, 2)
    with pytest.raises(EngineError, match=f"fake answered with a wrong `{field}`"):
        check_chunk({"choices": [{**PIECE, **changed}], "created": 1}, HERE, 2)
    with pytest.raises(EngineError, match="fake answered with a wrong `created`"):
        check_chunk({"choices": [PIECE], "created": "soon"}, HERE, 2)


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": [{"index": 0, "delta": {"content": None, "new": [1]}, "finish_reason": None}], "error": None},
        {"choices": [], "usage": {"prompt_tokens": 1, "prompt_tokens_details": None}},
        {"choices": None, "usage": None, "obfuscation": "x"},
    ],
)
def test_what_nobody_here_has_heard_of_passes(chunk: dict[str, Any]) -> None:
    check_chunk(chunk, FAR, 1)
