"""Terms that stand at a live address are read as of a day, and that is said wherever a reading of them is printed."""

from __future__ import annotations

import json

import pytest

from freehold.catalog.licenses import Licenses
from freehold.cli.main import main

LICENSES = Licenses.load()
Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("license_id", "what"),
    [
        ("gemma-2025-03-24", "The terms and the list of forbidden uses stand"),
        ("llama3.3", "The list of forbidden uses stands"),
        ("nvidia-open-model-2025-04-28", "The terms stand"),
    ],
)
def test_what_may_have_changed_is_said_with_the_day_it_was_read(license_id: str, what: str) -> None:
    record = LICENSES.get(license_id)
    assert record is not None and record.live is not None
    assert record.live.startswith(f"{what} where the publisher may change them: this is what was read on 2026-11-24")


def test_a_text_that_stands_has_nothing_said_of_it() -> None:
    assert {record.live for record in LICENSES if record.kind == "open source"} == {None}
    assert [record.id for record in LICENSES if record.id in {"qwen-2024", "kimi-k3", "mrl-0.1"} and record.live] == []


def test_every_list_by_reference_that_may_change_and_every_mutable_text_says_so() -> None:
    for record in LICENSES:
        use, updates = record.clauses.acceptable_use, record.clauses.updates
        mutable = use is not None and use.form == "by reference" and use.mutable
        changing = updates is not None and (updates.license_mutable or updates.use_policy_mutable)
        assert bool(record.live) == bool(mutable or changing or record.text.live), record.id


def test_it_stands_on_the_paper_in_the_check_and_for_programs(capsys: Captured) -> None:
    for command in (
        ["show", "gemma-3-270m"],
        ["license", "show", "gemma-2025-03-24"],
        ["license", "check", "gemma-3-270m"],
    ):
        assert main(command) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert "this is what was read on 2026-11-24, not what is there today" in said, command
    assert main(["license", "check", "gemma-3-270m", "--json"]) == 0
    (reading,) = json.loads(capsys.readouterr().out)["readings"]
    assert "not what is there today" in reading["live"]
    assert main(["show", "smollm2-135m-instruct", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["license"]["live"] is None
