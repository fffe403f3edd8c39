"""The paper of a model: what counsel gets to read, with every unknown said as unknown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freehold.catalog import Catalog
from freehold.catalog.licenses.record import Clauses, Naming, Territory
from freehold.catalog.licenses.shelf import Licenses
from freehold.catalog.model import COMPONENTS
from freehold.catalog.paper import license_name, license_paper, paper
from freehold.catalog.policy import Asker, Shelf, check
from freehold.catalog.spoken import duties, spoken
from freehold.cli.layout import WIDTH, place
from freehold.cli.main import main
from freehold.cli.page import sections

SHOWN = (
    *("llama-3.3-70b-instruct", "gemma-3-270m", "smollm2-135m-instruct", "gpt-oss-120b"),
    *("deepseek-r1-distill-llama-70b", "olmo-2-1124-7b-instruct"),
)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


@pytest.fixture(scope="module")
def licenses() -> Licenses:
    return Licenses.load()


def page(written: dict[str, Any]) -> dict[str, dict[str, str | None]]:
    """Heading, name of a line, value; the title's section is called "". Line breaks of values become spaces."""
    found = sections(written, [])
    names = ["", *(section.title for section in found[1:])]
    return {
        name: {line: value if value is None else " ".join(value.split()) for line, value in section.lines}
        for name, section in zip(names, found, strict=True)
    }


def test_every_model_of_the_catalog_has_a_paper_of_the_same_keys_that_json_can_hold(
    catalog: Catalog, licenses: Licenses
) -> None:
    keys = set()
    for model in catalog.models:
        written = paper(catalog, model, licenses)
        assert json.loads(json.dumps(written)) == written, model.name
        keys.add(tuple((part, *sorted(written[part])) for part in written))
        assert set(written["model"]["published"]) == set(COMPONENTS)
    assert len(catalog.models) >= 120 and len(keys) == 1


