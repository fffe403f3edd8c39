"""`freehold find` and `freehold show MODEL` as people and programs call them."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.catalog.find import (
    Graded,
    Interval,
    Query,
    read_license,
    read_openness,
    read_size,
    search,
)
from freehold.catalog.model import CatalogModel, Publisher
from freehold.cli.main import main
from freehold.core.errors import CallError

SOMEBODY = Publisher("somebody", "Somebody", "community")


def graded(name: str, *, label: tuple[int, int] = (3, 3), freedom: tuple[int, int] = (3, 3), **facts: Any) -> Graded:
    return Graded(CatalogModel(name, name.title(), SOMEBODY, "mit", **facts), freedom, (1, 1), label)


def names(models: list[Graded], **query: Any) -> list[str]:
    return [each.model.name for each in search(models, Query(**query))]


def test_a_size_that_nobody_knows_is_neither_small_nor_large() -> None:
    models = [graded("small", parameters=4 * 10**9), graded("big", parameters=70 * 10**9), graded("dark")]
    assert names(models, size=read_size("<10b")) == ["small"]
    assert names(models, size=read_size(">=70B")) == ["big"]
    assert names(models, size=read_size("4b-70b")) == ["big", "small"]
    assert names(models, sort="size") == ["small", "big", "dark"]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("<10b", Interval(None, 10**10 - 1)),
        ("<= 270M", Interval(None, 270 * 10**6)),
        ("> 1.5b", Interval(15 * 10**8 + 1, None)),
        ("7b-14b", Interval(7 * 10**9, 14 * 10**9)),
        ("1t", Interval(0.9 * 10**12, 1.1 * 10**12)),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: Interval) -> None:
    assert read_size(text) == pytest.approx(size)


@pytest.mark.parametrize("text", ["", "big", "7b-", "1b-2b-3b", "14b-7b", "<7b-14b", "-5b", "5q", "<"])
def test_what_is_no_size_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(CallError, match="within a tenth"):
        read_size(text)


def test_openness_at_least_goes_by_what_is_shown_and_at_most_by_what_is_possible() -> None:
    models = [graded("open"), graded("unsure", label=(1, 3)), graded("shut", label=(0, 0))]
    assert names(models, openness=read_openness("L3")) == ["open"]
    assert names(models, openness=read_openness("open weights")) == ["open"]
    assert names(models, openness=read_openness("<=L1")) == ["shut"]
    assert names(models, openness=read_openness("L1-L3")) == ["open", "unsure"]


@pytest.mark.parametrize("text", ["L6", "open-ish", "F3", "<L1-L2", "L", "L1-L2-L3", "L3-L1", "<=", ""])
def test_what_is_no_label_is_refused_with_the_names(text: str) -> None:
    with pytest.raises(CallError, match="open science"):
        read_openness(text)


def test_a_license_is_a_freedom_or_one_that_occurs() -> None:
    assert read_license("f2", ["mit"]) == (Interval(2, None), None)
    assert read_license("MIT", ["mit"]) == (None, "mit")
    with pytest.raises(CallError, match="Nearest: apache-2"):
        read_license("apache-2", ["mit", "apache-2.0"])


def test_names_stand_in_the_order_people_count_in_and_dates_newest_first() -> None:
    models = [
        graded("a-70b", weights_released=date(2025, 1, 1)),
        graded("a-8b", api_released=date(2026, 1, 1)),
        graded("a-1.5b"),
    ]
    assert names(models, sort="name") == ["a-1.5b", "a-8b", "a-70b"]
    assert names(models, sort="released") == ["a-8b", "a-70b", "a-1.5b"]
    assert names([graded("x-a-8b"), graded("a-8b-it"), graded("a-8b")], text="A 8b") == ["a-8b", "a-8b-it", "x-a-8b"]


def test_words_in_any_order_find_a_model_by_name_title_publisher_and_repository(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for words in (["70b", "LLAMA", "3.3"], ["meta-llama/Llama-3.3-70B-Instruct"], ["Meta", "llama-3.3-70b"]):
        assert main(["find", *words, "--quiet"]) == 0
        assert "llama-3.3-70b-instruct" in capsys.readouterr().out.splitlines()


def test_programs_get_stable_keys_and_null_for_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) >= 120
    assert {frozenset(row) for row in rows} == {
        frozenset(
            {
                *("name", "title", "publisher", "publisher_kind", "parameters", "parameters_nominal"),
                *("active_parameters", "context_tokens", "license", "freedom", "published", "label", "skills"),
                *("inherited_licenses", "modalities", "weights", "released", "repository", "pullable"),
            }
        )
    }
    assert next(row for row in rows if row["name"] == "gpt-4o")["parameters"] is None
    assert {row["name"] for row in rows if row["pullable"]} >= {"smollm2-135m-instruct", "gemma-3-270m"}


def test_every_filter_holds_for_every_model_it_finds(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--size", "<10b", "--license", "F3", "--skill", "tools", "--open-weights", "--openness", "open weights"]
    assert main(["find", *options, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert "smollm3-3b" in {row["name"] for row in rows}
    for row in rows:
        assert row["parameters"] < 10**10 and row["freedom"]["low"] == 3 and "tools" in row["skills"]
        assert row["weights"] == "published" and row["label"]["low"] >= 3


def test_a_license_is_the_models_own_and_what_binds_it_comes_with_bases_too(capsys: pytest.CaptureFixture[str]) -> None:
    def found(*options: str) -> dict[str, dict[str, Any]]:
        assert main(["find", *options, "--json"]) == 0
        return {row["name"]: row for row in json.loads(capsys.readouterr().out)}

    own, bound, mit = found("--license", "llama3.3"), found("--bound-by", "llama3.3"), found("--license", "mit")
    distilled = "deepseek-r1-distill-llama-70b"
    assert "llama-3.3-70b-instruct" in own and distilled not in own
    assert own.keys() < bound.keys() and distilled in bound.keys() & mit.keys()
    assert all("llama3.3" in (row["license"], *row["inherited_licenses"]) for row in bound.values())
    assert (
        bound[distilled]["inherited_licenses"] == ["llama3.3"]
        and own["llama-3.3-70b-instruct"]["inherited_licenses"] == []
    )
    assert main(["find", "--license", "llama3.3"]) == 0
    said = capsys.readouterr()
    assert "bound by llama3.3, through a base: --bound-by llama3.3." in said.err
    assert main(["find", distilled]) == 0
    said = capsys.readouterr()
    assert "mit + llama3.3" in said.out and "--bound-by" not in said.err
    assert main(["find", "--bound-by", "llama-3.3"]) == 2
    assert "Nearest: llama3.3" in capsys.readouterr().err


def test_the_table_shows_the_interval_that_unknowns_leave(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "bloom", "--publisher", "bigscience"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["MODEL", "SIZE", "LICENSE", "OPENNESS", "SKILLS", "PULL"]
    (bloom,) = [row for row in rows if row.startswith("bloom ")]
    assert "L2 T4" in bloom and bloom.endswith("no")


def test_a_text_no_model_has_is_the_answer_no_with_the_nearest_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "smolm2-135m-instrukt"]) == 1
    assert "smollm2-135m-instruct" in capsys.readouterr().err


def test_filters_that_leave_nothing_are_the_answer_no(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "gpt-4o", "--open-weights"]) == 1
    assert "Ask for less" in capsys.readouterr().err
    assert main(["find", "gpt-4o", "--open-weights", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [("--skill", "flying", "multilingual"), ("--sort", "color", "released"), ("--license", "F9", "F0 to F3")],
)
def test_what_an_option_does_not_know_is_a_wrong_call_with_what_it_knows(
    option: str, value: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["find", option, value]) == 2
    assert says in capsys.readouterr().err


def test_show_prints_the_paper_of_a_model_that_is_not_held(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "gpt-oss-120b", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert set(shown) == {"model", "license", "openness", "lineage", "held", "overrides", "fit", "taken_for"}
    assert shown["held"] == [] and shown["model"]["name"] == "gpt-oss-120b"
    assert main(["show", "hf:openai/gpt-oss-120b", "--quiet"]) == 0
    assert capsys.readouterr().out == "gpt-oss-120b\n"


def test_a_search_for_what_fits_says_which_build_to_take(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "--publisher", "deepseek", "--fits", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    names = {row["name"] for row in rows}
    assert "deepseek-r1-distill-qwen-1.5b" in names and "deepseek-v3" not in names, "671 billion weights fit nowhere"
    assert all(row["fit"]["fits"] is True and row["fit"]["tag"] in row["fit"]["reason"] for row in rows)
    assert main(["find", "--publisher", "deepseek", "--fits"]) == 0
    out, err = capsys.readouterr()
    header, *lines = out.splitlines()
    assert header.endswith("FITS AS") and len(lines) == len(rows)
    assert "it cannot be said whether they fit" in err
    assert main(["find", "deepseek-v3", "--fits"]) == 1


def test_show_says_which_build_to_take_on_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "smollm2-135m-instruct", "--json"]) == 0
    fit = json.loads(capsys.readouterr().out)["fit"]
    assert fit["fits"] is True and fit["reason"].startswith(f"{fit['tag']}: ")
    assert main(["show", "smollm2-135m-instruct"]) == 0
    assert f" build {fit['tag']}: " in " ".join(capsys.readouterr().out.split())
    assert main(["show", "gpt-4o", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fit"] is None, "its weights are withheld"


def test_show_of_a_name_nobody_knows_gives_the_nearest_that_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "gpt-os-120b"]) == 1
    said = capsys.readouterr().err
    assert "gpt-oss-120b" in said and "freehold find" in said


@given(st.text(max_size=12) | st.from_regex(r"[<>=]{0,2} ?[0-9.LFbmk-]{0,8}", fullmatch=True))
def test_whatever_is_typed_for_a_filter_is_read_or_refused(text: str) -> None:
    for read in (read_size, read_openness, lambda text: read_license(text, ["mit"])[0]):
        try:
            found = read(text)
        except CallError as error:
            assert error.hint
        else:
            assert found is None or not (found.low is None and found.high is None)
