"""`freehold license` as people and programs call it: four organizations, four right answers, and what is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from freehold.catalog.licenses import Licenses
from freehold.cli.main import main
from freehold.store.overrides import Overrides

FACTS = {
    "name": '"Example"',
    "domicile": '"US"',
    "commercial": "true",
    "sectors": "[]",
    "monthly_active_users": "40_000",
    "monthly_active_users_peak": "60_000",
    "revenue_month_usd": "1_000_000",
    "revenue_year_usd": "9_000_000",
    "hosts_for_others": "false",
    "offers_services": "false",
    "distributes": "false",
    "trains_on_outputs": "false",
    "strips_guardrails": "false",
}


def profile(folder: Path, policy: str = "", **facts: str) -> str:
    """A file with the organization of FACTS, changed by `facts`."""
    lines = "\n".join(f"{name} = {value}" for name, value in {**FACTS, **facts}.items() if value)
    file = folder / "profile.toml"
    file.write_text(f"[organization]\n{lines}\n[policy]\n{policy}\n")
    return str(file)


def checked(capsys: pytest.CaptureFixture[str], model: str, file: str) -> tuple[int, dict[str, Any]]:
    code = main(["license", "check", model, "--as", file, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_users_of_the_month_before_the_release_hit_llamas_cap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users = {"monthly_active_users": "900_000_000", "monthly_active_users_peak": "900_000_000"}
    file = profile(tmp_path, **users, monthly_active_users_at='{ "2024-06" = 800_000_000 }')
    code, verdict = checked(capsys, "llama-3.1-8b-instruct", file)
    assert (code, verdict["decision"]) == (1, "deny")
    (reason,) = verdict["reasons"]
    assert (reason["clause"], reason["section"], reason["license"]) == ("user_cap", "2", "llama3.1")
    assert reason["fact"] == "monthly_active_users_at.2024-06 = 800,000,000"
    assert reason["text_sha256"] == Licenses.load().get("llama3.1").text.sha256  # type: ignore[union-attr]


def test_a_house_in_the_eu_gets_no_grant_of_a_multimodal_llama(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, verdict = checked(capsys, "llama-4-scout-17b-16e-instruct", profile(tmp_path, domicile='"DE"'))
    assert (code, verdict["decision"]) == (1, "deny")
    (reason,) = verdict["reasons"]
    assert (reason["clause"], reason["license"], reason["fact"]) == ("territory", "llama4", "domicile = DE, in the EU")
    code, verdict = checked(capsys, "llama-3.3-70b-instruct", profile(tmp_path, domicile='"DE"'))
    assert (code, verdict["decision"]) == (0, "allow with duties"), "the same clause, and a model of text alone"


def test_training_on_outputs_is_forbidden_by_llama_3_and_named_by_3_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = profile(tmp_path, trains_on_outputs="true")
    code, verdict = checked(capsys, "llama-3-8b-instruct", file)
    assert (code, verdict["decision"]) == (1, "deny")
    assert [(each["clause"], each["section"]) for each in verdict["reasons"]] == [("outputs", "1.b.v")]
    code, verdict = checked(capsys, "llama-3.1-8b-instruct", file)
    assert (code, verdict["decision"], verdict["reasons"]) == (0, "allow with duties", [])
    assert [each["section"] for each in verdict["duties"] if each["kind"] == "naming"] == ["1.b.i"]


def test_a_modified_mit_gives_nothing_above_twenty_million_a_month(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rich = profile(tmp_path, revenue_month_usd="25_000_000", revenue_year_usd="290_000_000")
    code, verdict = checked(capsys, "mistral-medium-3.5-128b", rich)
    assert (code, verdict["decision"]) == (1, "deny")
    reason = verdict["reasons"][0]
    assert (reason["clause"], reason["section"], reason["fact"]) == (
        "revenue_cap",
        "2",
        "revenue_month_usd = 25,000,000",
    )
    code, verdict = checked(capsys, "mistral-medium-3.5-128b", profile(tmp_path))
    assert verdict["decision"] != "deny" and "cap" in {each["kind"] for each in verdict["duties"]}


def test_the_page_has_the_decision_first_the_texts_last_and_eighty_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = profile(tmp_path, trains_on_outputs="true")
    assert main(["license", "check", "deepseek-r1-distill-llama-70b", "--as", file]) == 0
    page = capsys.readouterr().out
    lines = page.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[2].split(maxsplit=1) == ["decision", "allow with duties"]
    headings = [line for line in lines if line.isupper() and not line.startswith(" ")]
    ruled_out = "WHAT DOES NOT APPLY, BY YOUR FACTS"
    assert headings == ["LICENSE CHECK", "WHAT YOU MUST DO", ruled_out, "WHAT MAY END OR CHANGE IT", "READ IN"]
    for license_id in ("mit", "llama3.3"):
        record = Licenses.load().get(license_id)
        assert record is not None and f"sha256:{record.text.sha256}" in page
    assert "by our reading of text" in page and "not legal advice" in page
    assert not {"legal", "compliant", "lawful"} & set(page.replace("not legal advice", "").lower().split())


def test_without_an_organization_it_says_for_whom_and_what_it_would_have_to_know(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["license", "check", "llama-3.3-70b-instruct"]) == 4
    page = " ".join(capsys.readouterr().out.split())
    assert "nobody in particular" in page and "monthly_active_users_at.2024-11 is not stated" in page
    assert main(["license", "check", "smollm2-135m-instruct", "--quiet"]) == 0
    assert capsys.readouterr().out == "allow with duties\n"


def test_the_licenses_without_a_record_are_listed_with_why_and_stay_open(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["license", "list", "--without-record", "--json"]) == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"unknown", "baichuan2-community", "exaone-1.2-nc", "tencent-hunyuan-community"} <= rows.keys()
    assert len(rows) >= 10 and "proprietary" not in rows and "apache-2.0" not in rows
    assert all(row["models"] for row in rows.values())
    assert [name for name, row in rows.items() if name != "unknown" and not row["why"]] == []
    assert main(["license", "check", rows["tencent-hunyuan-community"]["models"][0]]) == 4
    said = " ".join(capsys.readouterr().out.split())
    assert "there is no record of the license tencent-hunyuan-community" in said and "its text has no record" in said
    assert main(["license", "list", "--without-record"]) == 0
    assert "MODELS  WHY" in capsys.readouterr().out


def test_a_model_nobody_knows_is_named_with_those_that_are_near(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["license", "check", "llama-3.1-8b-instrukt"]) == 2, "not the code of a denial"
    assert "llama-3.1-8b-instruct" in capsys.readouterr().err
    assert main(["license", "check", "openai:gpt-5"]) == 2
    assert main(["license", "check", "smollm2-135m-instruct", "--as", "nowhere.toml"]) == 2


def test_a_wrong_profile_is_refused_with_its_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["license", "check", "gemma-3-270m", "--as", profile(tmp_path, domicile='"EU"')]) == 2
    assert "organization.domicile has 'EU', which is a union" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["allowed_licenses", "denied_licenses"])
def test_a_rule_about_a_license_nobody_knows_is_refused(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = profile(tmp_path, f'{key} = ["mit", "CC-BY-NC"]')
    assert main(["license", "check", "smollm2-135m-instruct", "--as", file]) == 2
    assert "the license 'CC-BY-NC', which is not known. Nearest: cc-by-nc-4.0" in capsys.readouterr().err


def test_an_override_is_named_recorded_shown_and_taken_back(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(profile(tmp_path, trains_on_outputs="true")).rename(tmp_path / "freehold.toml")
    model = "llama-3-8b-instruct"
    assert main(["license", "override", model, "contract L-17", "--by", "A. Counsel"]) == 0
    said = f"Override recorded: {model}, by A. Counsel: contract L-17\nIt covers:\n"
    assert capsys.readouterr().out == f"{said}  - what it writes must not train or improve other models\n"
    assert main(["license", "check", model]) == 1, "an override changes no reading"
    page = capsys.readouterr().out
    assert "A. Counsel" in page and "contract L-17" in page and "all that is said above" in page
    assert main(["license", "override", model, "it ended", "--by", "B", "--withdraw"]) == 0
    capsys.readouterr()
    assert main(["license", "check", model, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["override"] is None
    first, second = Overrides(home).every()
    assert (first.by, first.withdrawn, second.withdrawn) == ("A. Counsel", False, True)
    assert first.reasons == ("what it writes must not train or improve other models",)
    assert main(["license", "override", model, "again", "--withdraw"]) == 1


def test_an_override_counts_for_its_own_grounds_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, file = "llama-3-8b-instruct", tmp_path / "freehold.toml"
    Path(profile(tmp_path, trains_on_outputs="true")).rename(file)
    main(["license", "override", model, "contract L-17"])
    Path(profile(tmp_path, 'denied_models = ["llama-*"]', trains_on_outputs="true")).rename(file)
    capsys.readouterr()
    main(["license", "check", model, "--json"])
    standing = json.loads(capsys.readouterr().out)["override"]
    assert standing["covers_this"] is False and standing["by"]


def test_what_is_not_refused_cannot_be_overridden(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["license", "override", "smollm2-135m-instruct", "why not"]) == 2
    assert "There is nothing to override" in capsys.readouterr().err


def test_an_override_needs_a_reason(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(profile(tmp_path, trains_on_outputs="true")).rename(tmp_path / "freehold.toml")
    assert main(["license", "override", "llama-3-8b-instruct", "  "]) == 2
    assert "needs its reason" in capsys.readouterr().err and Overrides(home).every() == ()
    assert main(["license", "override", "llama-3-8b-instruct", "why", "--by", " "]) == 2
    assert "names nobody" in capsys.readouterr().err and Overrides(home).every() == ()


def test_overrides_that_cannot_be_read_let_nothing_through(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "overrides.jsonl").write_text('{"subject": "llama-3-8b-instruct"}\n')
    assert main(["license", "check", "llama-3-8b-instruct"]) == 3
    assert "line 1 is not an override" in capsys.readouterr().err


def test_the_list_has_every_license_and_one_is_shown_by_its_id_or_its_tag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["license", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) >= 27 and {row["id"] for row in rows} == set(Licenses.load().ids)
    assert main(["license", "show", "Apache-2.0", "--quiet"]) == 0
    assert capsys.readouterr().out == "apache-2.0\n"
    assert main(["license", "show", "llama3.3"]) == 0
    page = capsys.readouterr().out
    assert "section 1.b.i" in page and "Built with Llama" in page and max(map(len, page.splitlines())) <= 80
    assert main(["license", "show", "gemma"]) == 2, "the tag does not say which text"
    assert "gemma-2024-04-01" in capsys.readouterr().err
    assert main(["license", "show", "lama3.3"]) == 1
    assert "llama3.3" in capsys.readouterr().err


def test_a_text_is_one_license_exactly_or_modified_or_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mit = (Path(__file__).parents[2] / "src/freehold/catalog/licenses/texts/mit.txt").read_text()
    for text, code, kind in (
        (mit, 0, "exact"),
        (
            f"{mit}\n\nIf your revenue is above 20 million US dollars you have no rights under this license.\n",
            1,
            "modified",
        ),
        ("All rights reserved, mostly.", 4, "unknown"),
    ):
        (tmp_path / "LICENSE").write_text(text)
        assert main(["license", "recognize", "LICENSE", "--json"]) == code
        found = json.loads(capsys.readouterr().out)
        assert (found["kind"], found["license"]) == (kind, None if kind == "unknown" else "mit")
    (tmp_path / "LICENSE").write_bytes(b"\xff\xfe\x00")
    assert main(["license", "recognize", "LICENSE"]) == 2
