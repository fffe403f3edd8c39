"""What a build needs, from its own header and from the catalog's row, against figures that are known."""

from __future__ import annotations

from pathlib import Path

from freehold.catalog import Catalog
from freehold.core.quantity import Estimated, Exact, Unknown
from freehold.fit.blueprint import RunShape
from freehold.fit.memory import need
from freehold.fit.placement import place
from freehold.fit.read_catalog import blueprint_of_model
from freehold.fit.read_gguf import blueprint_of_gguf
from freehold.fit.refused import refused
from freehold.hardware.rig import Place, Rig

MIB = 1 << 20


def _model(name: str, quantization: str = "Q4_K_M"):  # type: ignore[no-untyped-def]
    model = next(each for each in Catalog.load().models if each.name == name)
    return blueprint_of_model(model, quantization)


def _place(name: str, kind: str, gigabytes: int) -> Place:
    size = gigabytes * 10**9
    return Place(name, kind, size, size, Unknown("not told"))  # type: ignore[arg-type]


def test_the_cache_of_a_model_with_windows_is_exact_from_its_row_of_the_catalog() -> None:
    needed = need(_model("gemma-3-27b-it"), RunShape(131_072))
    assert needed.kv_cache_bytes == Exact((10_240 + 624) * MIB)  # 10 full layers, 52 that see 1,024 tokens
    assert needed.state_bytes == Exact(0)
    assert isinstance(needed.weights_bytes, Estimated), "no file has been seen"


def test_a_held_build_gives_exact_weights(smollm2_gguf: Path) -> None:
    blueprint = blueprint_of_gguf((smollm2_gguf,))
    needed = need(blueprint, RunShape(2048, slots=8, batch_tokens=128))
    assert needed.kv_cache_bytes == Exact(360 * MIB)
    assert needed.weights_bytes == Exact(96_576_768)
    assert blueprint.parameters == 134_515_008


def test_a_model_that_is_too_large_for_one_card_is_split_over_two() -> None:
    blueprint = _model("llama-3.3-70b-instruct", "Q4_K_M")
    host = _place("host", "host", 64)
    cards = tuple(_place(f"card {number}", "gpu", 32) for number in range(2))
    run = RunShape(8192)
    both = place(blueprint, run, Rig("two cards", (*cards, host), None, here=False))
    assert both.fits and both.offloaded_layers == 80
    assert [share.place.name for share in both.shares] == ["card 0", "card 1", "host"]
    one = place(blueprint, run, Rig("one card", (cards[0], host), None, here=False))
    assert one.fits and 0 < one.offloaded_layers < 80
    none = place(blueprint, run, Rig("small", (_place("host", "host", 16),), None, here=False))
    assert none.fits is False and none.why_not and "16.0 GB" in none.why_not


def test_an_architecture_that_is_not_known_gives_no_figure() -> None:
    blueprint = _model("deepseek-v4-flash")
    needed = need(blueprint, RunShape(8192))
    assert isinstance(needed.total_bytes, Unknown) and "deepseek4" in needed.total_bytes.reason
    placed = place(blueprint, RunShape(8192), Rig("any", (_place("host", "host", 64),), None, here=False))
    assert placed.fits is None and placed.why_not == needed.total_bytes.reason


def test_a_cache_in_32_bits_is_not_counted_and_not_refused_windows_or_not() -> None:
    """A worker may be set to it; what the engine keeps of windows to go back to is counted all the same."""
    run = RunShape(2048, cache_type_k="f32", cache_type_v="f32")
    for name in ("gemma-3-27b-it", "llama-3.1-8b-instruct"):
        found = need(_model(name), run)
        assert refused(_model(name), run) is None
        assert found.kv_cache_bytes == Unknown("what a cache of f32 takes is not known here")
        assert isinstance(found.process_bytes, Estimated)
