"""The rows that ship get the labels the rubric's anchors promise: a changed row that moves one is looked at."""

from __future__ import annotations

from functools import cache

import pytest

from freehold.catalog import Catalog
from freehold.catalog.licenses.shelf import Licenses
from freehold.catalog.openness import Openness, assess

CLOSED = ("gpt-4o", "claude-sonnet-4.5", "gemini-2.5-pro")
RESTRICTED = ("command-a", "mistral-large-instruct-2411")
COMMUNITY = ("llama-3.1-8b-instruct", "llama-3.3-70b-instruct", "llama-4-scout-17b-16e-instruct", "gemma-3-270m")
WEIGHTS = ("gpt-oss-120b", "mistral-large-3-675b-instruct-2512", "deepseek-r1", "phi-4")
SCIENCE = ("olmo-2-0325-32b", "pythia-12b", "amber", "apertus-8b-instruct", "smollm3-3b")


@cache
def _catalog() -> Catalog:
    return Catalog.load()


def _of(name: str) -> Openness:
    return assess(_catalog().model(name), _catalog().get, Licenses.load().get)


@pytest.mark.parametrize(
    ("names", "lowest", "highest"),
    [(CLOSED, 0, 0), (RESTRICTED, 1, 1), ((*COMMUNITY, "deepseek-v3"), 2, 2), (WEIGHTS, 3, 3), (SCIENCE, 4, 5)],
    ids=["closed", "restricted", "community license", "open weights", "open-source consistent or more"],
)
def test_the_anchors_have_their_labels(names: tuple[str, ...], lowest: int, highest: int) -> None:
    labels = {name: (_of(name).label.low, _of(name).label.high) for name in names}
    assert {name: label for name, label in labels.items() if not lowest <= label[0] <= label[1] <= highest} == {}


def test_bloom_published_everything_under_a_license_that_restricts() -> None:
    found = _of("bloom")
    assert (found.label.low, found.label.high, found.published.low) == (2, 2, 4)
    assert found.osi_reviewed == "would pass with a license change"


def test_a_distilled_llama_has_llamas_terms_although_its_card_says_mit() -> None:
    found = _of("deepseek-r1-distill-llama-70b")
    assert (found.freedom.low, found.freedom.high) == (2, 2)
    assert found.freedom.parts[0].license == "mit"
    assert found.freedom.high_from.license == "llama3.3"


def test_every_row_gets_an_answer_and_no_answer_is_sure_of_what_nobody_read() -> None:
    found = {model.name: _of(model.name) for model in _catalog().models}
    assert len(found) >= 120
    unread = [each for each in found.values() if any(part.unknown for part in each.freedom.parts)]
    assert all(each.freedom.low < 3 for each in unread)
    assert all(each.evidence or each.label.low == each.label.high for each in found.values())