@pytest.mark.parametrize("name", SHOWN)
def test_a_page_fits_80_columns(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 80 and [line for line in lines if len(line) > WIDTH] == []


def test_the_page_names_the_text_that_was_read_and_never_says_compliant(
    catalog: Catalog, licenses: Licenses, capsys: pytest.CaptureFixture[str]
) -> None:
    text = licenses.get("llama3.3")
    assert text is not None and text.text.sha256 is not None
    assert main(["show", "llama-3.3-70b-instruct"]) == 0
    said = capsys.readouterr().out
    assert f"By our reading of text\nsha256:{text.text.sha256}" in said and "not legal advice" in said
    assert "complian" not in said.lower()


def test_the_clauses_have_their_sections_and_the_duties_those_of_the_base_that_binds(
    catalog: Catalog, licenses: Licenses
) -> None:
    distilled = page(paper(catalog, catalog.model("deepseek-r1-distill-llama-70b"), licenses))
    asked = distilled["WHAT IT ASKS OF YOU"]
    assert asked["and by its base"] == "llama-3.3-70b-instruct"
    assert 'display "Built with Llama"' in str(asked["section 1.b.i"])
    assert str(asked["section 2"]).startswith("above 700,000,000 monthly active users")
    assert "by the license of llama-3.3-70b-instruct" in str(distilled["HOW OPEN IT IS"]["freedom"])
    assert distilled["LICENSE"]["license"] == "MIT License (mit)"


def test_a_clause_that_binds_only_models_with_images_is_no_duty_of_a_model_of_text(
    catalog: Catalog, licenses: Licenses
) -> None:
    text, image = (
        paper(catalog, catalog.model(name), licenses)["license"]
        for name in ("llama-3.3-70b-instruct", "llama-4-scout-17b-16e-instruct")
    )
    assert "territory" not in [duty["clause"] for duty in text["duties"]]
    assert "territory" in [duty["clause"] for duty in image["duties"]]
    assert text["clauses"]["territory"]["words"].startswith("no grant for people and companies of the EU")


def test_the_license_of_a_service_is_unknown_and_not_free_of_duties(catalog: Catalog, licenses: Licenses) -> None:
    closed = page(paper(catalog, catalog.model("gpt-4o"), licenses))
    assert str(closed["WHAT IT ASKS OF YOU"][""]).startswith("unknown: nobody read these terms")
    assert "THE LICENSE, CLAUSE BY CLAUSE" not in closed
    assert closed["SIZE AND SHAPE"]["parameters"] is None
    assert closed["WHAT WAS PUBLISHED"]["training code"] is None


def test_every_source_of_a_component_is_listed_and_nothing_else_has_a_number(
    catalog: Catalog, licenses: Licenses
) -> None:
    written = paper(catalog, catalog.model("gpt-oss-120b"), licenses)
    shown = page(written)
    texts = {each["source"]["text"] for each in written["model"]["published"].values() if each["source"]}
    listed = " ".join(str(value) for value in shown["SOURCES"].values())
    assert texts and all(" ".join(text.split()) in listed for text in texts)
    marks = {f"[{number + 1}]" for number in range(len(shown["SOURCES"]))}
    assert set(shown["SOURCES"]) == marks


def test_a_license_is_called_by_its_spdx_name_where_the_list_has_it(licenses: Licenses) -> None:
    assert license_name("apache-2.0", licenses) == "Apache-2.0"
    assert license_name("llama3.3", licenses) == "Llama 3.3 Community License"
    assert license_name("nobody-read-this", licenses) == "nobody-read-this"


def test_every_clause_of_every_license_can_be_said(licenses: Licenses) -> None:
    said = [
        (record.id, name, spoken(name, clause))
        for record in licenses
        for name, clause in record.clauses.items()
        if clause is not None
    ]
    assert len(said) > 400
    assert [each for each in said if not each[2].strip() or "None" in each[2] or ", ," in each[2]] == []


def test_what_binds_is_said_with_its_limits_first() -> None:
    clauses = Clauses(
        naming=Naming(section="2", prefix="Llama"),
        territory=Territory(section="1", excluded=("EU", "GB"), principal_place=True),
    )
    assert [duty.what for duty in duties(clauses)] == [
        "no grant for people and companies of the EU, GB",
        'derived models are named "Llama"…',
    ]


def test_a_license_without_a_record_has_the_keys_of_one_with(licenses: Licenses) -> None:
    known, unknown = (license_paper(license_id, licenses) for license_id in ("mit", "nobody-read-this"))
    assert set(known) == set(unknown)
    assert json.loads(json.dumps(known)) == known
    assert unknown["unknown"] == ["every clause"] and unknown["osi_approved"] is None


def test_the_paper_lists_every_duty_that_the_check_finds(catalog: Catalog, licenses: Licenses) -> None:
    """A house that reads the paper alone must not miss what `license check` would tell it."""
    shelf = Shelf(models=catalog.get, licenses=licenses.get)
    clauses = {"acceptable_use", "outputs", "redistribution", "naming", "updates", "indemnity"}
    looked_at = 0
    for model in catalog.models:
        verdict = check(model, shelf, Asker())
        found = {(each.license, each.clause) for each in verdict.duties if each.clause in clauses}
        if not found:
            continue
        looked_at += 1
        written = paper(catalog, model, licenses)
        own = written["license"]
        said = {(duty.get("of", own["id"]), duty["clause"]) for duty in own["duties"]}
        bases = [each for each in written["lineage"]["ancestors"] if each["binding"]]
        said |= {(each["license"], duty["clause"]) for each in bases for duty in each["duties"]}
        assert found <= said, (model.name, found - said)
    assert looked_at > 250


def test_a_place_in_a_text_is_named_as_a_reader_finds_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert [place(section) for section in ("1.b.i", "whole", "policy, head")] == [
        "section 1.b.i", "the whole text", "use policy, head",
    ]  # fmt: skip
    assert main(["show", "deepseek-r1-distill-llama-70b"]) == 0
    page = " ".join(capsys.readouterr().out.split())
    assert "its license binds here too by our reading of text, sha256 41b166712b370dee…" in page
    assert "not what is there today" in page and "hold the licensor harmless" in page
