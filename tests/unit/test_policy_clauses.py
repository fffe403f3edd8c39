"""Each clause alone, in a text that has no other: what is asked, of whom, and from which moment on."""

from __future__ import annotations

import pytest

from freehold.catalog.licenses.record import (
    AcceptableUse,
    Clauses,
    Commercial,
    Hosting,
    License,
    Naming,
    Outputs,
    Redistribution,
    RevenueCap,
    TextRef,
    UserCap,
)
from freehold.catalog.policy import Asker, Shelf, check
from freehold.core.organization import Organization
from tests.policy_cases import LICENSES, SMALL, bound, grounds, kinds, of_clauses, row, small, verdict


def test_a_text_that_nobody_saw_and_clauses_nobody_looked_for_decide_nothing() -> None:
    unseen = License(
        id="unseen",
        name="Unseen",
        kind="other",
        summary="",
        text=TextRef(source="hearsay", retrieved=None, seen=False),
        clauses=Clauses(commercial=Commercial(value="yes", section="1")),
    )
    shelf = Shelf(models=lambda _: None, licenses={"unseen": unseen}.get)
    found = check(row("unseen"), shelf, Asker(organization=Organization(**SMALL)))
    assert grounds(found) == {("review", "text"), ("review", "unknown clauses")}
    assert found.readings[0].words == "the text was not seen"


def test_a_cap_in_another_currency_or_without_its_effect_is_not_compared() -> None:
    for clause in (
        RevenueCap(over=5, currency="EUR", period="year", effect="no rights", section="1"),
        RevenueCap(over=None, currency="USD", period="year", effect="no rights", section="1"),
    ):
        assert grounds(of_clauses(revenue_cap=clause)) == {("review", "revenue_cap")}


def test_a_cap_on_the_licensee_alone_is_bounded_by_the_whole_group() -> None:
    cap = UserCap(over=1_500, scope="licensee", measured="continuing", effect="no rights", section="1")
    assert grounds(of_clauses(user_cap=cap, monthly_active_users=1_800)) == {("review", "user_cap")}
    assert of_clauses(user_cap=cap, monthly_active_users=1_400).decision == "allow with duties"


def test_a_name_is_shown_only_by_whoever_offers_the_model() -> None:
    naming = Naming(display="Built with X", section="2")
    assert of_clauses(naming=naming).decision == "allow"
    assert kinds(of_clauses(naming=naming, hosts_for_others=True), binding=True) == {"display"}
    unsaid = of_clauses(naming=naming, hosts_for_others=None)
    assert kinds(unsaid) == {"display"} and not kinds(unsaid, binding=True)


KIMI = ("kimi-k2-modified-mit", "minimax-m2-modified-mit")


@pytest.mark.parametrize("license_id", KIMI)
def test_a_duty_above_a_cap_that_a_stated_fact_rules_out_is_no_duty(license_id: str) -> None:
    facts = {
        "product_monthly_active_users": 4_000,
        "product_revenue_month_usd": 1_000,
        "product_revenue_year_usd": 9_000,
    }
    found = verdict(license_id, **small(**facts))
    assert (found.decision, found.duties) == ("allow", ())
    shown = [each for each in found.ruled_out if each.kind == "display"]
    assert shown[0].fact == "product_monthly_active_users = 4,000"
    assert len(shown) == 2 and all(each.when and "above" in each.when for each in shown)


def test_a_duty_above_a_cap_of_which_the_fact_is_unknown_keeps_its_condition() -> None:
    found = verdict(KIMI[0], **small(revenue_year_usd=None))
    (duty,) = found.duties
    assert duty.when is not None and "20,000,000" in duty.when and duty.fact is not None and "not stated" in duty.fact
    assert [each.fact for each in found.ruled_out if each.kind == "display"] == ["monthly_active_users = 1,000"]


def test_a_duty_that_binds_is_said_once_whatever_else_would_have_asked_for_it() -> None:
    found = verdict(KIMI[0], **small(revenue_year_usd=None, product_revenue_month_usd=25_000_000))
    (duty,) = found.duties
    assert (duty.when, duty.fact) == (None, "product_revenue_month_usd = 25,000,000")
    assert not [each for each in found.ruled_out if each.kind == "display"]


def test_what_is_asked_of_those_who_pass_a_model_on_is_said_not_to_apply_to_who_does_not() -> None:
    found = verdict("llama3.3", **small())
    assert {"display", "notices"} <= {each.kind for each in found.ruled_out}
    assert all(each.fact and "= false" in each.fact for each in found.ruled_out)


def test_outputs_and_hosting_of_a_made_up_text() -> None:
    derived = Outputs(train_others="derivative", section="3")
    assert kinds(of_clauses(outputs=derived, trains_on_outputs=True), binding=True) == {"outputs"}
    assert of_clauses(outputs=derived).decision == "allow"
    assert grounds(of_clauses(hosting=Hosting(allowed="no", section="4"), hosts_for_others=True)) == {
        ("deny", "hosting")
    }


