"""Where layers go: the layout found by bisection is the one that trying every layout finds."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest

from freehold.catalog import Catalog
from freehold.core.quantity import Estimated, Exact, Unknown, at_most
from freehold.fit import placement
from freehold.fit.blueprint import Blueprint, BuildTensor, RunShape
from freehold.fit.largest import largest_context
from freehold.fit.loads import LayerLoad, Loads
from freehold.fit.memory import need
from freehold.fit.placement import Layout, Share, layout, place
from freehold.fit.read_catalog import blueprint_of_model
from freehold.hardware.describe import described
from freehold.hardware.rig import Place, Rig
from tests import fit_cases

GIB = 1 << 30
CATALOG = Catalog.load()


def _every_layout(parts: Loads, rig: Rig) -> Layout | None:
    """The first that holds of all layouts, from the one that uses the accelerators most down."""
    count, moe = len(parts.layers), any(layer.experts for layer in parts.layers)
    options = [(count, experts) for experts in range(count + 1 if moe else 1)]
    options += [(offloaded, offloaded if moe else 0) for offloaded in range(count - 1, -1, -1)]
    for offloaded, experts in options:
        shares = _filled(parts, rig, offloaded, experts)
        left = placement._host_bytes(parts, count - offloaded, experts, alone=False)
        if shares is not None and left <= rig.host.usable_bytes:
            return Layout((*shares, Share(rig.host, 0, count - offloaded, left)), offloaded, experts)
    return None


def _filled(parts: Loads, rig: Rig, offloaded: int, experts: int) -> tuple[Share, ...] | None:
    """The accelerators filled layer by layer, from the last one back."""
    first = len(parts.layers) - offloaded
    sizes = [
        layer.dense + layer.cache + (0 if index < first + experts else layer.experts)
        for index, layer in enumerate(parts.layers)
    ]
    end, shares, output = len(sizes), list[Share](), parts.output if offloaded else 0
    for card in reversed(rig.accelerators):
        room, begin = card.usable_bytes - placement.MARGIN_BYTES - parts.each - output, end
        while begin > first and sum(sizes[begin - 1 : end]) <= room:
            begin -= 1
        if begin < end:
            shares.append(Share(card, begin, end - begin, sum(sizes[begin:end]) + output + parts.each))
            output = 0
        end = begin
    return None if end > first else tuple(reversed(shares))


def test_bisection_finds_the_layout_that_trying_all_of_them_finds() -> None:
    chance = random.Random(7)
    found = 0
    for _ in range(400):
        experts = chance.choice((0, 8))
        layers = tuple(
            LayerLoad(
                chance.randint(1, 3) * GIB // 4, chance.randint(0, experts) * GIB // 4, chance.randint(0, 2) * GIB // 8
            )
            for _ in range(chance.randint(1, 24))
        )
        parts = Loads(layers, GIB // 2, GIB // 2, GIB // 8, GIB // 8)
        cards = tuple(_place(f"card {number}", chance.randint(2, 24)) for number in range(chance.randint(1, 4)))
        rig = Rig("any", (*cards, _place("host", chance.randint(1, 40))), None, here=False)
        expected = _every_layout(parts, rig)
        assert layout(parts, rig) == expected
        found += expected is not None
    assert 100 < found < 400


def _place(name: str, gigabytes: int) -> Place:
    kind = "host" if name == "host" else "gpu"
    return Place(name, kind, gigabytes * GIB, gigabytes * GIB, Unknown("nobody said"))  # type: ignore[arg-type]  # one of both


def test_a_described_card_without_a_host_holds_what_fits_on_it_whole_and_nothing_else() -> None:
    run = RunShape(8192)
    gemma = CATALOG.model("gemma-3-27b-it")
    whole = place(blueprint_of_model(gemma, "Q8_0"), run, described("1x l40s"))
    assert (whole.fits, whole.offloaded_layers, whole.shares[-1].layers) == (True, 62, 0)
    split = place(blueprint_of_model(gemma, "BF16"), run, described("1x l40s"))
    assert split.fits is False
    assert split.why_not is not None
    assert re.fullmatch(r"it needs 5\d\.\d to 5\d\.\d GB and 1x l40s has 4\d\.\d GB for it", split.why_not)
    assert place(blueprint_of_model(gemma, "BF16"), run, described("1x l40s, 64GB")).fits is True


def test_a_longer_context_that_still_fits_leaves_no_layer_behind() -> None:
    blueprint, rig = blueprint_of_model(CATALOG.model("qwen3-32b"), "Q4_K_M"), described("1x rtx-4090, 64GB")
    run = RunShape(4096)
    placed = place(blueprint, run, rig)
    longest = largest_context(blueprint, run, rig, offloaded=placed.offloaded_layers)
    possible = largest_context(blueprint, run, rig, offloaded=placed.offloaded_layers, sure=False)
    assert longest is not None and possible is not None and 4096 <= longest <= possible
    assert place(blueprint, RunShape(longest), rig).offloaded_layers == placed.offloaded_layers
    assert place(blueprint, RunShape(longest + 256), rig).offloaded_layers < placed.offloaded_layers


@pytest.mark.parametrize(
    ("name", "cache_bytes", "state_bytes"),
    [
        # 6 layers of 2 heads of 128, keys and values, 2 bytes, 8192 tokens; 23 states of 542,720 elements of 4 bytes
        ("nemotron-3-nano-30b-a3b", 6 * 2 * 128 * 2 * 2 * 8192, 23 * 542_720 * 4),
        ("falcon-mamba-7b", 0, 64 * (3 * 8192 + 16 * 8192) * 4),
    ],
)
def test_a_hybrid_and_a_recurrent_model_keep_what_their_rows_say(name: str, cache_bytes: int, state_bytes: int) -> None:
    found = need(blueprint_of_model(CATALOG.model(name), "Q4_K_M"), RunShape(8192))
    assert found.kv_cache_bytes == Exact(cache_bytes)
    assert found.state_bytes == Exact(state_bytes)


def test_recurrent_rows_without_their_sizes_cannot_say() -> None:
    found = blueprint_of_model(CATALOG.model("lfm2-24b-a2b"), "Q4_K_M")
    assert found.cannot_say is not None and "recurrent" in found.cannot_say


TABLE_BYTES = 3 * 10**8


def with_a_table(*, tied: bool) -> Blueprint:
    """Four layers of a gigabyte each, and a table that the output shares, or one for each of the two."""
    layers = fit_cases.blueprint(4)
    embedding = BuildTensor("token_embd.weight", "Q6_K", (1, 1), TABLE_BYTES, "output" if tied else "embedding", None)
    output = BuildTensor("output.weight", "Q6_K", (1, 1), TABLE_BYTES, "output", None)
    return replace(layers, tensors=(*(layers.tensors or ()), embedding, *(() if tied else (output,))))


@pytest.mark.parametrize("on", ["1x rtx-4090, 64GB", "1x rtx-4090", "1x card(4GB), 64GB"])
def test_a_table_that_is_embedding_and_output_lies_on_the_card_and_with_the_host(on: str) -> None:
    run, rig = RunShape(512), described(on)
    tied, apart = (place(with_a_table(tied=each), run, rig) for each in (True, False))
    assert tied.offloaded_layers == apart.offloaded_layers > 0
    assert (tied.need.embedding_copy_bytes, apart.need.embedding_copy_bytes) == (Exact(TABLE_BYTES), Exact(0))
    assert [each.bytes for each in tied.shares] == [each.bytes for each in apart.shares]
    assert sum(each.bytes for each in tied.shares) == pytest.approx(at_most(tied.need.total_bytes), abs=8)


def test_where_nothing_lies_on_a_card_the_table_lies_there_once() -> None:
    found = place(with_a_table(tied=True), RunShape(512), described("64GB"))
    assert found.fits and found.need.embedding_copy_bytes == Exact(0)


def test_all_that_a_row_whose_output_is_its_embedding_has_lies_on_the_card() -> None:
    """Gemma 3 has one table for both, of 262,208 times 5,376 numbers: more than a gigabyte."""
    found = place(blueprint_of_model(CATALOG.model("gemma-3-27b-it"), "Q4_K_M"), RunShape(8192), described("1x l40s"))
    (card, host), needed = found.shares, found.need
    parts = (needed.weights_bytes, needed.kv_cache_bytes, needed.compute_bytes)
    assert card.bytes == pytest.approx(sum(at_most(part) or 0 for part in parts), abs=8)
    copied = at_most(needed.embedding_copy_bytes) or 0
    assert copied > 262_208 * 5_376 * 6 / 8 and host.bytes > copied


def test_where_a_row_leaves_open_if_it_is_one_table_both_are_within_the_range() -> None:
    found = place(blueprint_of_model(CATALOG.model("deepseek-v3"), "Q4_K_M"), RunShape(8192), described("8x h200-sxm"))
    copied = found.need.embedding_copy_bytes
    assert isinstance(copied, Estimated) and copied.low == 0 < copied.high


@pytest.mark.parametrize("on", ["16 cores", "ddr5-5600 x2"])
def test_a_machine_whose_memory_nobody_named_holds_nobody_knows_what(on: str) -> None:
    found = place(fit_cases.blueprint(4), RunShape(512), described(on))
    assert found.fits is None
    assert found.why_not is not None and "memory the machine has was not said" in found.why_not


def test_a_run_that_the_engine_refuses_fits_nowhere() -> None:
    """Keys of 125 numbers are no whole blocks of 32."""
    found = place(fit_cases.blueprint(4), RunShape(512, cache_type_k="q8_0", cache_type_v="q8_0"), described("64GB"))
    assert found.fits is False
    assert found.why_not == "the engine makes no context for it: its keys do not fill whole blocks of q8_0"
    strange = place(fit_cases.blueprint(4, cannot_say="nobody knows it"), RunShape(512, slots=257), described("64GB"))
    assert strange.fits is False, "so many slots it makes of no model"
