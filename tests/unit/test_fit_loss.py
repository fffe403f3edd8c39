"""Expected losses against the published tables they come from, and nothing said where nobody measured."""

from __future__ import annotations

import re

import pytest

from freehold.core.quantity import Estimated, Measured, Quantity, Unknown
from freehold.fit.loss import expected_loss, in_words, loss_after, measured_models


def test_every_figure_has_a_source_with_its_date_and_one_model_is_the_reference() -> None:
    models = measured_models()
    assert len(models) == 7
    assert sum(model.reference for model in models) == 1
    for model in models:
        assert model.source.url.startswith("https://") and re.fullmatch(r"20\d\d-\d\d(-\d\d)?", model.source.date)
        assert all(0 < low <= high for low, high in model.divergence.values())


def test_the_range_holds_what_was_measured_on_other_models_of_that_size() -> None:
    for model in measured_models():
        for name, (low, high) in model.divergence.items():
            found = expected_loss(name, model.parameters)
            assert isinstance(found, Estimated)
            assert found.low <= low <= high <= found.high, (model.name, name)


def test_a_large_model_is_not_widened_by_what_small_ones_lose() -> None:
    large, small, either = (expected_loss("Q2_K", size) for size in (70_000_000_000, 600_000_000, None))
    assert isinstance(large, Estimated) and isinstance(small, Estimated) and isinstance(either, Estimated)
    assert large.low == pytest.approx(0.331393 * 0.108903 / 0.445132)
    assert large.high == pytest.approx(0.445132)
    assert small.high == pytest.approx(0.445132 * 2.45535 / 0.331393)
    assert (either.low, either.high) == (large.low, small.high)
    assert "Llama 3 8B" in large.basis and "2024-05" in large.basis and "Qwen3 0.6B" not in large.basis


def test_where_nobody_measured_as_many_bits_on_such_a_model_its_other_bits_widen_the_range() -> None:
    found = expected_loss("q8_0", 600_000_000)
    assert isinstance(found, Estimated)
    assert found.high == pytest.approx(0.001355 * 2.45535 / 0.331393)


def test_fewer_bits_are_expected_to_lose_more() -> None:
    order = ("bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k", "iq1_s")
    values = [each.value for name in order if isinstance(each := expected_loss(name, None), Estimated)]
    assert len(values) == len(order)
    assert values == sorted(set(values), key=lambda value: value or 0)


@pytest.mark.parametrize(("name", "said"), [("mxfp4", "mxfp4"), ("TQ1_0", "TQ1_0"), (None, "does not name")])
def test_a_type_that_nobody_measured_is_unknown_and_says_so(name: str | None, said: str) -> None:
    found = expected_loss(name, 8_000_000_000)
    assert isinstance(found, Unknown)
    assert said in found.reason


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (Estimated(0.0055, 0.04, "made up", 0.0055), "negligible to small (estimate)"),
        (Estimated(0.0004, 0.0014, "made up", 0.001), "negligible (estimate)"),
        (Estimated(0.1, 0.4, "made up"), "noticeable to large (estimate)"),
        (Measured(0.02, 0.01, 0.03, 1, "2026-11-20"), "small"),
        (Unknown("nobody has measured it"), "unknown"),
    ],
)
def test_a_loss_is_named_by_both_ends_of_its_range(loss: Quantity, words: str) -> None:
    assert in_words(loss) == words


def test_two_losses_in_a_row_are_no_less_than_either_and_no_more_than_their_roots_together() -> None:
    before, own = Estimated(0.04, 0.09, "measured of others"), Estimated(0.01, 0.16, "measured of others")
    both = loss_after(before, own)
    assert isinstance(both, Estimated) and both.value is None
    assert both.low == 0.04
    assert both.high == pytest.approx((0.3 + 0.4) ** 2)
    assert loss_after(Unknown("who knows"), own) == Unknown("who knows")
    assert loss_after(before, Unknown("who knows")) == Unknown("who knows")
