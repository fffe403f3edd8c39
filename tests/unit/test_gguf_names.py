"""What the names of published GGUF files say."""

from __future__ import annotations

import pytest

from freehold.store.sources.gguf_names import Build, CutPart, builds, cut_part, matching, preferred, suggested_name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct:q4_1"),
        ("gemma-3-270m-q4_k_m.gguf", "gemma-3-270m:q4_k_m"),
        ("Qwen3-8B-UD-Q4_K_XL.gguf", "qwen3-8b:ud-q4_k_xl"),
        ("BF16/Llama-3-70B-BF16-00001-of-00003.gguf", "llama-3-70b:bf16"),
        ("Q8_0/Llama-3-70B-00001-of-00003.gguf", "llama-3-70b:q8_0"),
        ("Q8_0.gguf", "q8_0:q8_0"),
        ("plain.gguf", "plain:default"),
        ("Mistral-7B-IQ2_XXS-imat.gguf", "mistral-7b:iq2_xxs"),
    ],
)
def test_a_name_is_suggested_from_the_file(path: str, name: str) -> None:
    assert suggested_name(path) == name


def test_a_tag_matches_whole_quantizations_in_any_case() -> None:
    found = builds(["m-Q4_K_M.gguf", "m-Q4_K_M_L.gguf", "m-Q4_K.gguf", "m-IQ4_K_M.gguf"])
    assert [build.files for build in matching(found, "q4_k_m")] == [("m-Q4_K_M.gguf",)]
    assert matching(found, "K_M") == ()
    assert [build.label for build in matching(found, "m-q4_k")] == ["Q4_K"]


def test_a_dynamic_quantization_is_meant_only_where_the_plain_one_is_not_there() -> None:
    assert [build.label for build in matching(builds(["m-UD-Q4_K_M.gguf"]), "Q4_K_M")] == ["UD-Q4_K_M"]
    assert [build.label for build in matching(builds(["m-UD-Q4_K_M.gguf", "m-Q4_K_M.gguf"]), "Q4_K_M")] == ["Q4_K_M"]


def test_split_pieces_are_one_build_and_a_missing_one_is_named() -> None:
    names = ["m-Q8_0-00003-of-00003.gguf", "m-Q8_0-00001-of-00003.gguf"]
    assert builds(names) == (
        Build(
            "Q8_0",
            "m-Q8_0",
            ("m-Q8_0-00001-of-00003.gguf", "m-Q8_0-00002-of-00003.gguf", "m-Q8_0-00003-of-00003.gguf"),
            ("m-Q8_0-00002-of-00003.gguf",),
        ),
    )


def test_projectors_and_importance_matrices_are_left_aside() -> None:
    names = ["mmproj-F16.gguf", "m-mmproj-f16.gguf", "imatrix.gguf", "m-Q4_0.gguf", "README.md", "m.safetensors"]
    assert [build.label for build in builds(names)] == ["Q4_0"]


@pytest.mark.parametrize(
    ("labels", "taken"),
    [
        (("F16", "Q8_0", "Q4_K_M", "Q5_K_M"), "Q4_K_M"),
        (("F16", "Q8_0", "Q5_K_M"), "Q5_K_M"),
        (("F16", "Q8_0"), "Q8_0"),
        (("strange",), "m-strange"),
        (("strange", "other"), None),
    ],
)
def test_the_build_taken_unasked_follows_the_documented_order(labels: tuple[str, ...], taken: str | None) -> None:
    chosen = preferred(builds(f"m-{label}.gguf" for label in labels))
    assert (chosen and chosen.label) == taken


def test_two_models_of_one_quantization_are_not_chosen_between() -> None:
    found = builds(["a-Q4_K_M.gguf", "b-Q4_K_M.gguf"])
    assert preferred(found) is None
    assert [build.stem for build in matching(found, "b-q4_k_m")] == ["b-Q4_K_M"]


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("data/m.gguf.part03", CutPart("m.gguf", 3)),
        ("m.gguf.007", CutPart("m.gguf", 7)),
        ("m.gguf", None),
        ("m.part03", None),
        ("m.gguf.partial", None),
    ],
)
def test_cut_parts_are_numbered_by_their_suffix(path: str, part: CutPart | None) -> None:
    assert cut_part(path) == part
