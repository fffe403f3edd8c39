"""How open a model is: the anchors of the rubric, on rows made for it, and what the bases of a model change."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from freehold.catalog import Catalog
from freehold.catalog.licenses import Licenses
from freehold.catalog.model import State
from freehold.catalog.openness import assess
from freehold.core.errors import CatalogError
from tests.openness_rows import CARD, EVERYTHING, NOTHING, REPORT, TRAINING, assessed, row

ANCHORS = [
    # name, license, published, F, T, label
    ("gpt-4o", "proprietary", NOTHING, 0, 0, 0),
    ("command-a", "cohere-labs-aup", CARD, 1, 1, 1),
    ("mistral-large-2411", "mrl-0.1", CARD, 1, 1, 1),
    ("codestral", "mnpl-0.1", CARD, 1, 1, 1),
    ("llama-3.1", "llama3.1", {**REPORT, "weights_final": "restricted", "model_card": "partial"}, 2, 2, 2),
    ("llama-4", "llama4", {**CARD, "weights_final": "restricted"}, 2, 1, 2),
    ("gemma-3", "gemma-2025-03-24", {**REPORT, "weights_final": "restricted"}, 2, 2, 2),
    ("deepseek-v3", "deepseek-1.0", {**REPORT, "weights_final": "restricted"}, 2, 2, 2),
    ("bloom", "bigscience-bloom-rail-1.0", {**EVERYTHING, "weights_final": "restricted"}, 2, 4, 2),
    ("starcoder", "bigcode-openrail-m-v1", {**TRAINING, "weights_final": "restricted"}, 2, 3, 2),
    ("gpt-oss", "apache-2.0", REPORT, 3, 2, 3),
    ("mistral-large-3", "apache-2.0", CARD, 3, 1, 3),
    ("qwen3.5", "apache-2.0", {**CARD, "model_card": "partial"}, 3, 1, 3),
    ("deepseek-r1", "mit", REPORT, 3, 2, 3),
    ("phi-4", "mit", REPORT, 3, 2, 3),
    ("smollm2", "apache-2.0", {**TRAINING, "preprocessing_code": "partial"}, 3, 2, 3),
    ("smollm3", "apache-2.0", TRAINING, 3, 3, 4),
    ("olmo-2", "apache-2.0", EVERYTHING, 3, 4, 5),
    ("pythia", "apache-2.0", {**EVERYTHING, "model_card": "partial", "tech_report": "partial"}, 3, 4, 5),
    ("amber", "apache-2.0", EVERYTHING, 3, 4, 5),
    ("apertus", "apache-2.0", EVERYTHING, 3, 4, 5),
]


@pytest.mark.parametrize(
    ("name", "license_id", "states", "free", "public", "label"), ANCHORS, ids=[a[0] for a in ANCHORS]
)
def test_the_anchors_of_the_rubric(
    name: str, license_id: str, states: Mapping[str, State], free: int, public: int, label: int
) -> None:
    found = assessed(row(name, license_id, states, withheld=license_id == "proprietary"))
    assert (found.freedom.low, found.freedom.high) == (free, free)
    assert (found.published.low, found.published.high) == (public, public)
    assert (found.label.low, found.label.high) == (label, label)
    assert found.evidence == ()


def test_a_license_that_restricts_and_everything_published_are_said_together() -> None:
    found = assessed(row("bloom", "bigscience-bloom-rail-1.0", {**EVERYTHING, "weights_final": "restricted"}))
    assert found.sentence.startswith("L2 community license (F2, T4): commercial use within terms")
    assert found.label.position == (0.4, 0.4)


# The chain of bases


def test_a_distilled_model_inherits_the_terms_of_its_base_whatever_its_own_license_says() -> None:
    base = row("llama-3.3-70b-instruct", "llama3.3", REPORT, publisher="meta")
    distilled = row("deepseek-r1-distill-llama-70b", "mit", REPORT, bases=(base.name,), publisher="deepseek")
    found = assessed(distilled, base)
    assert (found.freedom.low, found.freedom.high, found.label.low) == (2, 2, 2)
    assert found.freedom.high_from.model == "llama-3.3-70b-instruct"
    assert {each.clause for each in found.freedom.high_from.restrictions} >= {"user_cap", "acceptable_use", "naming"}
    assert "the license of llama-3.3-70b-instruct, which it was made from, decides" in found.sentence


def test_an_ancestor_two_steps_up_decides() -> None:
    first = row("research", "mrl-0.1", CARD, publisher="one")
    second = row("tuned", "apache-2.0", CARD, bases=("research",), publisher="two")
    third = row("merged", "mit", CARD, bases=("tuned",), publisher="three")
    found = assessed(third, second, first)
    assert (found.freedom.high, found.freedom.high_from.model) == (1, "research")
    assert [(each.name, each.path) for each in found.lineage.ancestors] == [
        ("tuned", ("merged", "tuned")),
        ("research", ("merged", "tuned", "research")),
    ]


def test_a_publisher_may_give_its_own_base_other_terms() -> None:
    base = row("deepseek-v3-base", "deepseek-1.0", REPORT, publisher="deepseek")
    found = assessed(row("deepseek-r1", "mit", REPORT, bases=(base.name,), publisher="deepseek"), base)
    assert (found.freedom.low, found.label.low, found.published.derived) == (3, 3, False)
    assert [(each.name, each.binding) for each in found.lineage.ancestors] == [("deepseek-v3-base", False)]


def test_a_base_of_ones_own_still_passes_on_what_it_was_made_from() -> None:
    foreign = row("llama", "llama3.1", REPORT, publisher="meta")
    own = row("own-base", "mit", REPORT, bases=("llama",), publisher="me")
    found = assessed(row("own", "mit", REPORT, bases=("own-base",), publisher="me"), own, foreign)
    assert (found.freedom.high, found.freedom.high_from.model) == (2, "llama")


def test_the_freer_base_does_not_free_a_stricter_model() -> None:
    base = row("free", "mit", REPORT, publisher="one")
    found = assessed(row("strict", "cc-by-nc-4.0", REPORT, bases=("free",), publisher="two"), base)
    assert (found.freedom.low, found.freedom.high, found.freedom.high_from.model) == (1, 1, "strict")


def test_a_base_nobody_knows_leaves_an_interval_and_is_asked_for() -> None:
    found = assessed(row("tuned", "mit", EVERYTHING, bases=("who/knows",)))
    assert (found.freedom.low, found.freedom.high) == (1, 3)
    assert (found.label.low, found.label.high) == (1, 5)
    assert ("base model", "who/knows", "tuned") in [(each.kind, each.what, each.of) for each in found.evidence]
    assert "the terms of who/knows, which tuned was made from, are not known" in found.sentence


def test_what_a_publisher_says_of_its_model_covers_its_own_base_also_without_a_row() -> None:
    found = assessed(row("tuned", "mit", EVERYTHING, bases=("Org/base",), repository="org/tuned"))
    assert (found.published.low, found.published.derived) == (4, False)
    assert (found.freedom.low, found.freedom.high) == (1, 3), "what that base was made from is still unknown"


def test_a_row_that_does_not_say_what_it_was_made_from_leaves_an_interval() -> None:
    found = assessed(row("tuned", "mit", REPORT, bases=None))
    assert (found.freedom.low, found.freedom.high, found.label.text) == (1, 3, "L1-L3 restricted to open weights")
    assert [(each.kind, each.of, each.narrows) for each in found.evidence] == [("base models", "tuned", 2)]


def test_another_publishers_base_that_was_never_published_leaves_its_terms_unknown() -> None:
    base = row("closed", "proprietary", NOTHING, publisher="one", withheld=True)
    found = assessed(row("tuned", "mit", EVERYTHING, bases=("closed",), publisher="two"), base)
    assert (found.freedom.low, found.freedom.high) == (1, 3)
    assert found.published.high == 2, "the base's training was not published, so this one's cannot be repeated"
    assert [gap.kind for gap in found.lineage.gaps] == ["terms"]


def test_a_withheld_base_of_ones_own_changes_nothing() -> None:
    base = row("inner", "proprietary", NOTHING, publisher="me", bases=None, withheld=True)
    found = assessed(row("outer", "apache-2.0", REPORT, bases=("inner",), publisher="me"), base)
    assert (found.freedom.low, found.lineage.gaps) == (3, ())


def test_a_circle_of_bases_is_an_error_that_names_it() -> None:
    one = row("one", "mit", REPORT, bases=("two",))
    two = row("two", "mit", REPORT, bases=("one",))
    with pytest.raises(CatalogError, match="one -> two -> one") as caught:
        assessed(one, two)
    assert "base_models of two" in caught.value.hint


def test_a_model_that_is_its_own_base_is_an_error() -> None:
    with pytest.raises(CatalogError, match="one -> one"):
        assessed(row("one", "mit", REPORT, bases=("one",)))


def test_two_ways_to_one_ancestor_are_no_circle() -> None:
    root = row("root", "llama3.1", REPORT, publisher="meta")
    left = row("left", "mit", REPORT, bases=("root",), publisher="left")
    right = row("right", "mit", REPORT, bases=("root",), publisher="right")
    found = assessed(row("merge", "mit", REPORT, bases=("left", "right"), publisher="me"), left, right, root)
    assert sorted(each.name for each in found.lineage.ancestors) == ["left", "right", "root"]
    assert found.freedom.high_from.model == "root"


def test_no_label_says_consistent_where_the_definition_says_no() -> None:
    catalog, licenses = Catalog.load(), Licenses.load()
    assessed_rows = [assess(model, catalog.get, licenses.get) for model in catalog.models]
    consistent = [found for found in assessed_rows if found.label.low >= 4]
    assert len(consistent) > 15
    assert {found.osaid.verdict for found in consistent} == {"consistent"}
