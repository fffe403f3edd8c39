from __future__ import annotations

from typing import Any

import pytest

from freehold.gateway.shaping import Shaper, Wanted


def _chunk(delta: dict[str, Any], index: int = 0, finish_reason: str | None = None) -> dict[str, Any]:
    return {"model": "m:q4_1", "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}]}


def test_the_first_chunk_of_every_choice_names_its_role_also_where_the_engine_forgot() -> None:
    shaper = Shaper(Wanted("house", "chat", usage=False, progress=False, choices=2), None)
    out = [
        *shaper.feed(_chunk({"content": "a"})),
        *shaper.feed(_chunk({"role": "assistant", "content": None}, index=1)),
        *shaper.feed(_chunk({"content": "b"})),
    ]
    assert [chunk["choices"][0]["delta"].get("role") for chunk in out] == ["assistant", "assistant", None]
    assert {chunk["model"] for chunk in out} == {"house"}


@pytest.mark.parametrize(("known", "shown"), [("llama.cpp-1-0a1b", "llama.cpp-1-0a1b"), (None, "b0-unknown")])
def test_the_fingerprint_is_what_is_known_here_and_else_what_the_engine_says(known: str | None, shown: str) -> None:
    shaper = Shaper(Wanted("house", "chat", usage=True, progress=False), None, known)
    chunks: list[dict[str, Any]] = [_chunk({"content": "a"}), {"choices": []}]
    fed = [{**chunk, "system_fingerprint": "b0-unknown"} for chunk in chunks]
    assert [chunk["system_fingerprint"] for each in fed for chunk in shaper.feed(each)] == [shown, shown]


def test_timings_ride_on_the_finishing_chunk_of_those_who_did_not_ask_for_usage() -> None:
    shaper = Shaper(Wanted("house", "chat", usage=False, progress=False), None)
    assert shaper.feed(_chunk({}, finish_reason="stop")) == []
    (last,) = shaper.feed({"choices": [], "usage": {"total_tokens": 3}, "timings": {"predicted_n": 2}})
    assert last["timings"] == {"predicted_n": 2} and "usage" not in last
    assert shaper.finished and shaper.usage == {"total_tokens": 3}
    assert shaper.end() == []


def test_only_answers_that_were_asked_for_say_why_they_ended() -> None:
    shaper = Shaper(Wanted("house", "chat", usage=False, progress=False, choices=2), None)
    for index in (1, 0, 2, -1):
        shaper.feed(_chunk({}, index=index, finish_reason="stop"))
    assert shaper.reasons == {1: "stop", 0: "stop"}
