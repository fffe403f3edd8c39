"""What changed between two deeds, in words: the license first, nothing that is the house's own, nothing left out."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from freehold.store.deeds.diff import Difference, differences
from freehold.store.deeds.record import Deed, DeedFile, Derivation, Labels, Origin, Statement, TextFile
from freehold.weights.report import Finding
from tests.unit.test_deeds import DEED, STATEMENT

CAP = {"exists": True, "over": 700_000_000, "words": "over 700 million users"}


def papers(**license_: Any) -> dict[str, Any]:
    return {
        "license": {"id": "llama3.1", "text": {"sha256": "1" * 64}, "clauses": {"user_cap": None}} | license_,
        "openness": {"freedom": {"low": "F2"}, "evidence": ["a card"]},
        "lineage": {"ancestors": [{"name": "base", "license": "llama3.1"}]},
    }


def deed(**changes: Any) -> Deed:
    return Deed(replace(STATEMENT, **{"papers": papers(), **changes}), DEED.labels)


def test_two_equal_statements_say_the_same_whatever_they_are_called() -> None:
    other = Deed(STATEMENT, Labels(("other:name",), "2027-01-01", (Origin("x", "y", "2027-01-01"),)))
    assert differences(DEED, other) == ()


def test_the_day_and_the_writer_are_no_differences() -> None:
    verification = STATEMENT.verification
    assert verification is not None
    later = deed(
        kept_at="2027",
        freehold="9.9",
        origin=replace(STATEMENT.origin, date="2027"),
        verification=replace(verification, date="2027", freehold="9.9"),
    )
    assert differences(deed(), later) == ()


def test_changed_terms_come_first_and_in_words() -> None:
    changed = papers(id="llama3.3", text={"sha256": "2" * 64}, clauses={"user_cap": CAP})
    changed["openness"] = {"freedom": {"low": "F1"}, "evidence": ["a card", "a report"]}
    after = deed(license="llama3.3", papers=changed, texts=(TextFile("LICENSE", 12, "d" * 64, "x"),))
    found = differences(deed(), after)
    assert [(each.section, each.words) for each in found] == [
        ("license", "license: is llama3.3, was llama3.1"),
        ("license", "id: is llama3.3, was llama3.1"),
        ("license", f"text.sha256: is {'2' * 64}, was {'1' * 64}"),
        ("license", "clauses.user_cap.exists: is yes, was not said"),
        ("license", "clauses.user_cap.over: is 700,000,000, was not said"),
        ("license", "clauses.user_cap.words: is over 700 million users, was not said"),
        ("license", f"sha256 of LICENSE: is {'d' * 64}, was {'c' * 64}"),
        ("openness", "freedom.low: is F1, was F2"),
        ("openness", "evidence: added a report"),
    ]


def test_a_license_is_read_from_its_name_to_its_clauses_whatever_order_its_deed_has() -> None:
    before = papers(id="a", name="A", clauses={"x": 1}, spdx="A-1")
    after = papers(id="b", name="B", clauses={"x": 2}, spdx="B-1", text={"sha256": "2" * 64})
    in_file_order = (
        Deed(replace(STATEMENT, papers={"license": dict(sorted(each["license"].items()))}), DEED.labels)
        for each in (before, after)
    )
    fields_ = [each.field for each in differences(*in_file_order)]
    assert fields_ == ["id", "name", "text.sha256", "clauses.x", "spdx"]


def test_a_license_text_that_went_away_is_said() -> None:
    (found,) = differences(deed(), deed(texts=()))
    assert found.words == f"sha256 of LICENSE: is not said, was {'c' * 64}"


def test_lists_say_what_came_and_what_went() -> None:
    assert Difference("x", "y", ["a", "b"], ["b", "c"]).words == "y: added c; removed a"
    assert Difference("x", "y", ["a", "b"], ["b", "a"]).words == "y: is in another order"
    assert Difference("x", "y", [{"name": "a", "n": 2}], []).words == "y: removed name a, n 2"
    assert Difference("x", "y", "t" * 500, "u").words.endswith("… (500 characters)")


def test_papers_that_came_later_are_differences_field_by_field() -> None:
    found = differences(deed(papers=None), deed())
    assert {each.section for each in found} == {"license", "openness", "lineage"}
    assert all(each.before is None for each in found)


def test_every_field_of_a_statement_is_compared_but_the_day_and_the_writer() -> None:
    """A field added later must be thought of here: each is changed in turn, and the change must show."""
    verification = STATEMENT.verification
    assert verification is not None
    changes: dict[str, Any] = {
        "files": (DeedFile("m.gguf", 10, "f" * 64, "named by you"), STATEMENT.files[1]),
        "origin": replace(STATEMENT.origin, pinned="https://host/m.gguf@2"),
        "facts": replace(STATEMENT.facts, context_length=8),
        "license": "mit",
        "papers": {"openness": {"score": 1}},
        "texts": (),
        "made_from": Derivation("sha256:" + "d" * 64, "m:f16", "repacked", "packer", "1.0"),
        "verification": replace(verification, verdict="finding", findings=(Finding("x.y", "refuse", "m", "Bad."),)),
    }
    unseen = {"kept_at", "freehold", "checks", "written_as", "digest"}  # digest follows from the files
    assert changes.keys() | unseen == {field.name for field in fields(Statement)}
    for name, value in changes.items():
        assert differences(DEED, Deed(replace(STATEMENT, **{name: value}), DEED.labels)), name


def license_(**part: Any) -> Deed:
    return deed(papers={"license": part})


def test_a_key_with_a_dot_in_it_hides_no_other() -> None:
    before, after = {"clauses": {"cap": 1}}, {"clauses": {"cap": 2}, "clauses.cap": 1}
    found = differences(license_(**before), license_(**after))
    assert [(each.field, each.before, each.after) for each in found] == [
        ("clauses.cap", 1, 2),
        ('"clauses.cap"', None, 1),
    ]


def test_what_python_calls_equal_and_json_does_not_is_a_difference() -> None:
    found = differences(license_(a=True, b=[True], c={}), license_(a=1, b=[1]))
    assert [each.words for each in found] == [
        "a: is 1, was yes",
        "b: added 1; removed yes",
        "c: is not said, was nothing",
    ]


def test_no_text_of_a_deed_makes_lines_of_its_own() -> None:
    found = differences(
        license_(id="mit"), license_(id="mit\nfiles\n  sha256 of m: is a", **{"x\u2028\n  license": "y" * 999})
    )
    assert [each.words for each in found] == [
        "id: is mit files sha256 of m: is a, was mit",
        f"x license: is {'y' * 200}… (999 characters), was not said",
    ]


def test_long_lists_are_compared_in_a_moment_and_shown_in_part() -> None:
    before, after = license_(a=list(range(100_000))), license_(a=list(range(1000, 101_000)))
    (found,) = differences(before, after)
    assert found.words == (
        "a: added 100,000, 100,001, 100,002, 100,003, 100,004, 100,005, 100,006, 100,007, 100,008, 100,009 "
        "and 990 more; "
        "removed 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 990 more"
    )


def test_an_item_that_is_there_once_less_is_a_difference() -> None:
    assert Difference("x", "y", ["a", "a"], ["a"]).words == "y: removed a"


def test_a_hash_that_nobody_names_any_more_is_said() -> None:
    weaker = deed(files=(replace(STATEMENT.files[0], verified="unverified: recorded"), STATEMENT.files[1]))
    assert [(each.section, each.words) for each in differences(deed(), weaker)] == [
        ("files", "hash of m.gguf: is unverified: recorded, was named by you")
    ]
