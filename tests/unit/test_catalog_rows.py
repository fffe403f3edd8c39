"""The rows that ship: how many there are, how many are complete, and whether their numbers agree with each other."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.catalog.complete import missing
from freehold.catalog.licenses.shelf import Licenses
from freehold.catalog.model import CatalogModel, Shape
from freehold.catalog.openness import Openness, assess

CATALOG = Catalog.load()
LICENSES = Licenses.load()
COMPLETE = {
    *("llama-3.1-8b-instruct", "llama-3.1-70b-instruct", "llama-3.3-70b-instruct", "llama-4-scout-17b-16e-instruct"),
    *("qwen2.5-7b-instruct", "qwen2.5-72b-instruct", "qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b"),
    *("qwen3-14b", "qwen3-32b", "qwen3-30b-a3b", "mistral-7b-instruct-v0.3", "mistral-small-24b-instruct-2501"),
    *("mistral-large-instruct-2411", "mixtral-8x7b-instruct-v0.1", "gemma-2-9b-it", "gemma-3-270m", "gemma-3-1b-it"),
    *("gemma-3-4b-it", "gemma-3-12b-it", "gemma-3-27b-it", "deepseek-v3", "deepseek-r1"),
    *("deepseek-r1-distill-qwen-7b", "deepseek-r1-distill-llama-70b", "phi-4", "gpt-oss-20b", "gpt-oss-120b"),
    *("smollm2-135m-instruct", "smollm2-360m-instruct", "smollm2-1.7b-instruct", "smollm3-3b"),
    *("olmo-2-1124-7b", "olmo-2-0325-32b", "pythia-6.9b", "bloom", "falcon3-7b-instruct"),
    *("granite-3.1-8b-instruct", "command-a", "kimi-k2-instruct", "glm-4.5", "minimax-m2", "starcoder2-15b"),
    *("llama-3.1-nemotron-70b-instruct", "apertus-8b-instruct", "apertus-70b-instruct"),
}
# Models whose parameters the formula of a plain transformer does not count, and why.
OTHERWISE_BUILT = {
    "falcon-40b": "a feed-forward of two matrices, and a round number of the publisher's",
    "gemma-3n-e4b": "embeddings per layer",
    "gemma-3n-e4b-it": "embeddings per layer",
    **dict.fromkeys(("gemma-4-e2b", "gemma-4-e2b-it", "gemma-4-e4b", "gemma-4-e4b-it"), "embeddings per layer"),
    "llama-3.2-11b-vision": "the vision tower counts too",
    "llama-3.2-11b-vision-instruct": "the vision tower counts too",
    "llama-4-maverick-17b-128e": "every second layer has experts",
    "llama-4-maverick-17b-128e-instruct": "every second layer has experts",
    "ministral-3-14b-base-2512": "the vision tower counts too",
    "ministral-3-14b-instruct-2512": "the vision tower counts too",
}

INDEX = Path(os.environ.get("FREEHOLD_TEST_OPENNESS", "openness")) / "osai"
"""The records of the European Open Source AI Index, where somebody has a copy."""
RECORD_OF_THE_INDEX = re.compile(r"Open Source AI Index, .*?, (.+?\.yaml)")
# Models that the index names otherwise than their publisher does.
NAMED_BY_THE_INDEX = {
    "mistral-nemo-12b": "Mistral-NeMo-12B-Base",
    "rwkv7-g0b-13.3b": "rwkv7-g0b-13.3b-20251130-ctx8192.pth",
}


def opened(name: str) -> Openness:
    return assess(CATALOG.model(name), CATALOG.get, LICENSES.get)


def test_there_are_at_least_120_models_and_at_least_40_of_them_are_complete() -> None:
    complete = {model.name for model in CATALOG.models if not missing(model, LICENSES.get)}
    assert len(CATALOG.models) >= 120 and len(complete) >= 40
    assert len(COMPLETE) >= 40
    assert {name: missing(CATALOG.model(name), LICENSES.get) for name in COMPLETE - complete} == {}


def test_what_is_missing_is_named() -> None:
    lacking = missing(CATALOG.model("gpt-4o"), LICENSES.get)
    assert {"parameters", "shape.layers", "license", "published.recipe"} <= set(lacking)
    assert "shape.experts_used" not in lacking


@pytest.mark.parametrize(
    ("name", "labels", "published"),
    [
        ("gpt-4o", {0}, None),
        ("command-a", {1}, None),
        ("mistral-large-instruct-2411", {1}, None),
        ("llama-3.1-8b-instruct", {2}, None),
        ("llama-4-scout-17b-16e-instruct", {2}, None),
        ("gemma-3-4b-it", {2}, None),
        ("deepseek-v3", {2}, None),
        ("deepseek-r1-distill-llama-70b", {2}, None),
        ("bloom", {2}, 4),
        ("gpt-oss-120b", {3}, None),
        ("deepseek-r1", {3}, None),
        ("phi-4", {3}, None),
        ("olmo-2-1124-7b", {4, 5}, None),
        ("pythia-6.9b", {4, 5}, None),
        ("amber", {4, 5}, None),
        ("apertus-8b-instruct", {4, 5}, None),
        ("smollm3-3b", {4, 5}, None),
    ],
)
def test_the_anchors_of_the_rubric_stand_where_it_puts_them(name: str, labels: set[int], published: int | None) -> None:
    found = opened(name)
    assert {found.label.low, found.label.high} <= labels
    assert published in (None, found.published.low)


def test_every_license_that_models_with_weights_name_has_a_record_or_its_clauses_are_unknown() -> None:
    without = {model.license for model in CATALOG.models if LICENSES.get(model.license) is None}
    read = [model for model in CATALOG.models if LICENSES.get(model.license) is not None]
    assert len(read) >= 250
    for model in CATALOG.models:
        if model.license in without and model.weights == "published":
            assert opened(model.name).freedom.low == 1, model.name


def _parameters(shape: Shape) -> tuple[float, float] | None:
    """The fewest and the most parameters of a transformer of this shape: two or three matrices in a feed-forward,
    embeddings that are shared with the output or not. None where a number is unknown, attention is latent, or layers
    carry states (test_catalog_states)."""
    needed = (shape.layers, shape.hidden, shape.feed_forward, shape.heads, shape.kv_heads, shape.head_size)
    if None in (*needed, shape.vocabulary, shape.experts) or shape.kv_lora_rank or shape.state_layers:
        return None
    layers, hidden, forward, heads, kv_heads, head_size = (float(number or 0) for number in needed)
    attention = hidden * head_size * 2 * (heads + kv_heads)
    experts, embedding = max(shape.experts or 0, 1), float(shape.vocabulary or 0) * hidden
    fewest = layers * (attention + 2 * hidden * forward * experts) + embedding
    most = layers * (attention + 3 * hidden * forward * (experts + (shape.shared_experts or 0))) + 2 * embedding
    return fewest, most


def test_the_parameters_of_a_row_are_those_of_its_shape() -> None:
    wrong, counted = {}, 0
    for model in CATALOG.models:
        bounds = _parameters(model.shape)
        if bounds is None or model.parameters is None:
            continue
        counted += 1
        if not bounds[0] * 0.97 <= model.parameters <= bounds[1] * 1.03:
            wrong[model.name] = (model.parameters, bounds)
    assert counted >= 150
    assert set(wrong) == set(OTHERWISE_BUILT), wrong


def _odd(model: CatalogModel) -> list[str]:
    shape = model.shape
    rules = {
        "heads are a multiple of the key-value heads": not (shape.heads and shape.kv_heads)
        or shape.heads % shape.kv_heads == 0,
        "no more layers have the window than there are": (shape.window_layers or 0) <= (shape.layers or 10**9),
        "no more experts work than there are": (shape.experts_used or 0) <= (shape.experts or 10**9),
        "fewer parameters work on a token than there are": (model.active_parameters or 0)
        < (model.parameters or 10**18),
        "a model without experts has every parameter at work": not (model.active_parameters and shape.experts == 0),
        "weights that were kept have no repository and no date": model.weights == "published"
        or (model.repository is None and model.weights_released is None),
    }
    return [f"{model.name}: {rule}" for rule, holds in rules.items() if not holds]


def test_the_numbers_of_a_row_do_not_contradict_each_other() -> None:
    assert [odd for model in CATALOG.models for odd in _odd(model)] == []


def test_nobody_claims_to_have_verified_what_no_program_looked_at() -> None:
    evidence = {each.evidence for model in CATALOG.models for each in model.published.values()}
    assert "verified" not in evidence and {"cited", "claimed"} <= evidence


def test_the_names_are_lower_case_and_two_models_never_share_a_repository() -> None:
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*", model.name) for model in CATALOG.models)
    repositories = [model.repository.lower() for model in CATALOG.models if model.repository]
    assert len(repositories) == len(set(repositories))


def test_every_review_by_the_osi_names_where_it_was_read() -> None:
    reviewed = [model for model in CATALOG.models if model.osi_reviewed != "not reviewed"]
    assert len(reviewed) >= 10
    assert [model.name for model in reviewed if "osi_reviewed" not in model.sources] == []


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", name.lower())


def _names(model: CatalogModel) -> set[str]:
    own = (model.name, model.title, (model.repository or "/").split("/")[1], NAMED_BY_THE_INDEX.get(model.name, ""))
    return {_plain(name) for name in own if name}


def test_a_figure_of_the_european_index_stands_only_on_the_system_its_record_names() -> None:
    if not INDEX.is_dir():
        pytest.skip("FREEHOLD_TEST_OPENNESS names no copy of the European Open Source AI Index")
    others, read = {}, 0
    for model in CATALOG.models:
        if model.osai is None:
            continue
        found = RECORD_OF_THE_INDEX.search(model.osai.source.text)
        assert found is not None, model.name
        record = (INDEX / found[1]).read_text(encoding="utf-8")
        named = re.findall(r"^ +(?:base|end)modelname:[ ]*(\S.*?)[ ]*$", record, re.MULTILINE)
        read += 1
        if not _names(model) & {_plain(name) for name in named}:
            others[model.name] = named
    assert read >= 30 and others == {}


def test_what_is_cited_from_the_european_index_says_which_system_its_record_is_of() -> None:
    texts = {each.source.text for model in CATALOG.models for each in model.published.values() if each.source}
    texts |= {source.text for model in CATALOG.models for source in model.sources.values()}
    index = {text for text in texts if "Open Source AI Index" in text}
    assert len(index) >= 30
    assert {text for text in index if "(its system: " not in text} == set()


def test_the_270m_names_cards_of_its_familys_first_models_as_what_they_are() -> None:
    model = CATALOG.model("gemma-3-270m")
    assert model.osai is None
    texts = [
        each.source.text for each in model.published.values() if each.source and "card" in each.source.text.lower()
    ]
    assert texts and all("the family's first models" in text for text in texts)
