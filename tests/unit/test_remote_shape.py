from __future__ import annotations

from typing import Any

import pytest

from freehold.core.errors import EngineError
from freehold.gateway import remote_shape


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
def test_a_remote_of_the_wrong_shape_is_an_error_of_the_remote_and_no_bug(chunk: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match=r"https://far\.example/v1 answered with a wrong `"):
        remote_shape.check(chunk, "https://far.example/v1")


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": [{"index": 0, "delta": {"content": None, "new": [1]}, "finish_reason": None}], "error": None},
        {"choices": [], "usage": {"prompt_tokens": 1, "prompt_tokens_details": None}},
        {"choices": None, "usage": None, "obfuscation": "x"},
    ],
)
def test_what_nobody_here_has_heard_of_passes(chunk: dict[str, Any]) -> None:
    remote_shape.check(chunk, "https://far.example/v1")
