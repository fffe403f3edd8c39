"""What the page of a model claims where something is unknown, absent, or asked by another text than its license."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.catalog import Catalog
from freehold.catalog.licenses import Licenses
from freehold.catalog.paper import paper
from freehold.cli.main import main
from freehold.cli.output import Section
from freehold.cli.page import sections

CATALOG, LICENSES = Catalog.load(), Licenses.load()


def page(name: str) -> dict[str, Section]:
    return {section.title: section for section in sections(paper(CATALOG, CATALOG.model(name), LICENSES), [])}


def line(section: Section, name: str) -> str:
    """The value of a line, its line breaks as spaces."""
    return " ".join(str(dict(section.lines)[name]).split())


@pytest.mark.parametrize(
    ("name", "unknown"),
    [
        ("llama-3.3-70b-instruct", "date of a service by its publisher, sha256 of the use policy"),
        ("gemma-3-270m", "date of a service by its publisher, European index"),
        ("deepseek-r1-distill-llama-70b", "date of a service by its publisher, date of the license, European index"),
    ],
)
def test_what_a_page_says_is_unknown_is_in_its_list_of_unknowns(name: str, unknown: str) -> None:
    nobody = page(name)["WHAT NOBODY HAS READ"]
    assert line(nobody, "on this page") == unknown
    assert "Nothing" not in nobody.note


def test_a_row_without_a_gap_says_which_fields_that_covers() -> None:
    note = page("gpt-oss-120b")["WHAT NOBODY HAS READ"].note
    assert note.startswith("Of its size, shape, lineage and what was published, every field")
    assert page("deepseek-r1-distill-llama-70b")["WHAT NOBODY HAS READ"].note == ""


def test_the_license_that_binds_through_a_base_stands_clause_by_clause() -> None:
    found = page("deepseek-r1-distill-llama-70b")
    own = found["THE LICENSE, CLAUSE BY CLAUSE"]
    base = found["BY ITS BASE LLAMA-3.3-70B-INSTRUCT: LLAMA 3.3 COMMUNITY LICENSE"]
    assert line(own, "but there is one on").endswith("a general indemnity, law: in llama3.3, see below")
    assert line(base, "user cap").startswith("above 700,000,000 monthly active users")
    assert "BY ITS BASE LLAMA-3.1-70B" not in " ".join(found), "whose license does not bind here"


def test_a_duty_beside_a_free_license_is_explained_where_the_license_is_silent() -> None:
    found = page("gpt-oss-120b")
    freedom = line(found["HOW OPEN IT IS"], "freedom")
    assert freedom.startswith("F3: any purpose gpt-oss-usage-policy, beside the license, asks to keep to the law")
    own = found["THE LICENSE, CLAUSE BY CLAUSE"]
    assert "acceptable use" in line(own, "no rule found on")
    assert line(own, "but there is one on") == "acceptable use: in gpt-oss-usage-policy, see below"
    assert "keep to the law" not in line(page("olmo-2-1124-7b-instruct")["HOW OPEN IT IS"], "freedom")


def test_the_base_that_llama_3_3_was_made_from_is_not_called_unpublished() -> None:
    model = CATALOG.model("llama-3.3-70b-instruct")
    published = model.published["weights_base"]
    assert model.base_models == ("llama-3.1-70b",) and published.state == "restricted"
    assert published.source is not None and "the same base as Llama 3.1 70B" in published.source.text


def test_what_an_architecture_does_not_have_is_not_counted() -> None:
    dense, mixture = (
        line(page(name)["SIZE AND SHAPE"], "shape") for name in ("llama-3.3-70b-instruct", "gpt-oss-120b")
    )
    assert "experts" not in dense and "window" not in dense and "layers 80" in dense
    assert "experts 128; experts used 4;" in mixture and "shared" not in mixture


@pytest.mark.parametrize("call", [["license", "show", "apache-2.0"], ["show", "olmo-2-1124-7b-instruct"]])
def test_a_page_of_a_license_ends_with_what_its_record_does_not_cover(
    call: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(call) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("Not covered by these records, so read the text for them: warranty, liability, trademarks,") == 1
    assert "a general indemnity" in said and "no rule on" not in said


def test_a_base_that_does_not_bind_has_no_clauses_in_the_paper() -> None:
    written: dict[str, Any] = paper(CATALOG, CATALOG.model("deepseek-r1-distill-llama-70b"), LICENSES)
    of = {each["name"]: each for each in written["lineage"]["ancestors"]}
    assert of["llama-3.3-70b-instruct"]["clauses"]["user_cap"]["over"] == 700_000_000
    assert of["llama-3.1-70b"]["clauses"] == {} and of["llama-3.1-70b"]["unknown"] == []
