"""`[organization]` and `[policy]` of freehold.toml: what is read, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.core.errors import SettingsError
from freehold.core.organization import COUNTRIES, EEA, EU, Organization, Policy
from freehold.core.settings import Settings, load

WHOLE = """
[organization]
name = "Example Bank"
domicile = "DE"
uses_in = ["DE", "FR"]
commercial = true
public_sector = false
purposes = ["production", "research"]
sectors = ["finance", "credit"]
monthly_active_users = 40_000
monthly_active_users_peak = 60_000
monthly_active_users_at = { "2024-06" = 35_000, "2025-03" = 38_000 }
revenue_month_usd = 25_000_000
revenue_year_usd = 290_000_000
hosts_for_others = false
offers_services = true
distributes = false
trains_on_outputs = true
strips_guardrails = false

[policy]
review = "refuse"
allowed_licenses = ["apache-2.0", "mit"]
denied_models = ["qwen*"]
minimum_freedom = "F2"
minimum_openness = "open weights"
require_verified = true
agreements = { "llama3.1" = "contract L-17" }
reviewed = { "gemma-2025-03-24" = "counsel, 2026-03-01" }
"""


def read(text: str, folder: Path) -> Settings:
    file = folder / "freehold.toml"
    file.write_text(text)
    return load(environment={}, file=file)


def test_every_fact_and_every_rule_is_read(tmp_path: Path) -> None:
    settings = read(WHOLE, tmp_path)
    organization, policy = settings.organization, settings.policy
    assert organization is not None
    assert (organization.name, organization.domicile, organization.uses_in) == ("Example Bank", "DE", ("DE", "FR"))
    assert organization.monthly_active_users_at == {"2024-06": 35_000, "2025-03": 38_000}
    assert (organization.trains_on_outputs, organization.distributes) == (True, False)
    assert organization.offers_services is True
    assert organization.product_monthly_active_users is None, "not stated is unknown"
    assert (policy.review, policy.minimum_freedom, policy.minimum_openness) == ("refuse", 2, 3)
    assert policy.agreements == {"llama3.1": "contract L-17"} and policy.require_verified


def test_a_file_without_them_says_nothing_of_the_organization(tmp_path: Path) -> None:
    settings = read("", tmp_path)
    assert settings.organization is None and settings.policy == Policy()
    assert read("[organization]\n", tmp_path).organization == Organization(), "there, and nothing known"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('domicile = "EU"', "is a union: name the country"),
        ('domicile = "UK"', "write GB"),
        ('domicile = "Germany"', "two capital letters"),
        ('uses_in = ["DE", "xx"]', "two capital letters"),
        ('sectors = ["banking"]', "must be some of adult content"),
        ('purposes = ["fun"]', "must be some of production"),
        ('monthly_active_users_at = { "2024-13" = 5 }', "is not a calendar month"),
        ('monthly_active_users_at = { "2024-06" = -5 }', "must be a whole number"),
        ('monthly_active_users = "many"', "must be a whole number"),
        ("commercial = 1", "must be true or false"),
        ("monthly_active_user = 5", "did you mean 'monthly_active_users'?"),
        ("monthly_active_users = 9\nmonthly_active_users_peak = 5", "is below another figure of users, 9"),
        ("revenue_month_usd = 9\nrevenue_year_usd = 5", "is more than revenue_year_usd, 5"),
    ],
)
def test_a_wrong_fact_is_refused_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(f"\n[organization]\n{line}\n", tmp_path)
    assert said in caught.value.message and "line " in caught.value.message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('review = "maybe"', "must be one of allow, ask, refuse"),
        ('minimum_freedom = "F4"', "must be one of F0, F1, F2, F3"),
        ('minimum_openness = "open"', "must be one of closed, restricted"),
        ('agreements = { "llama3.1" = " " }', "must say who settled it"),
        ("reviewed = { mit = 5 }", "must be a string"),
        ('deny = ["x"]', "is not a setting"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(f"\n[policy]\n{line}\n", tmp_path)
    assert said in caught.value.message and "line 3" in caught.value.message


def test_the_union_has_its_members_and_the_area_three_more() -> None:
    assert len(EU) == 27 + 7, "the members, and the territories with a code of their own"
    assert "NO" not in EU and {"NO", "IS", "LI"} == EEA - EU and not {"GB", "CH"} & EEA


@pytest.mark.parametrize("code", ["XX", "ZZ", "AA", "EI", "XK", "de"])
def test_a_code_that_no_country_has_is_refused(code: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no country code that ISO 3166-1 assigns"):
        read(f'[organization]\ndomicile = "{code}"\n', tmp_path)
    with pytest.raises(SettingsError, match="no country code that ISO 3166-1 assigns"):
        read(f'[organization]\nuses_in = ["FR", "{code}"]\n', tmp_path)


def test_every_country_is_known_once() -> None:
    assert len(COUNTRIES) == 249 and EEA <= COUNTRIES and all(len(code) == 2 for code in COUNTRIES)
