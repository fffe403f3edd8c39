"""`freehold verify` as people, programs and scanners see it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from freehold.cli.main import main
from freehold.weights.report import CANNOT_SHOW
from tests.gguf_bytes import STRING
from tests.hostile.gguf_files import sound
from tests.hostile.other_files import PICKLE
from tests.hostile.safetensors_files import HOSTILE, safetensors

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    path = tmp_path / "clean" / "m.gguf"
    path.parent.mkdir()
    path.write_bytes(sound())
    return path


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(PICKLE)
    return path


def test_the_exit_code_says_clean_finding_undecidable_or_wrong_call(clean: Path, wrong: Path, tmp_path: Path) -> None:
    assert main(["verify", str(clean)]) == 0
    assert main(["verify", str(clean), str(wrong)]) == 1
    undecided = HOSTILE["safetensors.dtype"].write(tmp_path)
    wrong.unlink()
    assert main(["verify", str(undecided)]) == 4
    assert main(["verify", str(tmp_path / "nothing")]) == 2
    assert main(["verify"]) == 2


def test_a_missing_path_is_named_with_what_to_do(capsys: Captured) -> None:
    main(["verify", "./nothing.gguf"])
    said = capsys.readouterr().err
    assert "There is no file and no folder nothing.gguf." in said and "freehold verify PATH" in said


def test_people_see_the_files_each_finding_and_what_cannot_be_shown(clean: Path, wrong: Path, capsys: Captured) -> None:
    main(["verify", str(clean), str(wrong)])
    said = capsys.readouterr().out
    rows = [line.split() for line in said.splitlines()[:3]]
    assert rows[0] == ["FILE", "FORMAT", "SIZE", "VERDICT"]
    assert [row[-1] for row in rows[1:]] == ["clean", "refuse"]
    assert "refuse    pickle.stream" in said and "CVE-2025-32434" in said and "Use a build in safetensors" in said
    assert "2 files, " in said and all(what in said for what in CANNOT_SHOW)
    assert "safe to open" not in said


def test_nothing_clean_is_called_safe(clean: Path, capsys: Captured) -> None:
    main(["verify", str(clean)])
    said = capsys.readouterr().out
    assert "nothing was found" in said and "No look at bytes can show" in said


def test_programs_get_the_whole_report(clean: Path, wrong: Path, capsys: Captured) -> None:
    assert main(["verify", str(clean), str(wrong), "--json", "--hash"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {"verdict", "files", "checks", "findings", "undecided", "cannot_show", "licenses"}
    assert report["files"][0]["sha256"] == hashlib.sha256(clean.read_bytes()).hexdigest()
    (finding,) = report["findings"]
    assert set(finding) == {"check", "severity", "file", "message", "hint", "offset", "cves"}
    assert (finding["check"], finding["file"], finding["offset"]) == ("pickle.stream", str(wrong), None)


def test_scripts_get_one_word(clean: Path, wrong: Path, capsys: Captured) -> None:
    assert main(["verify", str(wrong), "--quiet"]) == 1
    assert capsys.readouterr().out == "finding\n"


def test_a_scanner_gets_sarif_with_every_rule_that_ran(tmp_path: Path, capsys: Captured) -> None:
    HOSTILE["safetensors.shape.size"].write(tmp_path)
    (tmp_path / "b c.safetensors").write_bytes(HOSTILE["safetensors.dtype"].files["m.safetensors"])
    assert main(["verify", str(tmp_path), "--sarif"]) == 1
    log = json.loads(capsys.readouterr().out)
    assert (log["version"], "sarif-schema-2.1.0.json" in log["$schema"]) == ("2.1.0", True)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules) and all(rule["shortDescription"]["text"] for rule in rules)
    wrong, undecided = run["results"]
    assert (wrong["ruleId"], wrong["level"]) == ("safetensors.shape.size", "error")
    assert rules[wrong["ruleIndex"]]["id"] == wrong["ruleId"]
    place = wrong["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == (tmp_path / "m.safetensors").as_uri()
    assert place["region"]["byteOffset"] > 8
    # A result that is not of kind "fail" has no level (SARIF 2.1.0, 3.27.10).
    assert (undecided["ruleId"], undecided["kind"], undecided["level"]) == ("safetensors.dtype", "open", "none")
    assert "b%20c.safetensors" in undecided["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]


def test_two_forms_of_one_answer_are_a_wrong_call(clean: Path) -> None:
    assert main(["verify", str(clean), "--json", "--sarif"]) == 2


def test_a_folder_of_many_files_shows_those_of_which_there_is_something_to_say(
    tmp_path: Path, capsys: Captured
) -> None:
    for number in range(30):
        (tmp_path / f"{number}.safetensors").write_bytes(safetensors())
    (tmp_path / "bad.bin").write_bytes(PICKLE)
    main(["verify", str(tmp_path)])
    said = capsys.readouterr().out
    assert "bad.bin" in said and "17.safetensors" not in said and "31 files" in said


def test_a_files_name_makes_up_no_line_of_its_own(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "m.bin\n0 files, 0 checks: nothing was found\x1b[2J").write_bytes(PICKLE)
    main(["verify", str(tmp_path)])
    said = capsys.readouterr().out
    assert not any(line.startswith("0 files") for line in said.splitlines()) and "\x1b" not in said


@pytest.mark.parametrize("form", [[], ["--json"], ["--sarif"], ["--hash"]])
def test_a_files_name_may_be_any_bytes(form: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"m\xff.gguf")
    (tmp_path / name).write_bytes(sound({"tokenizer.chat_template": (STRING, "{{ lipsum }}")}))
    assert main(["verify", str(tmp_path), *form]) == 1
    assert "udcff.gguf" in capfd.readouterr().out


def test_what_a_known_model_says_of_its_license_is_compared(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(sound({"general.name": (STRING, "Gemma 3 270M"), "general.license": (STRING, "mit")}))
    assert main(["verify", str(path)]) == 1
    assert "provenance.license" in capsys.readouterr().out
