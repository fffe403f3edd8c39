"""The rows that ship put every anchor of the rubric where it belongs, name the bases they stand on, and say of windows
what memory and speed follow from."""

from __future__ import annotations

from functools import cache

import pytest

from freehold.catalog import Catalog
from freehold.catalog.licenses.shelf import Licenses
from freehold.catalog.openness import Openness, assess

LABELS = {
    "gpt-4o": (0, 0),
    "command-a": (1, 1),
    "mistral-large-instruct-2407": (1, 1),
    "llama-3.1-8b": (2, 2),
    "llama-3.1-70b-instruct": (2, 2),
    "llama-3.1-405b-instruct": (2, 2),
    "llama-3.3-70b-instruct": (2, 2),
    "llama-4-scout-17b-16e-instruct": (2, 2),
    "llama-4-maverick-17b-128e-instruct": (2, 2),
    "gemma-3-270m": (2, 2),
    "gemma-3-27b-it": (2, 2),
    "deepseek-v3": (2, 2),
    "bloom": (2, 2),
    "starcoder2-15b": (2, 2),
    "gpt-oss-20b": (3, 3),
    "gpt-oss-120b": (3, 3),
    "mistral-large-3-675b-instruct-2512": (3, 3),
    "qwen3.5-27b": (3, 3),
    "qwen3.5-35b-a3b": (3, 3),
    "qwen3.5-122b-a10b": (3, 3),
    "qwen3.5-397b-a17b": (3, 3),
    "deepseek-r1": (3, 3),
    "phi-4": (3, 3),
    "smollm3-3b": (5, 5),
    "olmo-2-1124-7b": (5, 5),
    "olmo-2-0325-32b": (5, 5),
    "pythia-70m": (5, 5),
    "pythia-12b": (5, 5),
    "amber": (5, 5),
    "apertus-8b-instruct": (5, 5),
    "apertus-70b-instruct": (5, 5),
}
PUBLISHED_AT_LEAST = {"bloom": 4, "starcoder2-15b": 3, "amber": 4, "pythia-12b": 4, "olmo-2-1124-7b": 4}
STRICTER_THAN_THEIR_CARD = {
    "deepseek-r1-distill-llama-70b": ("mit", "llama3.3"),
    "deepseek-r1-distill-llama-8b": ("mit", "llama3.1"),
    "kimi-dev-72b": ("mit", "qwen-2024"),
}
ADDS_TERMS = {  # label, license, and the terms that bind beside it
    "olmo-2-1124-7b-instruct": ((2, 2), "apache-2.0", ("gemma-2025-03-24",)),
    "olmo-2-1124-13b-instruct": ((2, 2), "apache-2.0", ("gemma-2025-03-24",)),
    "olmo-2-0325-32b-instruct": ((2, 2), "apache-2.0", ("gemma-2025-03-24",)),
    "tulu-3-8b": ((2, 2), "llama3.1", ("gemma-2025-03-24", "qwen-2024")),
    "tulu-3-405b": ((2, 2), "llama3.1", ("gemma-2025-03-24", "qwen-2024")),
}
WINDOWS = {  # layers, tokens of the window, layers that have it
    "gemma-2-9b": (42, 4096, 21),
    "gemma-3-270m": (18, 512, 15),
    "gemma-3-27b-it": (62, 1024, 52),
    "gpt-oss-20b": (24, 128, 12),
    "gpt-oss-120b": (36, 128, 18),
    "llama-4-scout-17b-16e-instruct": (48, 8192, 36),
    "command-a": (64, 4096, 48),
}
NAMED_BY_THE_OSI = {
    "pass": {
        "olmo-1b",
        "olmo-7b",
        "amber",
        *(f"pythia-{size}" for size in ("70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b")),
    },
    "would pass with a license change": {"bloom", "starcoder2-3b", "starcoder2-7b", "starcoder2-15b"},
    "fail": {
        *("llama-2-7b", "llama-2-7b-chat", "llama-2-13b", "llama-2-13b-chat", "llama-2-70b", "llama-2-70b-chat"),
        *("phi-2", "grok-1", "mixtral-8x7b-v0.1", "mixtral-8x7b-instruct-v0.1"),
    },
}
BASES_WITHOUT_A_ROW = {
    "LLM360/K2-V2-Instruct",
    "answerdotai/ModernBERT-base",
    "mistralai/Devstral-2-123B-Base-2512",
    "nreimers/MiniLM-L6-H384-uncased",
}


@cache
def _catalog() -> Catalog:
    return Catalog.load()


@cache
def _licenses() -> Licenses:
    return Licenses.load()


@cache
def _of(name: str) -> Openness:
    return assess(_catalog().model(name), _catalog().get, _licenses().get)


@pytest.mark.parametrize("name", LABELS)
def test_an_anchor_has_its_label_and_no_wider_interval(name: str) -> None:
    found = _of(name)
    assert (found.label.low, found.label.high) == LABELS[name], found.sentence


@pytest.mark.parametrize("name", PUBLISHED_AT_LEAST)
def test_what_an_anchor_published_is_shown_and_not_only_possible(name: str) -> None:
    assert _of(name).published.low >= PUBLISHED_AT_LEAST[name]


@pytest.mark.parametrize("name", STRICTER_THAN_THEIR_CARD)
def test_the_base_of_another_publisher_decides_where_the_card_says_mit(name: str) -> None:
    own, decides = STRICTER_THAN_THEIR_CARD[name]
    found = _of(name)
    assert (found.freedom.low, found.freedom.high) == (2, 2)
    assert (found.freedom.parts[0].license, found.freedom.high_from.license) == (own, decides)


@pytest.mark.parametrize("name", ADDS_TERMS)
def test_a_card_that_adds_terms_of_others_is_read_by_every_one_of_them(name: str) -> None:
    model, found = _catalog().model(name), _of(name)
    assert ((found.label.low, found.label.high), model.license, model.terms) == ADDS_TERMS[name]
    assert model.license_note is not None and "Gemma Terms of Use" in model.license_note
    assert "-Instruct" in model.sources["license"].text or "Tulu" in model.sources["license"].text


@pytest.mark.parametrize("name", WINDOWS)
def test_a_model_with_two_kinds_of_layers_says_how_many_have_the_window(name: str) -> None:
    shape = _catalog().model(name).shape
    assert (shape.layers, shape.window_tokens, shape.window_layers) == WINDOWS[name]


def test_no_row_gives_more_window_layers_than_layers() -> None:
    wrong = [
        model.name
        for model in _catalog().models
        if model.shape.window_layers is not None and model.shape.window_layers > (model.shape.layers or 0)
    ]
    assert wrong == []


def test_the_osi_reviewed_the_models_its_list_names_and_no_others() -> None:
    marked = {
        verdict: {model.name for model in _catalog().models if model.osi_reviewed == verdict}
        for verdict in NAMED_BY_THE_OSI
    }
    assert marked == NAMED_BY_THE_OSI


def test_every_base_has_a_row_but_those_of_which_nothing_more_was_read() -> None:
    models = _catalog().models
    assert len(models) >= 400
    missing = {base for model in models for base in model.base_models or () if _catalog().get(base) is None}
    assert missing == BASES_WITHOUT_A_ROW