def test_what_may_end_or_change_is_said_of_each_license_that_has_it_and_of_no_other() -> None:
    said = {name: {risk.text for risk in verdict(name, **SMALL).risks} for name in LICENSES.ids}
    holders = {
        "the grant is for a term": {"cc-by-4.0", "cc-by-nc-4.0", "cohere-labs-aup"},
        "the licensor may change the license": {"nvidia-open-model-2025-04-28", "yi-1.0"},
        "the licensor may restrict use, from afar": {"gemma-2025-03-24", "deepseek-1.0", "bigscience-openrail-m"},
        "whoever files a patent suit loses every right": {"llama3.1", "qwen-2024", "grok2"},
        "no patent license is granted": {"cc-by-nc-4.0"},
    }
    for text, licenses in holders.items():
        assert {name for name in licenses if text in said[name]} == licenses, text
        assert text not in said["apache-2.0"] | said["mit"]
    assert "updates" in kinds(verdict("bigscience-openrail-m", **SMALL))
    assert "updates" not in kinds(verdict("gemma-2025-03-24", **SMALL))


def test_conditions_of_commercial_use_are_no_duty_of_others() -> None:
    assert "condition" in kinds(verdict("llama3.1", **SMALL))
    assert "condition" not in kinds(verdict("llama3.1", **small(commercial=False)))


def test_a_products_month_is_bounded_by_its_own_year() -> None:
    cap = RevenueCap(over=1_000, currency="USD", period="month", scope="product", effect="no rights", section="1")
    below = of_clauses(revenue_cap=cap, revenue_year_usd=10**6, product_revenue_year_usd=900)
    assert (below.decision, below.duties[0].fact) == ("allow with duties", "product_revenue_year_usd = 900")
    unsaid = of_clauses(revenue_cap=cap, revenue_year_usd=10**6)
    assert (unsaid.decision, unsaid.reasons[0].fact) == ("review", "product_revenue_month_usd is not stated")
    assert "1,000 USD a month of the product" in unsaid.reasons[0].text


def test_derived_weights_answer_to_the_license_they_claim_unless_it_is_one_of_the_chain() -> None:
    shelf = Shelf(models=lambda _: None, licenses=LICENSES.get)
    asker = Asker(organization=Organization(**SMALL))
    claimed = check(row("apache-2.0"), shelf, asker, derived="hf:a/b", claims=("cc-by-nc-4.0",))
    assert (claimed.subject, claimed.decision) == ("hf:a/b", "deny")
    assert [reading.license for reading in claimed.readings] == ["apache-2.0", "cc-by-nc-4.0"]
    same = check(row("apache-2.0"), shelf, asker, derived="hf:a/b", claims=("apache-2.0", "cc-by-nc-4.0"))
    assert (same.subject, same.decision, len(same.readings)) == ("hf:a/b", "allow", 1)
    own = check(row("apache-2.0"), shelf, asker, claims=("cc-by-nc-4.0",))
    assert (own.subject, own.decision) == ("m", "allow")


GIVES, HOSTS = "distributes = true", "hosts_for_others = true"
UNSAID = "distributes is not stated"


def test_what_is_handed_over_with_a_model_that_is_passed_on() -> None:
    asks = Redistribution(copy=True, mark_changes=True, section="3")
    text = "give a copy of the license, a word on what was changed"
    assert bound(of_clauses(redistribution=asks, distributes=True)) == {("notices", text, True, GIVES)}
    assert bound(of_clauses(redistribution=asks, distributes=None)) == {("notices", text, False, UNSAID)}
    assert of_clauses(redistribution=asks, hosts_for_others=True).decision == "allow", "a service passes no file on"
    assert of_clauses(redistribution=asks, distributes=None).duties[0].when == "when it is passed on"
    notice = of_clauses(redistribution=Redistribution(notice=True, section="3"), distributes=True)
    assert bound(notice) == {("notices", "give its notice", True, GIVES)}


def test_a_hosted_service_hands_over_where_the_text_counts_it_as_passing_on() -> None:
    asks, counts = Redistribution(notice=True, section="3"), Hosting(allowed="yes", section="4")
    hosted = of_clauses(redistribution=asks, hosting=counts, hosts_for_others=True)
    assert bound(hosted) == {("notices", "give its notice", True, HOSTS)}
    unsaid = of_clauses(redistribution=asks, hosting=counts, hosts_for_others=None)
    assert [duty.when for duty in unsaid.duties] == ["when it, or a product with it, is passed on or offered to others"]
    refused = of_clauses(redistribution=asks, hosting=Hosting(allowed="no", section="4"), hosts_for_others=True)
    assert not refused.duties and "offering it as a service is not allowed" in refused.reasons[0].text
    separate = of_clauses(hosting=Hosting(allowed="separate license", section="4"), hosts_for_others=True)
    assert "needs a separate license" in separate.reasons[0].text


