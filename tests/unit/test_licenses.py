"""The license records that ship: complete, consistent, and saying what the texts are known to say."""

from __future__ import annotations

from datetime import date
from importlib import resources

import pytest

from freehold.catalog.licenses import License, Licenses
from freehold.catalog.licenses.normalize import normalize, sha256_of
from freehold.catalog.licenses.record import Clause

LICENSES = Licenses.load()


def _get(license_id: str) -> License:
    record = LICENSES.get(license_id)
    assert record is not None, license_id
    return record


def test_fifty_one_texts_are_read_and_each_clause_of_each_was_looked_for() -> None:
    assert len(LICENSES.all) == len(LICENSES.ids) == 51
    assert {record.id: record.clauses.unknown for record in LICENSES if record.clauses.unknown} == {}


def test_only_texts_that_were_seen_carry_a_hash_of_their_words() -> None:
    for record in LICENSES:
        for text in filter(None, (record.text, record.use_policy)):
            assert text.seen or text.sha256 is None, record.id
            assert (text.normalized_sha256 is None) == (text.normalized_words is None), record.id
            assert text.retrieved is not None, record.id


def test_no_two_records_are_of_one_text() -> None:
    hashes = [h for record in LICENSES for h in {record.text.sha256, record.text.normalized_sha256} if h]
    assert len(hashes) == len(set(hashes)) > 70


def test_a_clause_in_the_use_policy_has_a_use_policy_to_stand_in() -> None:
    placed = [
        record.id
        for record in LICENSES
        for _, clause in record.clauses.items()
        if clause is not None and clause.exists and clause.place == "use policy"
    ]
    assert set(placed) == {"llama3.2", "llama3.3", "llama4", "gemma-2024-04-01", "gemma-2025-03-24", "cohere-labs-aup"}
    assert all(_get(license_id).use_policy is not None for license_id in placed)


@pytest.mark.parametrize("license_id", ["mit", "apache-2.0", "bsd-3-clause"])
def test_a_shipped_text_is_the_one_its_record_names(license_id: str) -> None:
    record = _get(license_id)
    assert record.template is not None
    file = resources.files("freehold.catalog.licenses").joinpath("texts", record.template.file)
    text = file.read_bytes().decode("utf-8")
    assert sha256_of(text) == record.text.sha256
    assert normalize(text).sha256 == record.text.normalized_sha256
    assert all(normalize(holder).words in normalize(text).words for holder in record.template.holders)
    assert all(normalize(ending).words in normalize(text).words for ending in record.template.endings)


@pytest.mark.parametrize(
    ("license_id", "released"),
    [
        ("llama2", date(2023, 7, 18)),
        ("llama3", date(2024, 4, 18)),
        ("llama3.1", date(2024, 7, 23)),
        ("llama3.2", date(2024, 9, 25)),
        ("llama3.3", date(2024, 12, 6)),
        ("llama4", date(2025, 4, 5)),
    ],
)
def test_llamas_users_are_counted_once_and_qwens_always(license_id: str, released: date) -> None:
    llama, qwen = _get(license_id).clauses.user_cap, _get("qwen-2024").clauses.user_cap
    assert llama is not None and qwen is not None
    assert (llama.over, llama.measured, llama.measured_on) == (700_000_000, "release date", released)
    assert llama.scope == "licensee and affiliates"
    assert (qwen.over, qwen.measured, qwen.measured_on, qwen.scope) == (100_000_000, "continuing", None, "product")


def test_outputs_may_train_other_models_since_llama_3_1_and_since_qwen_2024() -> None:
    rules = {i: _get(i).clauses.outputs for i in ("llama3", "llama3.1", "tongyi-qianwen-2023", "qwen-2024", "mit")}
    assert {license_id: rule.train_others for license_id, rule in rules.items() if rule} == {
        "llama3": "forbidden",
        "llama3.1": "name duty",
        "tongyi-qianwen-2023": "forbidden",
        "qwen-2024": "name duty",
        "mit": "free",
    }


def test_the_eu_is_excluded_in_the_use_policy_of_multimodal_llamas_only() -> None:
    excluded = {}
    for record in LICENSES:
        territory = record.clauses.territory
        if territory is not None and territory.exists:
            excluded[record.id] = (territory.excluded, territory.applies_to, territory.place)
    assert excluded == {
        "llama3.2": (("EU",), "multimodal", "use policy"),
        "llama3.3": (("EU",), "multimodal", "use policy"),
        "llama4": (("EU",), "multimodal", "use policy"),
        "hunyuan-3d-2.0": (("EU", "GB", "KR"), "all", "license"),
    }


def test_the_modified_mits_differ_in_what_a_large_revenue_does() -> None:
    effects = {}
    for license_id in ("kimi-k2-modified-mit", "kimi-k3", "mistral-modified-mit-2026", "minimax-m2-modified-mit"):
        cap = _get(license_id).clauses.revenue_cap
        assert cap is not None
        effects[license_id] = (cap.over, cap.period, cap.activity, cap.effect)
    assert effects == {
        "kimi-k2-modified-mit": (20_000_000, "month", "any", "display a name"),
        "kimi-k3": (20_000_000, "rolling 12 months", "model as a service", "request a license"),
        "mistral-modified-mit-2026": (20_000_000, "month", "any", "no rights"),
        "minimax-m2-modified-mit": (30_000_000, "year", "any", "display a name"),
    }


def test_of_mistrals_two_research_licenses_one_restricts_outputs() -> None:
    mrl, mnpl = _get("mrl-0.1").clauses.outputs, _get("mnpl-0.1").clauses.outputs
    assert mrl is not None and mnpl is not None
    assert (mrl.restricted_use, mnpl.restricted_use) == ("research only", "none")


def test_a_text_that_contradicts_itself_is_marked() -> None:
    assert [r.id for r in LICENSES if r.clauses.outputs is not None and r.clauses.outputs.ambiguous] == ["grok2"]


def test_noncommercial_texts_say_no_and_open_source_says_yes() -> None:
    for record in LICENSES:
        commercial = record.clauses.commercial
        assert commercial is not None
        assert (commercial.value == "no") == (record.kind == "noncommercial"), record.id
        assert (record.osi_approved is True) == (record.kind == "open source"), record.id


def test_a_tag_that_does_not_say_which_version_finds_every_version_the_newest_first() -> None:
    assert [record.id for record in LICENSES.by_tag("gemma")] == ["gemma-2025-03-24", "gemma-2024-04-01"]
    assert [record.id for record in LICENSES.by_tag("Apache-2.0")] == ["apache-2.0"]
    assert [record.id for record in LICENSES.by_tag("llama3.1")] == ["llama3.1"]
    assert len(LICENSES.by_tag("modified-mit")) == 4
    assert LICENSES.by_tag("other") == ()


def test_a_license_nobody_read_has_no_record() -> None:
    assert LICENSES.get("proprietary") is None
    assert LICENSES.get("../texts/mit") is None


def test_a_clause_that_is_not_there_points_at_nothing() -> None:
    def wrong(clause: Clause | None) -> bool:
        return clause is not None and not clause.exists and clause.section is not None

    assert [(record.id, name) for record in LICENSES for name, clause in record.clauses.items() if wrong(clause)] == []
