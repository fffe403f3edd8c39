"""The routes behind the Models page: who may ask, what the rows and papers say, and for whom verdicts are given."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from freehold.app import build_house
from freehold.core.settings import load
from freehold.server.asgi import create_app
from freehold.store.overrides import Override
from freehold.store.store import Store
from tests.unit.test_store import take_in, weights

BANK = """
[organization]
name = "Harbor Bank"
domicile = "DE"
commercial = true
monthly_active_users = 400_000
monthly_active_users_peak = 500_000
revenue_month_usd = 5_000_000
hosts_for_others = false
distributes = false
trains_on_outputs = false
strips_guardrails = false
"""


def client(home: Path, settings: str = "", key: str | None = None) -> TestClient:
    """A client of a house with these settings, at an address the house answers to."""
    file = home.parent / "freehold.toml"
    file.write_text(settings)
    environment = {"FREEHOLD_HOME": str(home)} | ({"FREEHOLD_API_KEY": key} if key else {})
    return TestClient(create_app(build_house(load(environment=environment, file=file))), base_url="http://127.0.0.1")


def catalog(client: TestClient) -> dict[str, Any]:
    answer = client.get("/api/catalog")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def row(told: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [each for each in told["models"] if each["name"] == name]
    assert isinstance(found, dict)
    return found


def test_a_key_is_asked_for_before_the_catalog_is_told_and_not_for_the_page(home: Path) -> None:
    house = client(home, key="secret")
    for path in ("/api/catalog", "/api/catalog/bloom"):
        assert house.get(path).status_code == 401
        assert house.get(path, headers={"Authorization": "Bearer secret"}).status_code == 200
    assert house.get("/models").status_code == 200


def test_a_foreign_page_may_link_to_the_page_and_read_nothing(home: Path) -> None:
    house = client(home)
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert house.get("/models", headers=foreign).status_code == 200
    for path in ("/api/catalog", "/api/catalog/bloom"):
        assert house.get(path, headers=foreign).status_code == 403
        assert house.get(path, headers={"Origin": "https://elsewhere.example"}).status_code == 403


def test_the_page_is_served_under_the_policy_of_the_chat_page(home: Path) -> None:
    house = client(home)
    page, chat = house.get("/models"), house.get("/")
    assert "Models" in page.text
    assert page.headers["content-security-policy"] == chat.headers["content-security-policy"]
    assert "'unsafe-inline'" not in page.headers["content-security-policy"]


def test_every_model_has_a_row_and_what_its_levels_mean_comes_along(home: Path) -> None:
    told = catalog(client(home))
    assert len(told["models"]) == len(build_house(load()).catalog.models) > 300
    assert [len(told[name]) for name in ("labels", "freedom", "published", "components")] == [6, 4, 5, 16]
    bloom = row(told, "bloom")
    assert (bloom["freedom"], bloom["published"], bloom["label"]) == ([2, 2], [4, 4], [2, 2])
    assert row(told, "gpt-4o")["parameters"] is None, "unknown is null"


def test_a_paper_has_its_evidence_and_an_unknown_name_its_nearest(home: Path) -> None:
    house = client(home)
    paper = house.get("/api/catalog/llama-3.3-70b-instruct").json()
    assert paper["model"]["published"]["weights_final"]["source"]["text"]
    assert len(paper["license"]["text"]["sha256"]) == 64
    refused = house.get("/api/catalog/llama-3.3-70b-instrukt")
    assert refused.status_code == 404
    assert "llama-3.3-70b-instruct" in refused.json()["error"]["message"]


def test_without_an_organization_there_is_no_verdict(home: Path) -> None:
    house = client(home)
    told = catalog(house)
    assert (told["judged"], told["organization"]) == (False, None)
    assert {each["verdict"] for each in told["models"]} == {None}
    assert house.get("/api/catalog/bloom").json()["verdict"] is None


def test_an_organization_gets_its_own_verdicts_the_same_in_row_and_paper(home: Path) -> None:
    house = client(home, BANK)
    told = catalog(house)
    assert told["organization"]["name"] == "Harbor Bank"
    assert "domicile = DE" in told["organization"]["stated"]
    assert "sectors" in told["organization"]["unknown"]
    expected = {"llama-4-scout-17b-16e-instruct": "deny", "olmo-2-1124-7b": "allow", "gpt-4o": "review"}
    for name, decision in expected.items():
        verdict = house.get(f"/api/catalog/{name}").json()["verdict"]
        assert (row(told, name)["verdict"], verdict["decision"]) == (decision, decision)
    reasons = house.get("/api/catalog/llama-4-scout-17b-16e-instruct").json()["verdict"]["reasons"]
    assert [(each["clause"], each["fact"]) for each in reasons] == [("territory", "domicile = DE, in the EU")]


def test_rules_of_the_house_alone_are_judged_too(home: Path) -> None:
    told = catalog(client(home, '[policy]\ndenied_models = ["bloom"]'))
    assert (told["judged"], told["rules"], told["organization"]) == (True, True, None)
    assert row(told, "bloom")["verdict"] == "deny"


@pytest.mark.parametrize("path", ["/api/catalog", "/api/catalog/bloom"])
def test_only_reading_is_possible(home: Path, path: str) -> None:
    answer = client(home).post(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_what_is_held_comes_with_what_its_deed_says_and_never_with_a_guess_at_its_model(
    home: Path, tmp_path: Path
) -> None:
    store = Store(home)
    take_in(store, weights(tmp_path / "own.gguf"), name="bloom")
    (held,) = catalog(client(home))["held"]
    assert (held["name"], held["model"], held["known_by_bytes"]) == ("bloom:q4_1", None, False)
    assert (held["signature"], held["signed_by"], held["looked"]) == ("missing", None, "clean")
    assert held["endpoint"] == "bloom"


def test_a_deed_that_cannot_be_read_is_counted_and_hides_no_other(home: Path, tmp_path: Path) -> None:
    store = Store(home)
    broken = take_in(store, weights(tmp_path / "one.gguf"))
    take_in(store, weights(tmp_path / "two.gguf", fill=b"\x22"))
    deed = store.layout.build(broken.digest) / "deed.json"
    deed.chmod(0o644)
    deed.write_text("{")
    told = catalog(client(home))
    assert told["unreadable"] == 1
    assert [each["name"] for each in told["held"]] == ["two:q4_1"]


def test_a_signed_deed_is_told_as_signed(home: Path, tmp_path: Path) -> None:
    store = Store(home)
    key = store.keys.create()
    take_in(store, weights(tmp_path / "one.gguf"))
    (held,) = catalog(client(home))["held"]
    assert (held["signature"], held["signed_by"], held["signature_wanted"]) == ("valid", key, True)


def test_who_may_serve_nothing_may_look_all_the_same(home: Path, tmp_path: Path) -> None:
    take_in(Store(home), weights(tmp_path / "own.gguf"))
    house = client(home, BANK + '[policy]\nreview = "refuse"\n')
    (held,) = catalog(house)["held"]
    assert (held["name"], held["endpoint"], held["verdict"]["decision"]) == ("own:q4_1", None, "review")


def test_an_override_is_told_with_whether_it_still_answers(home: Path) -> None:
    house, at = build_house(load()), "2026-11-20T10:00:00+00:00"
    scout = "llama-4-scout-17b-16e-instruct"
    verdict = client(home, BANK).get(f"/api/catalog/{scout}").json()["verdict"]
    for grounds, covers in ((tuple(verdict["grounds"]), True), (("another",), False)):
        signed = Override(
            subject=scout, by="Ada", reason="agreed by mail", grounds=grounds, reasons=("x",), date=at, freehold="0"
        )
        house.permits.overrides.add(signed)
        told = client(home, BANK).get(f"/api/catalog/{scout}").json()["override"]
        assert (told["by"], told["reason"], told["covers_this"]) == ("Ada", "agreed by mail", covers)
    assert client(home).get(f"/api/catalog/{scout}").json()["override"] is None


def test_a_reload_changes_for_whom_verdicts_are_given(home: Path) -> None:
    (home.parent / "freehold.toml").write_text("[endpoints]\n")
    house = build_house(load(environment={"FREEHOLD_HOME": str(home)}, file=home.parent / "freehold.toml"))
    asker = TestClient(create_app(house), base_url="http://127.0.0.1")
    assert catalog(asker)["organization"] is None
    (home.parent / "freehold.toml").write_text(BANK + "[endpoints]\n")
    settings = load(environment={"FREEHOLD_HOME": str(home)}, file=home.parent / "freehold.toml")
    asyncio.run(house.gateway.reload(settings))
    assert catalog(asker)["organization"]["name"] == "Harbor Bank"


def test_every_model_that_can_be_had_is_told_whether_it_fits_and_of_one_every_build(home: Path) -> None:
    house = client(home)
    told = house.get("/api/fit").json()
    assert told["machine"]["here"] is True
    assert len(told["models"]) > 300 and "gpt-4o" not in told["models"]
    small, vast = told["models"]["smollm2-135m-instruct"], told["models"]["deepseek-v3"]
    assert small["fits"] is True and small["tag"]
    assert vast["fits"] is False and "it needs" in vast["reason"]
    assert told["models"]["deepseek-v4-flash"]["fits"] is None, "an architecture that is not known"
    plan = house.get("/api/fit/smollm2-135m-instruct").json()
    assert plan["recommended"] in {build["tag"] for build in plan["builds"]}
    assert plan["builds"][0]["kv_cache_bytes"] == {"kind": "exact", "value": 188_743_680}
    refused = house.get("/api/fit/llama-3.3-70b-instrukt")
    assert refused.status_code == 404
    assert "llama-3.3-70b-instruct" in refused.json()["error"]["message"]


def test_of_a_held_model_the_build_at_hand_is_spoken_of(home: Path, smollm2_gguf: Path) -> None:
    before = client(home).get("/api/fit").json()["models"]["smollm2-135m-instruct"]
    assert (before["fits"], before["held"]) == (True, None)
    take_in(Store(home), smollm2_gguf, copy=False)
    told = client(home).get("/api/fit").json()["models"]["smollm2-135m-instruct"]
    assert told["held"] == {"tag": "q4_1", "fits": True, "why_not": None}
    assert (told["fits"], told["tag"]) == (True, "q4_1") and told["reason"].startswith("q4_1: ")


def test_what_fits_is_told_to_nobody_without_the_key(home: Path) -> None:
    house = client(home, key="secret")
    for path in ("/api/fit", "/api/fit/bloom"):
        assert house.get(path).status_code == 401
