"""`freehold verify NAME`: the files of a held build, held to its deed, and the license the catalog knows of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from freehold.app import build_house
from freehold.cli.main import main
from freehold.core.settings import load
from freehold.python.licenses import served
from freehold.store.store import Store
from tests.gguf_bytes import STRING
from tests.hostile.gguf_files import sound
from tests.unit.test_deeds_held import change
from tests.unit.test_store import take_in, weights

Captured = pytest.CaptureFixture[str]


def test_a_name_of_nothing_is_a_wrong_call_with_the_nearest_and_how_to_get_it(
    home: Path, tmp_path: Path, capsys: Captured
) -> None:
    take_in(Store(home), weights(tmp_path / "tiny.gguf"))
    assert main(["verify", "tinny"]) == 2
    said = capsys.readouterr().err
    assert "There is no file, no folder and no held build tinny. Nearest: tiny" in said
    assert main(["verify", "gemma-3-270m"]) == 2
    assert "freehold pull gemma-3-270m" in capsys.readouterr().err
    assert main(["verify", "openai:gpt-5"]) == 2
    assert "no file and no folder openai:gpt-5" in capsys.readouterr().err


def test_a_held_build_is_hashed_and_held_to_its_deed(home: Path, tmp_path: Path, capsys: Captured) -> None:
    build = take_in(Store(home), weights(tmp_path / "tiny.gguf"))
    assert main(["verify", "tiny", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [file["sha256"] for file in report["files"]] == [build.digest.removeprefix("sha256:")]
    assert "deed.changed" in report["checks"] and report["licenses"] == []
    change(build.files[0], b"\x11\x11", b"\x11\x10")
    assert main(["verify", "tiny", "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["check"], finding["severity"]) == ("deed.changed", "refuse")
    assert finding["message"].startswith("It is not the file that was kept: its sha256 is ")


def test_a_damaged_deed_keeps_a_build_from_being_looked_at_and_the_page_has_that_code(
    home: Path, tmp_path: Path, capsys: Captured
) -> None:
    build = take_in(Store(home), weights(tmp_path / "tiny.gguf"))
    deed = Store(home).layout.build(build.digest) / "deed.json"
    deed.write_text('{"version":2,"statement":1}')
    assert main(["verify", "tiny"]) == 3
    assert "it has no labels and no seals and no signature" in " ".join(capsys.readouterr().err.split())
    page = (Path(__file__).parents[2] / "docs" / "verify.md").read_text()
    assert [line.split()[1] for line in page.splitlines() if line[:3] in {"| 0", "| 1", "| 2", "| 3", "| 4"}] == [
        *"01423"
    ]


def test_a_path_comes_before_a_name_and_is_held_to_no_deed(home: Path, tmp_path: Path, capsys: Captured) -> None:
    take_in(Store(home), weights(tmp_path / "a" / "tiny.gguf"))
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "m.gguf").write_bytes(sound())
    assert main(["verify", "tiny", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [Path(file["name"]).name for file in report["files"]] == ["m.gguf"]
    assert "deed.changed" not in report["checks"]


def test_a_file_that_only_calls_itself_a_model_is_not_said_to_be_it(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(sound({"general.name": (STRING, "Gemma 3 270M"), "general.license": (STRING, "gemma")}))
    assert main(["verify", str(path), "--hash"]) == 0
    said = capsys.readouterr().out
    assert "m.gguf calls itself, as any file can, gemma-3-270m" in said
    assert "(gemma-2025-03-24); the file says gemma" in said


@pytest.mark.engine
@pytest.mark.parametrize(
    ("name", "file", "license", "stated", "duties"),
    [
        ("smollm2-135m-instruct", "smollm2_gguf", "apache-2.0", "apache-2.0", 1),
        ("gemma-3-270m", "gemma3_gguf", "gemma-2025-03-24", "gemma", 4),
    ],
)
def test_the_real_models_are_clean_with_the_right_license_and_its_duties(
    name: str, file: str, license: str, stated: str, duties: int, request: pytest.FixtureRequest, capsys: Captured
) -> None:
    assert main(["pull", str(request.getfixturevalue(file)), "--in-place", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["verify", name, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "clean" and {each["severity"] for each in report["findings"]} <= {"note"}
    assert {"gguf.tokenizer.duplicate", "gguf.tensor.padding", "provenance.license"} <= set(report["checks"])
    (found,) = report["licenses"]
    assert (found["model"], found["known_by"], found["organization"]) == (name, "sha256", None)
    assert (found["license"], found["stated"]) == (license, stated)
    assert (found["decision"], found["duties"]) == ("allow with duties", duties)
    assert main(["verify", name]) == 0
    said = capsys.readouterr().out
    assert f"is, by its sha256, {name}" in said and f"freehold license check {name}" in said


def test_the_decision_is_for_the_organization_of_the_house(tmp_path: Path, gemma3_gguf: Path, capsys: Captured) -> None:
    assert main(["pull", str(gemma3_gguf), "--in-place", "--quiet"]) == 0
    (tmp_path / "freehold.toml").write_text(
        '[organization]\nname = "Example AG"\n[policy]\ndenied_licenses = ["gemma-2025-03-24"]\n'
    )
    capsys.readouterr()
    assert main(["verify", "gemma-3-270m", "--json"]) == 0, "what is denied is no harm to the machine"
    (found,) = json.loads(capsys.readouterr().out)["licenses"]
    assert (found["decision"], found["organization"]) == ("deny", "Example AG")
    assert main(["verify", str(gemma3_gguf), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["licenses"]
    assert (found["known_by"], found["organization"]) == ("name", None), "a path has no house"


def test_a_forged_signature_on_the_deed_of_a_held_build_is_found(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = take_in(Store(home), weights(tmp_path / "Tiny.Q4_1.gguf"))
    assert main(["signing", "create"]) == main(["deed", "sign", build.name]) == 0
    deed = Store(home).layout.build(build.digest) / "deed.json"
    text = deed.read_text()
    value = json.loads(text)["signature"]["value"]
    deed.write_text(text.replace(value, "0" * len(value)))
    capsys.readouterr()
    assert main(["verify", build.name, "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["check"], finding["severity"]) == ("deed.signature", "refuse")
    assert "freehold deed verify" in finding["hint"]
    (line,) = served(build_house(load()))
    assert line.startswith("Not served: The signature on the deed of tiny")
