"""Texts that bind beside a license: the usage policy of gpt-oss, in check, paper, search and the house's rules."""

from __future__ import annotations

import json

import pytest

from freehold.catalog import Catalog
from freehold.catalog.licenses import Licenses
from freehold.catalog.openness import assess
from freehold.catalog.openness.freedom import FindLicense
from freehold.catalog.policy import Asker, Shelf, check
from freehold.cli.main import main
from freehold.core.organization import Policy

CATALOG, LICENSES = Catalog.load(), Licenses.load()
SHELF = Shelf(models=CATALOG.get, licenses=LICENSES.get)
POLICY = "gpt-oss-usage-policy"
Captured = pytest.CaptureFixture[str]


def test_every_text_that_a_model_names_beside_its_license_has_a_record() -> None:
    named = {each: model.name for model in CATALOG.models for each in model.terms}
    assert POLICY in named
    assert [name for name in named if LICENSES.get(name) is None] == []


def test_what_the_policy_asks_is_a_duty_with_its_own_text() -> None:
    verdict = check(CATALOG.model("gpt-oss-120b"), SHELF, Asker())
    assert verdict.decision == "allow with duties"
    (duty,) = [each for each in verdict.duties if each.license == POLICY]
    assert (duty.kind, duty.text, duty.section, duty.when) == ("acceptable use", "use it within the law", "whole", None)
    record = LICENSES.get(POLICY)
    assert record is not None and duty.text_sha256 == record.text.sha256
    assert [each.license for each in verdict.readings] == ["apache-2.0", POLICY]


def test_a_text_without_a_record_is_an_open_question() -> None:
    verdict = check(CATALOG.model("gpt-oss-120b"), Shelf(models=CATALOG.get, licenses=_only("apache-2.0")), Asker())
    assert [(each.decision, each.license) for each in verdict.reasons] == [("review", POLICY)]


def _only(license_id: str) -> FindLicense:
    return lambda name: LICENSES.get(name) if name == license_id else None


def test_keeping_to_the_law_makes_a_model_no_less_free() -> None:
    found = assess(CATALOG.model("gpt-oss-120b"), CATALOG.get, LICENSES.get)
    assert (found.freedom.low, found.freedom.high) == (3, 3)
    assert [part.license for part in found.freedom.parts] == ["apache-2.0", POLICY]


def test_a_house_may_deny_the_policy_and_allows_the_model_by_its_license() -> None:
    model = CATALOG.model("gpt-oss-20b")
    denied = check(model, SHELF, Asker(policy=Policy(denied_licenses=(POLICY,))))
    assert [each.fact for each in denied.reasons] == [f"policy.denied_licenses has {POLICY}"]
    assert check(model, SHELF, Asker(policy=Policy(allowed_licenses=("apache-2.0",)))).decision == "allow with duties"


def test_the_paper_names_the_policy_its_text_and_its_duty(capsys: Captured) -> None:
    assert main(["show", "gpt-oss-120b", "--json"]) == 0
    license_ = json.loads(capsys.readouterr().out)["license"]
    assert [(each["id"], each["known"]) for each in license_["beside"]] == [(POLICY, True)]
    assert license_["duties"][-1] == {
        "what": "use it within the law", "clause": "acceptable_use", "section": "whole", "of": POLICY,
    }  # fmt: skip
    assert main(["show", "gpt-oss-120b"]) == 0
    page = capsys.readouterr().out
    assert "and beside it         gpt-oss usage policy (gpt-oss-usage-policy)" in page
    assert "the whole text        use it within the law\n                      (of gpt-oss-usage-policy)" in page


def test_the_search_finds_what_the_policy_binds(capsys: Captured) -> None:
    assert main(["find", "--bound-by", POLICY, "--quiet"]) == 0
    assert capsys.readouterr().out.split() == ["gpt-oss-20b", "gpt-oss-120b"]


def test_a_page_has_the_clauses_of_every_text_that_binds(capsys: Captured) -> None:
    assert main(["show", "olmo-2-1124-7b-instruct"]) == 0
    page = capsys.readouterr().out
    own, _, beside = page.partition("BESIDE IT: GEMMA TERMS OF USE (2025-03-24)")
    assert "THE LICENSE, CLAUSE BY CLAUSE" in own
    assert "a separate list" in beside and "(section 4.5)" in beside
