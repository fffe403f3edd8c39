"""`freehold fit` as people and programs call it: what fits, on what, what it stands on, and what it does not know."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from freehold.catalog import Catalog
from freehold.cli.main import main
from tests.gguf_bytes import KEYS, STRING, gguf
from tests.servers.tiny_gguf import tiny_split

CARDS = "2x rtx-4090, 64GB"
KINDS = {"exact", "measured", "estimated", "unknown"}
FIGURES = (
    *("weights_bytes", "kv_cache_bytes", "state_bytes", "compute_bytes", "output_bytes", "adapters_bytes"),
    *(
        "projector_bytes",
        "process_bytes",
        "embedding_copy_bytes",
        "total_bytes",
        "largest_context_tokens",
        "generation_tokens_per_s",
    ),
    *("prompt_tokens_per_s", "loss_nats_per_token"),
)


def called(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["fit", *words])
    out, err = capsys.readouterr()
    return code, out, err


def data(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code, out, _ = called(capsys, *words, "--json")
    return code, json.loads(out)


def row(found: dict[str, Any], tag: str) -> dict[str, Any]:
    (build,) = [each for each in found["builds"] if each["tag"] == tag]
    return dict(build)


def test_a_large_model_is_split_over_two_cards_and_every_figure_says_what_it_rests_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, found = data(capsys, "llama-3.3-70b-instruct", "--on", CARDS)
    assert (code, found["fits"], found["machine"]["here"]) == (0, True, False)
    assert [each["tag"] for each in found["builds"]][:3] == ["bf16", "q8_0", "q6_k"]
    for build in found["builds"]:
        assert {build[name]["kind"] for name in FIGURES} <= KINDS
        assert build["kv_cache_bytes"] == {"kind": "exact", "value": 80 * 8 * 128 * 2 * 2 * 8192}
    small = row(found, "iq4_xs")
    assert (small["fits"], small["offloaded_layers"]) == (True, 80)
    assert [each["place"] for each in small["places"]] == [
        "NVIDIA GeForce RTX 4090 1",
        "NVIDIA GeForce RTX 4090 2",
        "host",
    ]
    assert small["generation_tokens_per_s"]["kind"] == "estimated", "nobody measured a machine that is described"
    assert small["generation_tokens_per_s"]["value"] is None
    assert row(found, "bf16")["fits"] is False
    assert found["recommended"] in found["reason"]


def test_a_name_without_its_variants_suffix_is_taken_for_one_model_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, found = data(capsys, "gemma-3-27b", "--on", CARDS)
    assert (code, found["model"], found["taken_for"]) == (0, "gemma-3-27b-it", "gemma-3-27b")
    _, whole = data(capsys, "gemma-3-27b-it", "--on", CARDS)
    assert whole["taken_for"] is None and whole["builds"] == found["builds"]
    code, out, _ = called(capsys, "gemma-3-27b:q4_k_m", "--on", CARDS)
    assert code == 0
    assert out.startswith("gemma-3-27b: taken as gemma-3-27b-it\ngemma-3-27b-it:q4_k_m on ")
    assert main(["show", "gemma-3-27b"]) == 0
    assert capsys.readouterr().out.startswith("gemma-3-27b: taken as gemma-3-27b-it\n")
    assert main(["show", "gemma-3-27b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["taken_for"] == "gemma-3-27b"


@pytest.mark.parametrize("words", [("pull",), ("license", "check"), ("run",)], ids=" ".join)
def test_what_is_pulled_judged_or_run_is_called_by_its_whole_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    assert main([*words, "gemma-3-27b", *(["Hello"] if words == ("run",) else [])]) in (1, 2)
    assert "gemma-3-27b-it" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["llama-3.3-70b-instruct", "deepseek-v3", "gemma-3-27b-it", "falcon-mamba-7b"])
@pytest.mark.parametrize("on", [CARDS, "2x rtx-4090, 512GB", "1x l40s", "8x h200-sxm", "900GB"])
def test_what_lies_in_all_places_is_what_is_needed_in_all(
    capsys: pytest.CaptureFixture[str], model: str, on: str
) -> None:
    _, found = data(capsys, model, "--on", on)
    parts = FIGURES[:9]
    assert any(build["places"] for build in found["builds"]) or model == "deepseek-v3"
    for build in found["builds"]:
        most = [build[name].get("high", build[name]["value"]) for name in (*parts, "total_bytes")]
        assert sum(most[:-1]) == pytest.approx(most[-1], abs=1)
        lying = sum(each["bytes"] for each in build["places"])
        assert not build["places"] or lying == pytest.approx(most[-1], abs=8), build["tag"]


def test_a_compute_buffer_of_every_place_is_counted_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    _, found = data(capsys, "llama-3.3-70b-instruct:q4_k_m", "--on", CARDS)
    (split,) = found["builds"]
    _, found = data(capsys, "llama-3.3-70b-instruct:q4_k_m", "--on", "1x h200-sxm")
    (whole,) = found["builds"]
    assert (split["computing_places"], whole["computing_places"]) == (2, 1)
    assert split["compute_bytes"]["high"] == 2 * whole["compute_bytes"]["high"]
    code, out, _ = called(capsys, "llama-3.3-70b-instruct:q4_k_m", "--on", CARDS)
    assert code == 0
    assert ", in 2 places" in out and "WHERE IT LIES, AT MOST" in out


def test_one_card_without_a_word_of_its_host_is_planned_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = data(capsys, "llama-3.3-70b-instruct", "--on", "1x l40s")
    assert code == 0
    assert row(found, "iq4_xs")["fits"] is True
    assert row(found, "q8_0")["why_not"].startswith("it needs 7")
    assert any("host was not named" in note for note in found["machine"]["notes"])


def test_latent_attention_keeps_one_key_a_token_on_eight_cards(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = data(capsys, "deepseek-v3:q4_k_m", "--on", "8x h100-sxm", "--context", "65536")
    assert code == 0
    (build,) = found["builds"]
    assert build["kv_cache_bytes"]["value"] == 61 * 65_536 * (512 + 64) * 2
    assert [each["attention"] for each in build["cache_by_attention"]] == ["latent"]


def test_of_latent_attention_the_row_tells_how_much_is_read_for_a_token(capsys: pytest.CaptureFixture[str]) -> None:
    """The layers of eight cards work one after the other, so that the bound is that of one: 37 billion weights of 4.5
    bits less the embedding (a row of it is read), and the cache of half of the context, at 4.8 TB/s. No row says if
    the output is a matrix of its own, so that it may count twice: 2.5 % here. Its 1,952 operations take 1 to 10 us."""
    code, found = data(capsys, "deepseek-v3:q4_k_m", "--on", "8x h200-sxm")
    assert code == 0
    speed = found["builds"][0]["generation_tokens_per_s"]
    read_bytes = (37e9 - 129_280 * 7168) * 4.5 / 8 + 61 * 576 * 2 * 4096
    assert speed["kind"] == "estimated" and speed["value"] is None
    read_s = read_bytes / 4.8e12
    assert 1 / speed["high"] == pytest.approx(read_s / 0.67 + 1952e-6, rel=0.03)
    assert 1 / speed["low"] == pytest.approx(max(read_s / 0.24, read_s / 0.67 + 1952e-5), rel=0.03)


def test_windows_are_told_apart_from_layers_that_see_everything(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("gemma-3-27b-it:q4_k_m", "--context", "131072", "--on", CARDS)
    _, found = data(capsys, *words)
    kinds = {each["attention"]: each for each in found["builds"][0]["cache_by_attention"]}
    assert (kinds["full"]["layers"], kinds["full"]["kv_cache_bytes"]["value"]) == (10, 10_240 * 2**20)
    assert (kinds["window"]["layers"], kinds["window"]["kv_cache_bytes"]["value"]) == (52, 624 * 2**20)
    code, out, _ = called(capsys, *words)
    assert code == 0
    assert "10 layers, full attention: 10,240 MiB" in out
    assert "52 layers, window attention with a window of 1,024 tokens: 624 MiB" in out


@pytest.mark.parametrize(("name", "said"), [("nemotron-3-nano-30b-a3b", "49.9 MB"), ("falcon-mamba-7b", "39.8 MB")])
def test_states_are_shown_beside_the_cache(capsys: pytest.CaptureFixture[str], name: str, said: str) -> None:
    code, out, _ = called(capsys, f"{name}:q4_k_m", "--on", CARDS)
    assert code == 0
    assert f"recurrent state  {said}" in " ".join(out.split()).replace("recurrent state ", "recurrent state  ")


def test_a_quantized_cache_takes_what_its_blocks_take(capsys: pytest.CaptureFixture[str]) -> None:
    _, found = data(capsys, "llama-3.1-8b-instruct:q4_k_m", "--cache-type", "q8_0", "--slots", "4", "--on", CARDS)
    (build,) = found["builds"]
    assert build["kv_cache_bytes"]["value"] == 4 * 32 * 8 * 128 * 2 * 8192 * 34 // 32
    assert (build["run"]["slots"], build["run"]["cache_type_k"]) == (4, "q8_0")


def test_on_the_screen_a_range_an_exact_figure_and_an_unknown_look_different(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = called(capsys, "llama-3.1-8b-instruct:q4_k_m")
    assert code == 0
    assert any(line.startswith("weights") and "≈ " in line for line in out.splitlines())
    assert any(line.split() == ["cache", "1.1", "GB"] for line in out.splitlines())
    assert "unknown: this machine was not measured: `freehold machine" in out


def test_the_models_for_a_task_stand_with_their_license_and_what_the_policy_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "freehold.toml").write_text('[policy]\ndenied_licenses = ["apache-2.0"]\n')
    code, found = data(capsys, "--task", "code", "--on", "1x rtx-4090, 64GB")
    assert code == 0
    assert 0 < len(found["models"]) <= 10
    assert {"code"} <= set.intersection(*(set(each["skills"]) for each in found["models"]))
    assert "apache-2.0" not in {each["license"] for each in found["models"]}
    assert found["denied"] > 0
    assert all(each["build"]["fits"] and each["verdict"] != "deny" for each in found["models"])
    assert found["ordered_by"].startswith("size and age")


def test_what_no_machine_here_does_is_answered_with_the_smallest_that_would(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("llama-3.1-8b-instruct", "--need", "4 users, 8k context, 30 tok/s", "--on", "4GB")
    code, found = data(capsys, *words)
    assert (code, found["fits"], found["recommended"]) == (1, False, None)
    assert found["need"]["users"] == 4
    assert 0 < len(found["machines"]) <= 5
    for machine in found["machines"]:
        speed = machine["build"]["generation_tokens_per_s"]
        assert speed["low"] >= 30
        assert machine["memory_bytes"] > 5 * 10**9
    _, out, _ = called(capsys, *words)
    assert found["machines"][0]["on"] in out


def test_where_no_model_does_it_here_the_best_that_would_are_named_each_with_the_smallest_machine(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "freehold.toml").write_text('[policy]\ndenied_licenses = ["apache-2.0"]\n')
    need = "8 users, 16k context, 10 tok/s"
    code, found = data(capsys, "--need", need, "--on", "8GB")
    assert (code, found["models"]) == (4, []), "of some nobody can tell"
    bought = found["machines"]
    assert 3 <= len(bought) == len({each["model"] for each in bought})
    assert [each["memory_bytes"] for each in bought] == sorted(each["memory_bytes"] for each in bought)
    for each in bought:
        build = each["build"]
        assert build["generation_tokens_per_s"]["low"] >= 10
        assert (build["run"]["slots"], build["run"]["context_tokens"]) == (8, 16_384)
        again, alone = data(capsys, each["model"], "--need", need, "--on", each["on"])
        assert (again, alone["recommended"]) == (0, build["tag"])
        assert Catalog.load().model(each["model"]).license != "apache-2.0"
    _, out, _ = called(capsys, "--need", need, "--on", "8GB")
    rows = [line.split() for line in out.splitlines()]
    assert all(any(row[:1] == [each["model"]] for row in rows) for each in bought)


def test_a_need_that_a_model_meets_here_names_no_machine(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = data(capsys, "--need", "1 user, 10 tok/s", "--on", "1x rtx-4090, 64GB")
    assert (code, found["machines"]) == (0, [])
    assert data(capsys, "--on", "1GB")[1]["machines"] == [], "nobody said what is needed"


def test_a_file_is_read_and_its_weights_are_exact(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "own.gguf").write_bytes(gguf(rows=4000))
    code, found = data(capsys, "./own.gguf")
    assert (code, found["recommended"]) == (0, "Q4_1")
    (build,) = found["builds"]
    assert (build["origin"], build["weights_bytes"]["kind"]) == ("given", "exact")
    assert build["weights_bytes"]["value"] == 4000 * 40 + 32 * 4


def test_a_build_in_several_files_is_read_from_all_of_them_and_told_which_is_missing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pieces = [tmp_path / f"own-0000{number}-of-00002.gguf" for number in (1, 2)]
    for path, piece in zip(pieces, tiny_split(2), strict=True):
        path.write_bytes(piece)
    for path in pieces:
        code, found = data(capsys, f"./{path.name}")
        assert code == 0
        assert found["builds"][0]["weights_bytes"] == {"kind": "exact", "value": 2 * (8 * 40 + 32 * 4)}
    pieces[1].unlink()
    code, out, err = called(capsys, f"./{pieces[0].name}")
    assert (code, out) == (2, "")
    assert pieces[1].name in err and "is one of 2 files" in err


def test_a_context_of_one_token_is_planned_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = data(capsys, "llama-3.1-8b-instruct:q4_k_m", "--context", "1", "--on", "1x l40s")
    assert code == 0
    build = found["builds"][0]
    assert (build["run"]["context_tokens"], build["kv_cache_bytes"]["value"]) == (1, 256 * 131_072)
    assert build["prompt_tokens_per_s"]["kind"] == "estimated"


def test_of_a_machine_whose_memory_is_not_said_it_cannot_be_said_what_fits(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "llama-3.1-8b-instruct", "--on", "16 cores")
    assert code == 4
    assert "how much memory the machine has was not said" in " ".join(out.split()) and "0.0 GB" not in out
    code, found = data(capsys, "--on", "16 cores")
    assert (code, found["fits"], found["models"]) == (4, None, [])
    assert any("was not said" in reason for reason in found["untold_because"])


def test_a_header_that_lies_is_refused_with_what_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    whole = gguf(rows=4000)
    (tmp_path / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    code, out, err = called(capsys, "./cut.gguf")
    assert (code, out) == (3, "")
    assert "cut.gguf" in err


def test_an_architecture_that_is_not_known_is_no_number_and_no_yes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    keys = {**KEYS, "general.architecture": (STRING, "strange")}
    keys |= {key.replace("llama.", "strange."): found for key, found in KEYS.items() if key.startswith("llama.")}
    (tmp_path / "new.gguf").write_bytes(gguf({key: found for key, found in keys.items() if "llama." not in key}))
    code, found = data(capsys, "./new.gguf")
    assert (code, found["fits"], found["recommended"]) == (4, None, None)
    (build,) = found["builds"]
    assert build["total_bytes"]["kind"] == "unknown" and "'strange'" in build["total_bytes"]["reason"]
    assert build["total_bytes"]["value"] is None


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("llama-3.3-70b-instrct",), 2, "llama-3.3-70b-instruct"),
        (("mamba",), 2, "Nearest: falcon-mamba-7b."),
        (("llama-3.3-70b-instruct:q9_9",), 2, "planned for as bf16, q8_0"),
        (("llama-3.1-8b-instruct", "--on", "rtx-9999"), 2, "rtx-9999"),
        (("llama-3.1-8b-instruct", "--need", "8 usrs"), 2, "Did you mean 'users'?"),
        (("llama-3.1-8b-instruct", "--cache-type", "q9"), 2, "There is no cache type 'q9'."),
        (("llama-3.1-8b-instruct", "--slots", "3", "--need", "8 users"), 2, "The need says 8 and the option 3."),
        (("--task", "juggling"), 2, "'juggling' is not a skill"),
        (("openai:gpt-5",), 2, "there is nothing to fit"),
        (("./nothing.gguf",), 2, "There is no file named"),
        (("/tmp",), 2, "/tmp is a folder"),
        (("--context", "0"), 2, "--context"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_call_says_what_is_wrong_and_what_to_write(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    found, out, err = called(capsys, *words)
    assert (found, out) == (code, "")
    assert said in err


def test_a_model_whose_weights_are_withheld_is_not_planned_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = called(capsys, "gpt-4o", "--on", CARDS)
    assert code == 4
    assert "its weights are not published" in " ".join(out.split())
    assert "slot" not in out and "None" not in out


def test_a_context_longer_than_the_training_is_said_to_be_cut(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = called(capsys, "llama-3.1-8b-instruct", "--context", "1000000", "--on", CARDS)
    assert "it was trained with 131,072, not the 1,000,000 asked for" in out


def test_on_a_machine_that_was_not_measured_a_needed_speed_is_untold_with_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("--need", "8 users, 1k context, 10 tok/s")
    code, found = data(capsys, *words)
    assert (code, found["fits"], found["models"], found["machines"]) == (4, None, [], [])
    assert found["untold"] == sum(found["untold_because"].values()) > 0
    _, out, _ = called(capsys, *words)
    assert "No model of the catalog does that here" not in out
    assert "`freehold machine --measure`" in " ".join(out.split())


def test_the_licenses_of_a_base_stand_beside_a_models_own(capsys: pytest.CaptureFixture[str]) -> None:
    _, found = data(capsys, "--on", "1x rtx-4090, 64GB")
    inheriting = [each for each in found["models"] if each["inherited_licenses"]]
    assert inheriting
    _, out, _ = called(capsys, "--on", "1x rtx-4090, 64GB")
    for each in inheriting:
        assert " + ".join((each["license"], *each["inherited_licenses"])) in out


def test_quiet_gives_the_one_word_that_a_script_wants(capsys: pytest.CaptureFixture[str]) -> None:
    assert called(capsys, "gemma-3-27b-it", "--on", "1x l40s", "--quiet")[1].split() == ["q6_k"]
    names = called(capsys, "--on", CARDS, "--quiet")[1].split()
    assert len(names) == 10
    assert len(set(names)) == 10