def test_a_model_that_may_not_be_passed_on() -> None:
    never, sometimes = (Redistribution(allowed=each, copy=True, section="3") for each in ("no", "conditional"))
    assert grounds(of_clauses(redistribution=never, distributes=True)) == {("deny", "redistribution")}
    assert grounds(of_clauses(redistribution=never, distributes=None)) == {("review", "redistribution")}
    assert of_clauses(redistribution=never).decision == "allow"
    given = of_clauses(redistribution=sometimes, distributes=True)
    assert grounds(given) == {("review", "redistribution")} and kinds(given) == {"notices"}
    assert "under conditions only" in given.reasons[0].text
    assert "is not allowed" in of_clauses(redistribution=never, distributes=True).reasons[0].text


def test_restrictions_flow_down_once_though_two_clauses_say_so() -> None:
    listed = AcceptableUse(form="inline", flow_down=True, topics=("spam",), section="5")
    alone = of_clauses(acceptable_use=listed, hosts_for_others=True)
    flowing = [duty for duty in alone.duties if duty.kind == "flow-down"]
    assert [(duty.clause, duty.when, duty.fact) for duty in flowing] == [("acceptable_use", None, HOSTS)]
    both = of_clauses(
        acceptable_use=listed, redistribution=Redistribution(flow_down=True, section="3"), distributes=True
    )
    assert [duty.clause for duty in both.duties if duty.kind == "flow-down"] == ["redistribution"]
    unsaid = of_clauses(acceptable_use=listed, distributes=None)
    assert [duty.when for duty in unsaid.duties if duty.kind == "flow-down"] == [
        "when it, or a product with it, is passed on or offered to others"
    ]


def test_names_each_at_its_own_moment() -> None:
    naming = Naming(prefix="X", display="Built with X", where="its page", section="2")
    given = of_clauses(naming=naming, distributes=True)
    assert bound(given) == {
        ("naming", 'begin its name with "X"', False, GIVES),
        ("display", 'show "Built with X" in its page', True, GIVES),
    }
    assert kinds(of_clauses(naming=naming, hosts_for_others=True)) == {"display", "naming"}
    public = Naming(display="X", display_when="publicity", section="2")
    assert [duty.when for duty in of_clauses(naming=public).duties] == ["in public statements"]
    capped = Naming(display="X", display_when="above a cap", section="2")
    assert of_clauses(naming=capped, distributes=True).decision == "allow", "the cap has that duty, and there is none"
    improved = of_clauses(naming=Naming(display="X", display_when="improving a model", section="2"), distributes=True)
    assert improved.duties[0].when == "when it, or what it writes, made another model that is passed on or offered"


def test_outputs_are_limited_in_the_words_of_the_clause() -> None:
    for use, words in (("research only", "for research only"), ("noncommercial", "not for commercial use")):
        found = of_clauses(outputs=Outputs(restricted_use=use, section="3"))  # type: ignore[arg-type]
        assert found.decision == "deny" and words in found.reasons[0].text
    ambiguous = verdict("grok2", **small(trains_on_outputs=True)).reasons[0].text
    assert "contradicts itself" in ambiguous
    assert "contradicts" not in verdict("llama3", **small(trains_on_outputs=True)).reasons[0].text


def test_the_line_counts_what_is_open_and_what_is_asked() -> None:
    assert verdict("apache-2.0", **SMALL).line.startswith("m (Apache License 2.0): allowed, by our reading.")
    assert "allowed with 1 duty, by our reading" in verdict("apache-2.0").line
    assert "1 question open and 0 duties" in verdict("somebodys-own-1.0", **SMALL).line
    assert "(no license that we know)" in verdict("somebodys-own-1.0", **SMALL).line
    assert "2 questions open" in verdict(row("somebodys-own-1.0", base_models=None), **SMALL).line
    assert "denied: commercial use is not allowed" in verdict("cc-by-nc-4.0", **SMALL).line


def test_a_ground_is_another_one_for_another_clause_license_text_or_model() -> None:
    seen = [
        verdict("cc-by-nc-4.0", **SMALL),
        verdict("cc-by-nc-sa-4.0", **SMALL),
        verdict(row("cc-by-nc-4.0", name="n"), **SMALL),
        verdict("cc-by-nc-4.0", **small(commercial=None)),
        verdict("mnpl-0.1", **SMALL),
    ]
    every = [ground for found in seen for ground in found.grounds]
    assert len(every) == len(set(every)) >= 6
    record = LICENSES.get("cc-by-nc-4.0")
    assert record is not None
    assert seen[0].grounds == (f"deny|m|cc-by-nc-4.0|commercial|1(i),2(a)(1)|{record.text.sha256}",)
