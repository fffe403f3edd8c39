"""A need is read as people write it, and what is not understood is named with what would have been."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import CallError
from freehold.fit.needs import EXAMPLE, Need, read_need


@pytest.mark.parametrize(
    ("text", "need"),
    [
        (EXAMPLE, Need(users=8, context_tokens=16_384, generation_tokens_per_s=10)),
        ("1 user", Need()),
        ("32k tokens of context; 20 concurrent users", Need(users=20, context_tokens=32_768)),
        ("16,384 context, 1,000 prompt tok/s", Need(context_tokens=16_384, prompt_tokens_per_s=1000)),
        ("4 requests at once and 80 tokens per second in all", Need(users=4, generation_tokens_per_s=20)),
        ("12.5t/s each, 1m ctx", Need(context_tokens=1_048_576, generation_tokens_per_s=12.5)),
        ("at least 10 tok/s, >= 2 users, ≥4k context", Need(2, 4096, generation_tokens_per_s=10)),
        ("for code, loss < 0.05, 131_072 tokens", Need(context_tokens=131_072, loss=0.05, task="code")),
        ("Reasoning, LOSS .1", Need(task="reasoning", loss=0.1)),
    ],
)
def test_a_need_is_read_as_people_write_it(text: str, need: Need) -> None:
    assert read_need(text) == need


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        (" , ", "it is empty"),
        ("8 usrs, 16k context", "'usrs' in '8 usrs' is not understood. Did you mean 'users'?"),
        ("8 users 16k context", "'users 16k context' in '8 users 16k context' is not understood. Parts are divided"),
        ("16k contxt", "'contxt' in '16k contxt' is not understood."),
        ("many users", "'many users' in 'many users' is not understood."),
        ("for cde", "'cde' in 'for cde' is not understood. Did you mean 'code'?"),
        ("8", "'8' does not say of what"),
        ("8k users", "'k' in '8k users' is for tokens of context only"),
        ("8 users, 9 people", "'9 people' is the second to say how many users"),
        ("0 users", "'0 users' is out of bounds: more than 0 and at most 100,000 users"),
        ("1.5 users", "'1.5 users' is not a whole number of users"),
        ("999999 users", "at most 100,000 users"),
        ("10 tok/s, 80 tok/s in all", "it says tok/s each and tok/s in all"),
        ("-3 users", "'-3 users' in '-3 users' is not understood"),
        ("1e9 users", "is not understood"),
        ("9" * 400 + " users", "out of bounds"),
    ],
)
def test_what_is_not_understood_is_named_with_what_would_be(text: str, said: str) -> None:
    with pytest.raises(CallError) as error:
        read_need(text)
    assert said in error.value.message
    assert EXAMPLE in error.value.hint
    assert error.value.exit_code == 2


@given(st.text(max_size=60))
def test_no_text_is_read_in_any_other_way_than_as_a_need_or_a_wrong_call(text: str) -> None:
    try:
        need = read_need(text)
    except CallError:
        return
    assert need.users >= 1
