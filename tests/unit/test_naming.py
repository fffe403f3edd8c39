"""Names and digests of builds, and how references are written into deeds."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from freehold.core.builds import WeightFacts
from freehold.core.errors import CallError
from freehold.core.refs import FileRef, WebRef, parse
from freehold.store import naming

FACTS = WeightFacts("gguf", "llama", "Q4_K_M", 1, None, None, None, None, None, None, None)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("SmolLM2-135M-Instruct.Q4_K_M.gguf", "smollm2-135m-instruct:q4_k_m"),
        ("gemma-3-270m-q4_k_m.gguf", "gemma-3-270m:q4_k_m"),
        ("model.gguf", "model:q4_k_m"),
        ("Big Model (v2)-Q4_K_M-00001-of-00003.gguf", "big-model-v2:q4_k_m"),
        ("q4_k_m.gguf", "q4_k_m:q4_k_m"),
        ("模型.gguf", "model:q4_k_m"),
    ],
)
def test_a_build_is_named_after_its_file(file: str, name: str) -> None:
    assert naming.name_from_file(file, FACTS) == name
    assert str(parse(name)) == name


def test_a_chosen_name_gets_its_tag_from_the_quantization() -> None:
    assert naming.chosen_name("mine", FACTS) == "mine:q4_k_m"
    assert naming.chosen_name("Mine:X", FACTS) == "mine:x"
    with pytest.raises(CallError, match="not a name for a build"):
        naming.chosen_name("pypi:mine", FACTS)


def test_the_digest_of_one_file_is_its_hash_and_of_several_the_hash_of_theirs() -> None:
    assert naming.digest_of(["a" * 64]) == "sha256:" + "a" * 64
    both = hashlib.sha256(f"{'a' * 64}\n{'b' * 64}".encode()).hexdigest()
    assert naming.digest_of(["a" * 64, "b" * 64]) == f"sha256:{both}"


def test_what_is_written_of_a_reference_holds_no_password_and_no_relative_path(tmp_path: Path) -> None:
    assert naming.written(WebRef("https://me:pw@host:8443/m.gguf?x=1")) == "https://host:8443/m.gguf?x=1"
    assert naming.written(FileRef("./a/../m.gguf")) == f"file:{tmp_path}/m.gguf"


def test_all_files_of_a_split_build_are_known_from_one() -> None:
    assert naming.split_names("m-00002-of-00003.gguf") == tuple(f"m-0000{n}-of-00003.gguf" for n in (1, 2, 3))
    assert naming.split_names("m.gguf") == ("m.gguf",)
    assert naming.split_names("m-00004-of-00003.gguf") == ("m-00004-of-00003.gguf",)
    assert naming.split_names("m-00001-of-99999.gguf") == ("m-00001-of-99999.gguf",)


@pytest.mark.parametrize("name", ["../m.gguf", "a/b", ".hidden", "", "deed.json", "a\0b", "x" * 300, ".."])
def test_a_name_that_could_leave_its_folder_is_no_file_name(name: str) -> None:
    assert not naming.is_file_name(name)


@pytest.mark.parametrize("name", ["SmolLM2-135M.Q4_1.gguf", "Big Model (v2).gguf", "m-00001-of-00003.gguf"])
def test_names_that_publishers_use_are_file_names(name: str) -> None:
    assert naming.is_file_name(name)
