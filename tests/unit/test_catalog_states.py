"""Rows whose layers carry states: their parameters, counted from their shape as each kind of layer is built."""

from __future__ import annotations

from freehold.catalog import Catalog
from freehold.catalog.model import CatalogModel, Shape

CATALOG = Catalog.load()
SLACK = 0.03
WITHOUT_GATE = ("nemotron_h",)
ONLY_BETWEEN = ("nemotron_h", "mamba")  # a feed-forward network only where a layer neither attends nor carries a state
SHARED_TWICE_AS_WIDE = ("granitehybrid", "nemotron_h")
NARROWED = {  # before their experts, all but the one that all tokens share
    "nemotron-3-super-120b-a12b": 1024,
    "nemotron-3-ultra-550b-a55b": 2048,
}


def _n(number: int | None) -> int:
    assert number is not None
    return number


def _mixing(shape: Shape) -> int:
    """One layer that carries a state."""
    hidden = _n(shape.hidden)
    if shape.architecture in ("lfm2", "lfm2moe"):
        return 4 * hidden * hidden  # three projections in, one out
    inner, size, groups, heads = (
        _n(each) for each in (shape.state_inner, shape.state_size, shape.state_groups, shape.state_heads)
    )
    if not groups:  # Mamba's first form: two projections in, steps and states from the inner width, one out
        return hidden * 2 * inner + inner * (heads + 2 * size) + heads * inner + inner * size + inner * hidden
    convolved = inner + 2 * groups * size
    steps = 2 * heads if (shape.architecture or "").startswith("qwen3") else heads
    return hidden * (convolved + inner + steps) + inner * hidden


def _attending(shape: Shape) -> int:
    heads, kv_heads, size = _n(shape.heads), _n(shape.kv_heads), _n(shape.head_size)
    queries = 2 * heads if (shape.architecture or "").startswith("qwen3") else heads  # a gate beside them
    return _n(shape.hidden) * size * (queries + 2 * kv_heads + heads)


def _feeding(shape: Shape, narrowed: int) -> int:
    if not shape.feed_forward:
        return 0
    hidden = _n(shape.hidden)
    shared = (shape.shared_experts or 0) * (2 if shape.architecture in SHARED_TWICE_AS_WIDE else 1)
    each = (2 if shape.architecture in WITHOUT_GATE else 3) * shape.feed_forward
    return each * ((narrowed or hidden) * max(1, shape.experts or 0) + hidden * shared) + 2 * hidden * narrowed


def _counted(shape: Shape, narrowed: int) -> tuple[int, int]:
    """With one table of the vocabulary, and with two."""
    attending, keeping, layers = _n(shape.attention_layers), _n(shape.state_layers), _n(shape.layers)
    feeding = layers - attending - keeping if shape.architecture in ONLY_BETWEEN else layers
    parts = keeping * _mixing(shape) + feeding * _feeding(shape, narrowed)
    parts += attending * _attending(shape) if attending else 0
    table = _n(shape.vocabulary) * _n(shape.hidden)
    return parts + table, parts + 2 * table


def _published(model: CatalogModel) -> tuple[int, int]:
    """What the published number may stand for: a round one for all that rounds to it."""
    number, unit = _n(model.parameters), 1
    if not model.parameters_nominal:
        return number, number
    while number % (unit * 10) == 0:
        unit *= 10
    return number - unit // 2, number + unit // 2


def test_the_parameters_of_a_row_with_states_are_those_of_its_shape() -> None:
    rows = [model for model in CATALOG.models if model.shape.state_layers and model.parameters]
    assert len(rows) >= 20
    wrong = {}
    for model in rows:
        (fewest, most), (low, high) = _counted(model.shape, NARROWED.get(model.name, 0)), _published(model)
        if most < low * (1 - SLACK) or fewest > high * (1 + SLACK):
            wrong[model.name] = (model.parameters, fewest, most)
    assert wrong == {}
