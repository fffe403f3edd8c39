"""What fits in brief, for lists of models: the same answer as that of one model's plan."""

from __future__ import annotations

import pytest

from freehold.catalog import Catalog
from freehold.core.errors import CallError
from freehold.core.quantity import Unknown
from freehold.fit.options import offered_options
from freehold.hardware.describe import described
from freehold.planning.planner import Planner, Question
from freehold.planning.target import Target
from tests.fit_cases import option

CATALOG = Catalog.load()


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("mixtral-8x7b-instruct-v0.1", "q3_k_m"),
        ("llama-3.3-70b-instruct", None),  # what fits has 2 bits
    ],
)
def test_what_fits_in_few_bits_alone_is_in_the_list_what_it_is_in_its_own_plan(name: str, tag: str | None) -> None:
    planner = Planner(CATALOG, described("1x rtx-4090"), Unknown("a machine that is described was not measured"))
    model = CATALOG.model(name)
    brief = planner.in_brief(model)
    whole = planner.of_target(Target(model.name, model, tuple(offered_options(model)), one=False), Question())
    assert any(each["fits"] for each in whole["builds"])
    assert (whole["fits"], whole["recommended"]) == (tag is not None, tag)
    assert brief == {"fits": whole["fits"], "tag": tag, "reason": whole["reason"]}


def test_of_what_is_held_and_does_not_fit_it_is_said_and_what_would() -> None:
    planner = Planner(CATALOG, described("1x rtx-4090"), Unknown("a machine that is described was not measured"))
    name = "mixtral-8x7b-instruct-v0.1"
    large, small = (option(tag, size, 0.1, origin="held") for tag, size in (("f16", 93), ("iq2_m", 15)))
    told = planner.brief({name: [large]})["models"][name]
    assert (told["fits"], told["tag"]) == (True, "q3_k_m")
    assert told["held"]["tag"] == "f16" and told["held"]["fits"] is False and "it needs" in told["held"]["why_not"]
    told = planner.brief({name: [large, small]})["models"][name]
    assert (told["tag"], told["held"]) == ("iq2_m", {"tag": "iq2_m", "fits": True, "why_not": None})
    strange = option("f16", 1, None, origin="held", cannot_say="its architecture is not known")
    assert planner.brief({name: [strange]})["models"][name]["held"] == {
        **{"tag": "f16", "fits": None},
        "why_not": "its architecture is not known",
    }


def test_a_list_and_a_plan_agree_on_every_model_whether_it_fits() -> None:
    planner = Planner(CATALOG, described("1x rtx-4090"), Unknown("a machine that is described was not measured"))
    brief = planner.brief()["models"]
    for name in list(brief)[::7]:
        model = CATALOG.model(name)
        whole = planner.of_target(Target(name, model, tuple(offered_options(model)), one=False), Question())
        assert brief[name]["fits"] == whole["fits"], name
    assert len(brief) > 300


@pytest.mark.parametrize("question", [Question(context_tokens=0), Question(context_tokens=-5), Question(slots=0)])
def test_a_context_of_no_tokens_and_no_slots_are_asked_about_in_vain(question: Question) -> None:
    with pytest.raises(CallError, match="and nothing runs so"):
        question.read()
