"""The names that are offered for one that is none."""

from __future__ import annotations

from freehold.core.names import nearest

MODELS = ("amber", "falcon-mamba-7b", "gemma-3-270m", "llama-3-70b", "qwen3-8b", "deepseek-r1-distill-qwen-7b")


def test_a_whole_word_of_a_name_means_that_one_and_not_what_looks_like_it() -> None:
    assert nearest("mamba", MODELS) == ("falcon-mamba-7b",)


def test_names_that_begin_so_come_before_those_that_have_it_inside() -> None:
    assert nearest("Qwen", MODELS) == ("qwen3-8b", "deepseek-r1-distill-qwen-7b")


def test_a_slip_finds_the_name_that_was_meant() -> None:
    assert nearest("lama-3-70b", MODELS)[0] == "llama-3-70b"
    assert nearest("gema-3-270m", MODELS)[0] == "gemma-3-270m"


def test_what_looks_like_nothing_has_no_nearest() -> None:
    assert nearest("nope", MODELS) == nearest("", MODELS) == nearest("-", MODELS) == ()
