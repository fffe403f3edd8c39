"""Rows become records, and every problem of a row is reported at once with its line."""

from __future__ import annotations

from datetime import date

import pytest

from freehold.catalog.licenses.reader import read_license
from freehold.core.errors import CatalogError

ROW = """\
id = "house-1.0"
name = "House License 1.0"
kind = "community"
summary = "For houses."

[text]
source = "a shelf"
retrieved = 2026-11-24
seen = true

[clauses]
commercial = { value = "conditional", section = "2" }
user_cap = { over = 700, measured = "release date", measured_on = 2024-07-23, effect = "no rights", section = "3" }
revenue_cap = "none"
territory = { excluded = ["EU"], applies_to = "multimodal", section = "4", place = "use policy" }
"""


def _problems(text: str) -> list[tuple[int | None, str]]:
    with pytest.raises(CatalogError) as caught:
        read_license(text, "house-1.0.toml")
    return [(problem["line"], problem["text"]) for problem in caught.value.data["problems"]]


def test_a_row_becomes_a_record_with_typed_clauses() -> None:
    clauses = read_license(ROW, "house-1.0.toml").clauses
    assert clauses.commercial is not None
    assert (clauses.commercial.value, clauses.commercial.section) == ("conditional", "2")
    assert clauses.user_cap is not None
    assert (clauses.user_cap.over, clauses.user_cap.measured_on) == (700, date(2024, 7, 23))
    assert clauses.territory is not None
    assert (clauses.territory.excluded, clauses.territory.place) == (("EU",), "use policy")


def test_none_means_looked_for_and_not_there_and_absence_means_unknown() -> None:
    clauses = read_license(ROW, "house-1.0.toml").clauses
    assert clauses.revenue_cap is not None
    assert not clauses.revenue_cap.exists
    assert clauses.outputs is None
    assert "outputs" in clauses.unknown
    assert "revenue_cap" not in clauses.unknown


def test_every_problem_is_reported_together_with_its_line() -> None:
    wrong = ROW.replace('"conditional"', '"perhaps"').replace("over = 700", "over = -1").replace("seen = true\n", "")
    assert _problems(wrong) == [
        (6, "text.seen is missing"),
        (11, "clauses.commercial.value must be one of 'yes', 'conditional', 'no', not 'perhaps'"),
        (12, "clauses.user_cap.over must be a whole number, not negative, not -1"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('summary = "For houses."', 'sumary = "For houses."', 4, "did you mean 'summary'"),
        ('revenue_cap = "none"', 'revenue_kap = "none"', 14, "did you mean 'revenue_cap'"),
        ('effect = "no rights"', 'effect = "a fine"', 13, "must be one of 'request a license'"),
        ('excluded = ["EU"]', 'excluded = "EU"', 15, "must be a list"),
        ('excluded = ["EU"]', "excluded = [1]", 15, "must be a string"),
        ("2024-07-23", '"2024-07-23"', 13, "must be a date"),
        (', section = "4"', "", 15, 'needs its section, or "none"'),
        ("seen = true", 'seen = true\nsha256 = "abc"', 10, "64 lower-case hexadecimal digits"),
        ("seen = true", 'seen = "yes"', 9, "true or false"),
        ('revenue_cap = "none"', "revenue_cap = 3", 14, "must be a table"),
        ('commercial = { value = "conditional", section = "2" }', 'commercial = "none"', 12, "must be a table"),
        ('id = "house-1.0"', 'id = "house"', 1, "they must agree"),
        ("over = 700", "over = true", 13, "must be a whole number"),
    ],
)
def test_what_a_row_may_not_say(old: str, new: str, line: int, words: str) -> None:
    assert old in ROW
    problems = _problems(ROW.replace(old, new))
    assert [at for at, text in problems if words in text] == [line], problems


def test_a_file_that_is_not_toml_is_refused_by_name() -> None:
    with pytest.raises(CatalogError, match=r"house-1\.0\.toml is not TOML"):
        read_license("id = ", "house-1.0.toml")
