"""One form for every JSON value: the examples of RFC 8785 that deeds can hold, and what has no form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.store.deeds.canonical import LARGEST_INTEGER, canonical, parsed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_keys_are_sorted_by_their_utf16_code_units() -> None:
    """RFC 8785, section 3.2.3: a character beyond U+FFFF comes before U+FB33, though its number is larger."""
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    ordered = json.loads(canonical(dict.fromkeys(keys)), object_pairs_hook=lambda pairs: [key for key, _ in pairs])
    assert ordered == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_texts_have_the_shortest_escapes() -> None:
    """RFC 8785, section 3.2.2.2."""
    assert canonical('\u20ac$\x0f\nA\'B"\\\\"/') == '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (-0.0, "0"), (87.5, "87.5"), (0.002, "0.002"), (True, "true"), (LARGEST_INTEGER, "9007199254740991")],
)
def test_numbers_are_written_as_every_reader_of_json_writes_them(value: float, text: str) -> None:
    assert canonical(value) == text


@pytest.mark.parametrize(
    "value",
    [2**53, -(2**53), 1e300, 1e-7, float("nan"), float("inf"), "\ud800", {"\udc00": 1}, {1: 2}, b"x", {"a": {1, 2}}],
)
def test_what_has_no_one_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        canonical({"in": value})


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', "NaN", "[Infinity]", "", "{", '"\\ud800', "\xff"])
def test_what_reads_in_two_ways_or_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parsed(text.encode("latin-1"))


@given(VALUES)
def test_one_value_has_one_text_which_means_it(value: Any) -> None:
    text = canonical(value)
    assert parsed(text.encode()) == value
    assert canonical(parsed(text.encode())) == text
