"""What each published component is worth, and the verdicts that others' rules give."""

from __future__ import annotations

from dataclasses import replace

import pytest

from freehold.catalog.model import State
from tests.openness_rows import EVERYTHING, NOTHING, REPORT, TRAINING, assessed, row


def test_the_training_of_a_derived_model_is_as_published_as_its_base_is() -> None:
    """Everything about the tuning is open, nothing about the training of the base: nobody can repeat the whole."""
    base = row("llama", "llama3.1", REPORT, publisher="meta")
    found = assessed(row("tuned", "mit", EVERYTHING, bases=("llama",), publisher="me"), base)
    assert (found.published.low, found.published.high, found.published.derived) == (2, 2, True)
    assert {found.published.components[name].high for name in ("data_card", "training_code")} == {"absent"}
    assert found.published.components["eval_code"].low == "open"


def test_a_derived_model_without_documents_of_its_own_has_those_of_its_base() -> None:
    base = row("base", "mit", EVERYTHING, publisher="one")
    quantized: dict[str, State] = {"weights_final": "open"}
    found = assessed(row("quantized", "mit", quantized, bases=("base",), publisher="two"), base)
    assert (found.published.low, found.published.high, found.published.derived) == (2, 4, True)


@pytest.mark.parametrize(
    ("component", "state", "level"),
    [
        ("model_card", "partial", 4),
        ("tech_report", "partial", 4),
        ("architecture", "restricted", 4),
        ("eval_results", "absent", 1),
        ("model_card", "absent", 0),
        ("training_code", "partial", 2),
        ("training_code", "restricted", 4),
        ("recipe", "partial", 2),
        ("data_information", "absent", 2),
        ("datasets", "partial", 3),
        ("datasets", "restricted", 4),
        ("weights_intermediate", "absent", 3),
        ("data_card", "absent", 4),
        ("eval_code", "absent", 4),
    ],
)
def test_what_each_state_is_worth(component: str, state: State, level: int) -> None:
    found = assessed(row("model", "mit", {**EVERYTHING, component: state}))
    assert (found.published.low, found.published.high) == (level, level)


def test_unknown_is_neither_yes_nor_no_and_the_evidence_that_matters_most_comes_first() -> None:
    unknown: dict[str, State] = {"model_card": "unknown", "training_code": "unknown", "datasets": "unknown"}
    found = assessed(row("model", "apache-2.0", {**EVERYTHING, **unknown}))
    assert (found.published.low, found.published.high) == (0, 4)
    assert (found.label.low, found.label.high) == (3, 5)
    assert [(each.what, each.narrows, each.axis) for each in found.evidence] == [
        ("model_card", 2, 4),
        ("training_code", 2, 2),
        ("datasets", 1, 1),
    ]


def test_evidence_beyond_what_is_known_to_be_missing_is_not_asked_for() -> None:
    found = assessed(row("model", "mit", {**EVERYTHING, "recipe": "absent", "datasets": "unknown"}))
    assert (found.published.low, found.published.high, found.evidence) == (2, 2, ())


def test_a_closed_model_has_no_checkpoints() -> None:
    found = assessed(row("closed", "proprietary", {}, bases=None, withheld=True))
    assert (found.label.low, found.label.high, found.published.high) == (0, 0, 3)


# Verdicts by the rules of others


def test_osaid_is_consistent_where_all_three_parts_are_open_and_the_data_is_not() -> None:
    assert TRAINING.get("datasets") != "open"
    assert assessed(row("model", "apache-2.0", TRAINING)).osaid.verdict == "consistent"


def test_osaid_is_inconsistent_for_each_part_that_is_missing_and_says_which() -> None:
    found = assessed(row("model", "llama3.1", {**EVERYTHING, "training_code": "partial"})).osaid
    assert found.verdict == "inconsistent"
    assert found.reasons == (
        "the license gives commercial use within terms (F2, model)",
        "code: training_code was published in part only",
    )


def test_osaid_is_undetermined_where_only_unknowns_stand_between() -> None:
    found = assessed(row("model", "mit", {**EVERYTHING, "recipe": "unknown"}, bases=None)).osaid
    assert (found.verdict, found.reasons, found.unknown) == ("undetermined", (), ("license", "recipe"))


def test_a_known_failure_outweighs_what_is_unknown() -> None:
    found = assessed(row("model", "mit", {**EVERYTHING, "recipe": "unknown", "data_information": "absent"})).osaid
    assert (found.verdict, found.unknown) == ("inconsistent", ("recipe",))


def test_the_verdicts_of_others_pass_through_unchanged() -> None:
    model = replace(row("bloom", "bigscience-bloom-rail-1.0", EVERYTHING), gated=True)
    found = assessed(replace(model, osi_reviewed="would pass with a license change"))
    assert (found.osi_reviewed, found.osai, found.transparency) == ("would pass with a license change", None, None)
    assert found.gated is True


def test_the_framework_judges_a_release_by_what_it_ships_itself() -> None:
    base = row("llama", "llama3.1", NOTHING, publisher="meta")
    assert assessed(row("tuned", "mit", EVERYTHING, bases=("llama",), publisher="me"), base).mof.low == "I"
