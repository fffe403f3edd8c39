"""A machine in words is the rig that was meant, or an error that names the word and what would be understood."""

from __future__ import annotations

import pytest

from freehold.core.errors import DescriptionError
from freehold.core.quantity import Unknown, at_least, at_most
from freehold.hardware.describe import described

GIB = 2**30


def test_cards_and_the_memory_of_the_host_are_places_with_the_figures_of_the_table() -> None:
    rig = described("2x rtx-4090, 64GB")
    assert [place.name for place in rig.accelerators] == ["NVIDIA GeForce RTX 4090 1", "NVIDIA GeForce RTX 4090 2"]
    assert {at_most(place.bandwidth) for place in rig.accelerators} == {1008e9}
    assert rig.host.memory_bytes == 64 * GIB
    assert (rig.here, rig.fingerprint) == (False, None)


def test_the_bandwidth_of_modules_is_transfers_times_eight_bytes_times_channels_at_most() -> None:
    rig = described("16 cores, 32GB, ddr5-5600 x2")
    assert at_most(rig.host.bandwidth) == 5600e6 * 8 * 2
    assert 0 < (at_least(rig.host.bandwidth) or 0) < 5600e6 * 8 * 2
    assert (rig.cores, rig.accelerators) == (16, ())


def test_memory_that_nobody_named_is_not_invented() -> None:
    rig = described("1x l40s")
    assert (rig.host_is_known, rig.host.usable_bytes) == (False, 0)
    assert isinstance(rig.host.bandwidth, Unknown)
    assert any("not named" in note for note in rig.notes)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("2x rtx-409o, 64GB", "rtx-409o"),
        ("rtx-4090 48GB", "48gb"),
        ("64GB, 32GB", "32gb"),
        ("ddr5-5600, 32GB", "ddr5-5600"),
        ("0x rtx-4090", "0x"),
    ],
)
def test_the_word_that_is_not_understood_is_named(text: str, word: str) -> None:
    with pytest.raises(DescriptionError) as caught:
        described(text)
    assert caught.value.word == word
    assert caught.value.hint
