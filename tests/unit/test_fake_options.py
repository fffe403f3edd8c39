"""The options of `fake:` references: what they set, and how they are refused."""

from __future__ import annotations

import pytest

from freehold.core.errors import BadReferenceError
from freehold.core.refs import FakeRef, parse
from freehold.engines.fake.options import FakeOptions, read


def _read(reference: str) -> FakeOptions:
    ref = parse(reference)
    assert isinstance(ref, FakeRef)
    return read(ref)


def test_without_options_it_has_the_documented_defaults() -> None:
    assert _read("fake:x") == FakeOptions(rate_per_s=0, tokens=64, first_ms=0, context_tokens=8192)


def test_every_option_reaches_its_field() -> None:
    text = "rate=40.5&tokens=8&first_ms=5&context=64&die-after=1&hang-after=2&error-after=3&truncated-json=4"
    text += "&garbage-event=5&refuse-start&slow-start=6&http-500&busy-503=1"
    found = _read(f"fake:x?{text}&slots=7&memory=8&says=9")
    assert found == FakeOptions(40.5, 8, 5, 64, 1, 2, 3, 4, 5, True, 6, True, True, 7, 8, 9)


def test_all_that_is_wrong_is_reported_together_with_the_nearest_names() -> None:
    with pytest.raises(BadReferenceError) as caught:
        _read("fake:x?rat=4&tokens=0&rate=fast&rate=nan&http-500=often&die-after=1.5")
    message = caught.value.message
    for part in (
        "rat is not an option (nearest: rate",
        "tokens must be a whole number from 1 to 100000, not '0'",
        "rate must be a number from 0 to 1e+06, not 'fast'",
        "not 'nan'",
        "http-500 must be without a value, not 'often'",
        "die-after must be a whole number from 1 to 100000, not '1.5'",
    ):
        assert part in message
    assert "has 6 wrong options" in message
    assert "The fake engine has: rate, tokens," in caught.value.hint


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(BadReferenceError, match="tokens is given twice"):
        _read("fake:x?tokens=1&tokens=2")
