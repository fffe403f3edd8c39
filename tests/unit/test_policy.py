"""Which clause asks what of whom: the traps of real licenses, each with the fact that springs it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from freehold.catalog import Catalog
from freehold.catalog.licenses.record import License
from freehold.catalog.model import PROPRIETARY
from freehold.catalog.openness import LABELS
from freehold.catalog.policy import Asker, Shelf, check, check_claim
from freehold.catalog.policy.measure import month_before
from freehold.catalog.policy.uses import TOUCHED
from freehold.core.organization import LABEL_NAMES, SECTORS, Organization, Policy
from tests.policy_cases import LICENSES, OTHERS, SMALL, grounds, kinds, row, small, verdict


def test_llamas_cap_is_counted_once_in_the_month_before_the_release() -> None:
    grown = small(monthly_active_users=900_000_000, monthly_active_users_peak=900_000_000)
    then = verdict("llama3.1", **grown, monthly_active_users_at={"2024-06": 800_000_000})
    assert then.decision == "deny"
    (reason,) = then.reasons
    assert (reason.clause, reason.section, reason.license) == ("user_cap", "2", "llama3.1")
    assert reason.fact == "monthly_active_users_at.2024-06 = 800,000,000"
    later = verdict("llama3.1", **grown, monthly_active_users_at={"2024-06": 100_000_000, "2024-07": 800_000_000})
    assert later.decision == "allow with duties"
    unsaid = verdict("llama3.1", **grown)
    assert grounds(unsaid) == {("review", "user_cap")}
    assert unsaid.reasons[0].fact == "monthly_active_users_at.2024-06 is not stated"


def test_qwens_cap_goes_on_counting_and_counts_one_product() -> None:
    many = small(monthly_active_users=150_000_000, monthly_active_users_peak=150_000_000)
    assert grounds(verdict("qwen-2024", **many, product_monthly_active_users=120_000_000)) == {("deny", "user_cap")}
    assert verdict("qwen-2024", **many, product_monthly_active_users=5_000).decision == "allow with duties"
    assert grounds(verdict("qwen-2024", **many)) == {("review", "user_cap")}
    assert verdict("qwen-2024", **small(monthly_active_users_at={"2024-08": 10**9})).decision == "allow with duties"


@pytest.mark.parametrize(("domicile", "decision"), [("DE", "deny"), ("RE", "deny"), ("NO", "allow with duties")])
def test_the_eu_has_no_grant_of_a_multimodal_llama(domicile: str, decision: str) -> None:
    found = verdict(row("llama4", modalities=("text", "image")), **small(domicile=domicile))
    assert found.decision == decision
    if decision == "deny":
        (reason,) = found.reasons
        assert (reason.clause, reason.fact) == ("territory", f"domicile = {domicile}, in the EU")
        use_policy = LICENSES.get("llama4").use_policy  # type: ignore[union-attr]
        assert use_policy is not None and reason.text_sha256 == use_policy.sha256, "the clause stands in the use policy"


def test_the_models_own_modalities_decide_and_unknown_ones_are_no_leave() -> None:
    assert verdict(row("llama3.2", modalities=("text",)), **small(domicile="DE")).decision == "allow with duties"
    assert grounds(verdict(row("llama3.2", modalities=()), **small(domicile="DE"))) == {("review", "territory")}
    seeing = row("llama3.2", modalities=("text", "image"))
    assert ("review", "territory") in grounds(verdict(seeing, **small(domicile=None)))


def test_where_use_counts_and_not_the_seat_the_countries_of_use_decide() -> None:
    assert verdict("hunyuan-3d-2.0", **small(uses_in=("US", "KR"))).decision == "deny"
    assert ("deny", "territory") in grounds(verdict("hunyuan-3d-2.0", **small(domicile="FR")))
    assert ("deny", "territory") not in grounds(verdict("hunyuan-3d-2.0", **small(domicile="FR", uses_in=("US",))))
    assert ("review", "territory") in grounds(verdict("hunyuan-3d-2.0", **small()))


def test_llama_3_forbids_what_3_1_allows_with_a_name() -> None:
    first, second = (verdict(each, **small(trains_on_outputs=True)) for each in ("llama3", "llama3.1"))
    assert grounds(first) == {("deny", "outputs")}
    assert first.reasons[0].section == "1.b.v"
    assert second.decision == "allow with duties"
    (named,) = (duty for duty in second.duties if duty.kind == "naming")
    assert '"Llama"' in named.text and named.when is None and named.section == "1.b.i"
    assert verdict("llama3", **small()).decision == "allow with duties", "who trains nothing is not forbidden anything"
    assert ("review", "outputs") in grounds(verdict("llama3", **small(trains_on_outputs=None)))


def test_a_text_that_contradicts_itself_decides_nothing() -> None:
    assert grounds(verdict("grok2", **small(trains_on_outputs=True))) == {("review", "outputs")}


def test_the_modified_mits_are_four_different_licenses() -> None:
    rich = small(revenue_month_usd=25_000_000, revenue_year_usd=300_000_000, monthly_active_users_peak=10**6)
    mistral = verdict("mistral-modified-mit-2026", **rich)
    assert grounds(mistral) == {("deny", "revenue_cap")}
    assert mistral.reasons[0].fact == "revenue_month_usd = 25,000,000"
    kimi = verdict("kimi-k2-modified-mit", **rich, product_revenue_month_usd=25_000_000)
    assert kimi.decision == "allow with duties"
    (shown,) = (duty for duty in kimi.duties if duty.clause == "revenue_cap")
    assert shown.when is None and '"Kimi K2"' in shown.text
    assert all(duty.when for duty in verdict("kimi-k2-modified-mit", **SMALL).duties), "below the cap nothing binds yet"
    assert verdict("minimax-m2.7", **SMALL).decision == "deny"
    k3 = small(hosts_for_others=True, revenue_year_usd=300_000_000)
    assert grounds(verdict("kimi-k3", **k3)) == {("deny", "revenue_cap")}
    assert verdict("kimi-k3", **small(revenue_year_usd=300_000_000)).decision == "allow with duties", "for itself alone"


def test_a_year_below_the_months_cap_shows_that_no_month_is_above_it() -> None:
    assert verdict("mistral-modified-mit-2026", **SMALL).decision == "allow with duties"
    assert grounds(verdict("mistral-modified-mit-2026", **small(revenue_year_usd=None))) == {("review", "revenue_cap")}
    large = small(revenue_year_usd=300_000_000)
    unsaid = verdict("mistral-modified-mit-2026", **large)
    assert (unsaid.decision, unsaid.reasons[0].fact) == ("review", "revenue_month_usd is not stated")


def test_noncommercial_means_denied_to_whoever_sells() -> None:
    assert verdict("cc-by-nc-4.0", **SMALL).decision == "deny"
    assert verdict("cc-by-nc-4.0", **small(commercial=None)).decision == "review"
    assert verdict("cc-by-nc-4.0", **small(commercial=False)).decision == "allow with duties"


def test_the_research_license_binds_outputs_and_excludes_companies_staff() -> None:
    assert {("deny", "commercial"), ("deny", "field"), ("deny", "outputs")} <= grounds(verdict("mrl-0.1", **SMALL))
    lab = small(commercial=False, purposes=("research",))
    assert grounds(verdict("mrl-0.1", **lab)) == {("review", "field")}, "whether its people work for a company is open"
    university = verdict("mrl-0.1", **lab, public_sector=True)
    assert university.decision == "allow with duties" and {"purpose", "outputs"} <= kinds(university)
    teaching = verdict("mrl-0.1", **small(commercial=False, purposes=("research", "education"), public_sector=True))
    assert grounds(teaching) == {("deny", "field")}


def test_a_stripped_guardrail_ends_nvidias_license() -> None:
    stripped = verdict("nvidia-open-model-2025-04-28", **small(strips_guardrails=True))
    assert ("deny", "termination") in grounds(stripped)
    assert ("deny", "termination") not in grounds(verdict("nvidia-open-model-2025-04-28", **SMALL))
    assert verdict("nvidia-open-model-agreement-2026", **small(strips_guardrails=True)).decision == "allow with duties"


def test_stability_ends_at_a_million_a_year_and_says_so_below_it() -> None:
    assert ("deny", "revenue_cap") in grounds(verdict("stability-community-2024", **small(revenue_year_usd=1_000_001)))
    month = small(revenue_year_usd=None, revenue_month_usd=2_000_000)
    assert ("deny", "revenue_cap") in grounds(verdict("stability-community-2024", **month)), "a month is in its year"
    below = verdict("stability-community-2024", **SMALL)
    (watched,) = (duty for duty in below.duties if duty.kind == "cap")
    assert "1,000,000 USD a year" in watched.text
    assert "the licensor can withdraw the grant" in {risk.text for risk in below.risks}


@pytest.mark.parametrize("fact", ["distributes", "hosts_for_others"])
def test_rail_restrictions_go_on_to_whoever_receives_or_uses_the_model(fact: str) -> None:
    given = verdict("bigscience-openrail-m", **small(**{fact: True}))
    assert given.decision == "allow with duties" and "flow-down" in kinds(given, binding=True)
    assert "flow-down" not in kinds(verdict("bigscience-openrail-m", **SMALL))
    unsaid = verdict("bigscience-openrail-m", **small(**{fact: None}))
    assert "flow-down" in kinds(unsaid) - kinds(unsaid, binding=True), "not stated: listed, with its condition"


def test_a_list_nobody_read_is_open_and_one_that_may_change_is_a_risk() -> None:
    falcon = verdict("falcon3-tii-2024", **SMALL)
    assert ("review", "acceptable_use") in grounds(falcon)
    assert "the licensor may change the list of forbidden uses" in {risk.text for risk in falcon.risks}


def test_a_sector_that_a_list_touches_is_a_question_for_counsel() -> None:
    assert grounds(verdict("bigscience-openrail-m", **small(sectors=("healthcare",)))) == {("review", "acceptable_use")}
    assert verdict("bigscience-openrail-m", **small(sectors=("manufacturing",))).decision == "allow with duties"


@pytest.mark.parametrize("license_id", ["llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4"])
@pytest.mark.parametrize(
    ("sector", "touched"),
    [
        *(
            (sector, "credit, housing")
            for sector in ("credit", "insurance", "employment", "housing", "public benefits")
        ),
        *((sector, "unlicensed professional practice") for sector in ("finance", "healthcare", "legal services")),
        ("energy", "nuclear industry"),
        ("defense", "arms under export control"),
        ("transport", "transport technology"),
        ("adult content", "sexual solicitation"),
    ],
)
def test_llamas_list_is_read_item_by_item(license_id: str, sector: str, touched: str) -> None:
    (reason,) = [each for each in verdict(license_id, **small(sectors=(sector,))).reasons if each.decision == "review"]
    assert reason.clause == "acceptable_use" and touched in reason.text and f"work in {sector} may touch" in reason.text


def test_llamas_list_leaves_other_sectors_alone_and_grew_with_3_2() -> None:
    for sector in ("manufacturing", "retail", "education", "software"):
        assert verdict("llama3.3", **small(sectors=(sector,))).decision == "allow with duties"
    topics = {name: set(_topics(record)) for name in ("llama3.1", "llama3.2") if (record := LICENSES.get(name))}
    assert topics["llama3.2"] - topics["llama3.1"] == {"removing safety measures", "tools made for unlawful content"}
    assert topics["llama3.1"] < topics["llama3.2"]


def test_hosting_that_needs_a_license_of_its_own() -> None:
    assert ("deny", "hosting") in grounds(verdict("qwen-community-1.0", **small(hosts_for_others=True)))
    assert ("review", "hosting") in grounds(verdict("qwen-community-1.0", **small(hosts_for_others=None)))
    assert ("deny", "hosting") not in grounds(verdict("qwen-community-1.0", **SMALL))


def test_the_strictest_along_the_chain_of_bases_decides() -> None:
    base = row("llama3", name="base", publisher=OTHERS)
    tuned = row("mit", name="tuned", base_models=("base",))
    found = verdict(tuned, base, **small(trains_on_outputs=True))
    assert found.decision == "deny"
    assert (found.reasons[0].model, found.reasons[0].license) == ("base", "llama3")
    assert [reading.license for reading in found.readings] == ["mit", "llama3"]
    own = row("llama3", name="base")
    assert verdict(tuned, own, **small(trains_on_outputs=True)).decision == "allow", "a publisher may relicense its own"


def test_what_is_not_known_of_the_chain_is_a_question() -> None:
    assert grounds(verdict(row("mit", base_models=None), **SMALL)) == {("review", "lineage")}
    assert grounds(verdict(row("mit", base_models=("org/gone",)), **SMALL)) == {("review", "lineage")}
    closed = row(PROPRIETARY, name="closed", publisher=OTHERS, weights="withheld")
    assert grounds(verdict(row("mit", base_models=("closed",)), closed, **SMALL)) == {("review", "lineage")}


def test_a_license_without_a_record_and_one_never_given() -> None:
    assert grounds(verdict("somebodys-own-1.0", **SMALL)) == {("review", "license")}
    assert grounds(verdict(PROPRIETARY, **SMALL)) == {("deny", "license")}
    assert grounds(verdict(row(PROPRIETARY, weights="withheld"), **SMALL)) == {("review", "weights")}


def test_a_plain_allow_needs_every_fact_that_apache_asks_for() -> None:
    assert verdict("apache-2.0", **SMALL).decision == "allow"
    given = verdict("apache-2.0", **small(distributes=True))
    assert (given.decision, kinds(given)) == ("allow with duties", {"notices"})
    assert verdict("apache-2.0").decision == "allow with duties", "whether it is passed on is not known"


def test_without_an_organization_gemma_is_allowed_with_duties_and_llama_has_questions() -> None:
    gemma = verdict("gemma-2025-03-24")
    assert gemma.decision == "allow with duties" and {"acceptable use", "flow-down", "notices"} <= kinds(gemma)
    assert gemma.organization is None
    assert ("review", "user_cap") in grounds(verdict("llama3.1"))


def test_every_statement_says_by_whose_reading_and_none_that_it_is_lawful() -> None:
    catalog = Catalog.load()
    shelf = Shelf(models=catalog.get, licenses=LICENSES.get)
    seen = 0
    for model in catalog.models:
        found = check(model, shelf, Asker(organization=Organization(**SMALL)))
        for said in (*found.reasons, *found.duties, *found.risks):
            assert not {"legal", "compliant", "lawful"} & set(said.text.lower().split()), said
            assert said.license is None or said.section or said.clause in {"license", "weights", "unknown clauses"}, (
                said
            )
        for reading in found.readings:
            assert reading.words.startswith(
                ("by our reading of text sha256:", "the text was not seen", "by our reading")
            )
            seen += 1
    assert seen > 120


def test_an_agreement_takes_the_place_of_the_license_and_a_review_settles_questions_only() -> None:
    hit = small(monthly_active_users_at={"2024-06": 8 * 10**8}, monthly_active_users_peak=8 * 10**8)
    agreed = verdict("llama3.1", policy=Policy(agreements={"llama3.1": "contract L-17"}), **hit)
    assert (agreed.decision, kinds(agreed)) == ("allow with duties", {"agreement"})
    reviewed = Policy(reviewed={"llama3.1": "read by counsel, 2026-03-01"})
    assert verdict("llama3.1", policy=reviewed, **hit).decision == "deny", "a review is no license"
    unsaid = small(monthly_active_users_peak=None)
    assert verdict("llama3.1", policy=reviewed, **unsaid).decision == "allow with duties"
    of_model = Policy(reviewed={"m": "its base is our own"})
    assert verdict(row("mit", base_models=None), policy=of_model, **SMALL).decision == "allow with duties"
    assert verdict(row("mit", base_models=None), policy=reviewed, **SMALL).decision == "review", "of another license"


@pytest.mark.parametrize(
    "policy",
    [
        Policy(denied_models=("m*",)),
        Policy(denied_licenses=("mit",)),
        Policy(allowed_licenses=("apache-2.0",)),
        Policy(minimum_openness=LABELS.index("open science")),
    ],
)
def test_the_houses_own_rules_deny_and_nothing_settles_them(policy: Policy) -> None:
    for settled in (policy, Policy(**{**_fields(policy), "reviewed": {"m": "yes"}, "agreements": {"mit": "yes"}})):
        found = verdict("mit", policy=settled, **SMALL)
        assert {(reason.decision, reason.clause) for reason in found.reasons} == {("deny", "house rule")}
        assert (found.reasons[0].fact or "").startswith("policy.")


def test_a_least_freedom_counts_by_the_lower_bound() -> None:
    assert verdict("mit", policy=Policy(minimum_freedom=3), **SMALL).decision == "allow"
    assert verdict("gemma-2025-03-24", policy=Policy(minimum_freedom=3), **SMALL).decision == "deny"
    assert verdict("somebodys-own-1.0", policy=Policy(minimum_freedom=2), **SMALL).decision == "deny"


def test_a_claim_of_weights_nobody_knows_is_never_enough() -> None:
    shelf = Shelf(models=lambda _: None, licenses=LICENSES.get)
    asker = Asker(organization=Organization(**SMALL))
    assert check_claim("x:q4", ("mit",), shelf, asker).decision == "review"
    assert check_claim("x:q4", ("cc-by-nc-4.0",), shelf, asker).decision == "deny"
    assert len(check_claim("x:q4", (), shelf, asker).reasons) == 2
    free = Asker(policy=Policy(minimum_freedom=3))
    assert check_claim("x:q4", ("mit",), shelf, free).decision == "deny"


def test_every_topic_of_a_sector_stands_in_a_record() -> None:
    read = {topic for record in LICENSES for topic in _topics(record)}
    assert len(TOUCHED) >= 15
    for sector, topics in TOUCHED.items():
        assert sector in SECTORS and topics <= read, sector


def test_lists_that_must_agree_do() -> None:
    assert LABEL_NAMES == LABELS
    assert month_before(date(2025, 1, 21)) == "2024-12" and month_before(date(2024, 7, 23)) == "2024-06"


def _topics(record: License) -> tuple[str, ...]:
    use = record.clauses.acceptable_use
    return (use.topics or ()) if use is not None else ()


def _fields(policy: Policy) -> dict[str, Any]:
    return {name: getattr(policy, name) for name in Policy.__dataclass_fields__}


CHATBOT = "if a product or service of yours for others uses it"


@pytest.mark.parametrize(("license_id", "kind"), [("llama3.3", "display"), ("gemma-2025-03-24", "flow-down")])
def test_a_service_that_uses_the_model_has_the_duties_of_offering_it(license_id: str, kind: str) -> None:
    unsaid = [duty for duty in verdict(license_id, **small(offers_services=None)).duties if duty.kind == kind]
    assert [(duty.when, duty.fact) for duty in unsaid] == [(CHATBOT, "offers_services is not stated")]
    stated = [duty for duty in verdict(license_id, **small(offers_services=True)).duties if duty.kind == kind]
    assert [(duty.when, duty.fact) for duty in stated] == [(None, "offers_services = true")]
    assert kind not in kinds(verdict(license_id, **SMALL))


def test_a_hosted_llama_is_named_and_comes_with_its_license_and_a_hosted_gemma_needs_no_notice() -> None:
    def papers(license_id: str, **facts: bool) -> list[str]:
        return [duty.text for duty in verdict(license_id, **small(**facts)).duties if duty.kind == "notices"]

    hosted = verdict("llama3.3", **small(hosts_for_others=True))
    assert {"naming", "display", "notices"} <= kinds(hosted)
    assert "notices" in kinds(hosted, binding=True)
    assert papers("llama3.3", offers_services=True) == [], "no model is given, so no copy goes with it"
    (gemma,) = papers("gemma-2025-03-24", hosts_for_others=True)
    assert "a copy of the license" in gemma and "notice" not in gemma
    assert "its notice" in papers("gemma-2025-03-24", distributes=True)[0]
