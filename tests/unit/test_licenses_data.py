"""Every shipped record against the published clause readings it was checked with, where they are at hand."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.catalog.licenses import Clause, Clauses, License, Licenses

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "openness"
LICENSES = Licenses.load()

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the published readings are not at {DATA}")

# The readings name two clauses otherwise, and file some values elsewhere than the records do.
NAMES = {"output_rule": "outputs", "attribution": "redistribution"}
ELSEWHERE = {
    ("mnpl-0.1", "acceptable_use"): "field",
    ("mrl-0.1", "acceptable_use"): "field",
    ("apache-2.0", "termination"): "patents",
    ("deepseek-1.0", "termination"): "patents",
    ("bigscience-openrail-m", "termination"): "patents",
    ("falcon3-tii-2024", "termination"): "patents",
    ("falcon2-11b-tii", "termination"): "patents",
}
# The readings file a name that must be shown under attribution, the records under naming.
UNDER_ATTRIBUTION = {("grok2", "naming"), ("stability-community-2024", "naming")}
# Where the readings describe a place in words, ours are others.
POLICY_PARAGRAPH = "policy, last paragraph but the contacts"


def _rows() -> list[dict[str, Any]]:
    if not DATA.is_dir():
        return []
    rows: list[dict[str, Any]] = json.loads((DATA / "licence_clauses.json").read_text())["licences"]
    return rows


ROWS = _rows()
IDS = [row["id"] for row in ROWS]


def _record(row: dict[str, Any]) -> License:
    record = LICENSES.get(row["id"])
    assert record is not None, row["id"]
    return record


def _clause(row: dict[str, Any], name: str) -> Clause | None:
    own = ELSEWHERE.get((row["id"], name), NAMES.get(name, name))
    clause: Clause | None = getattr(_record(row).clauses, own)
    return clause


def test_there_are_twenty_seven_readings() -> None:
    assert len(ROWS) == 27


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_record_is_of_the_text_that_was_read(row: dict[str, Any]) -> None:
    record = _record(row)
    texts = [text for text in (record.text, record.use_policy) if text is not None]
    assert row["text_sha256"] in {text.sha256 for text in texts}
    assert row["text_source"].partition("@")[0] in texts[0].source
    assert all(text.seen for text in texts)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_clause_exists_where_the_reading_found_one_and_in_that_section(row: dict[str, Any]) -> None:
    for name, reading in row["clauses"].items():
        clause = _clause(row, name)
        assert clause is not None, name
        silent = reading["value"] in ("none", "silent")
        assert clause.exists or silent, f"{name}: {reading['value']}"
        section = reading["section"]
        if silent or section in {None, "-"}:
            continue
        expected = "policy, head" if section == "PUP head" else section
        if section.startswith("AUP, last para"):
            expected = POLICY_PARAGRAPH
        assert clause.section == expected, name


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_what_the_reading_did_not_find_the_record_does_not_claim(row: dict[str, Any]) -> None:
    for name, reading in row["clauses"].items():
        if reading["value"] == "none" and (row["id"], name) not in ELSEWHERE:
            clause = _clause(row, name)
            assert clause is not None
            assert not clause.exists or (row["id"], name) in UNDER_ATTRIBUTION, name


EFFECTS = {
    "must request licence": "request a license",
    "display name only": "display a name",
    "display name": "display a name",
    "separate agreement": "request a license",
    "no rights at all": "no rights",
    "licence terminates": "license ends",
}


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_caps_are_the_numbers_that_were_read(row: dict[str, Any]) -> None:
    clauses = _record(row).clauses
    for name, cap in (("user_cap", clauses.user_cap), ("revenue_cap", clauses.revenue_cap)):
        reading = row["clauses"][name]["value"]
        assert cap is not None
        if reading == "none":
            assert cap.over is None
            continue
        assert (cap.over, cap.effect) == (reading["over"], EFFECTS[reading["effect"]])
        if "measured" in reading and clauses.user_cap is not None:
            once = reading["measured"].startswith("once")
            assert clauses.user_cap.measured == ("release date" if once else "continuing")
            assert (clauses.user_cap.measured_on is not None) == once
        if "currency" in reading and clauses.revenue_cap is not None:
            assert clauses.revenue_cap.currency == reading["currency"]
            assert reading["period"].partition(",")[0] in {clauses.revenue_cap.period, "12 months"}
            assert (clauses.revenue_cap.activity == "any") == ("Model-as-a-Service" not in reading["period"])


def _irrevocable(clauses: Clauses) -> str:
    assert clauses.grant is not None
    return clauses.grant.irrevocable


def _train_others(clauses: Clauses) -> str:
    assert clauses.outputs is not None
    return clauses.outputs.train_others


def _commercial(clauses: Clauses) -> str:
    assert clauses.commercial is not None
    return clauses.commercial.value


def _form(clauses: Clauses) -> str:
    assert clauses.acceptable_use is not None
    return clauses.acceptable_use.form


Ours = Callable[[Clauses], str]
# A word of the reading, and the value the record must then have.
WORDS: tuple[tuple[str, Ours, str, str], ...] = (
    ("commercial", _commercial, "yes", "yes"),
    ("commercial", _commercial, "conditional", "conditional"),
    ("commercial", _commercial, "no", "no"),
    ("acceptable_use", _form, "by reference", "by reference"),
    ("acceptable_use", _form, "inline", "inline"),
    ("acceptable_use", _form, "law", "law only"),
    ("output_rule", _train_others, "forbidden", "forbidden"),
    ("output_rule", _train_others, "models distilled", "derivative"),
    ("output_rule", _train_others, "distilled models are", "derivative"),
    ("output_rule", _train_others, "models from Output", "derivative"),
    ("output_rule", _train_others, "allowed", "name duty"),
    ("output_rule", _train_others, "unclaimed", "free"),
    ("output_rule", _train_others, "explicitly free", "free"),
    ("grant", _irrevocable, "REVOCABLE", "no"),
    ("grant", _irrevocable, "irrevocable", "yes"),
    ("grant", _irrevocable, "perpetual, irrevocable", "yes"),
    ("grant", _irrevocable, "perpetual but REVOCABLE", "no"),
    ("grant", _irrevocable, "limited", "silent"),
    ("grant", _irrevocable, "silent", "silent"),
)


@pytest.mark.parametrize(("name", "ours", "word", "value"), WORDS, ids=[f"{w[0]}: {w[2]}" for w in WORDS])
def test_a_word_of_the_readings_means_one_value_of_the_records(name: str, ours: Ours, word: str, value: str) -> None:
    said = {
        row["id"]: ours(_record(row).clauses) for row in ROWS if str(row["clauses"][name]["value"]).startswith(word)
    }
    assert said, f"no reading of {name} begins with {word!r}"
    assert set(said.values()) == {value}, said


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_names_that_must_be_shown_are_the_ones_that_were_read(row: dict[str, Any]) -> None:
    naming = _record(row).clauses.naming
    reading = f"{row['clauses']['attribution']['value']} {row['clauses']['naming']['value']}"
    shown = {word.strip() for word in reading.split('"')[1::2]}
    assert naming is not None
    if naming.exists and naming.display_when != "publicity" and naming.applies_to == "all":
        assert {name for name in (naming.prefix, naming.display) if name} <= shown | {"Built with Qwen"}
    assert naming.exists or not shown


def test_tags_are_tags_of_the_hub() -> None:
    with (DATA / "hf_license_tags.csv").open(encoding="utf-8") as file:
        tags = {row["tag"] for row in csv.DictReader(file)}
    assert len(tags) > 70
    read = {tag for row in ROWS for tag in row["hf_tags"]}
    used = {tag for record in LICENSES for tag in record.hf_tags}
    assert used - tags - read == set()
    assert len(used) >= 20
