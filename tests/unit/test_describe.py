"""A machine in words is the rig that was meant, or an error that names the word and what would be understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    for text in ("2x 16 GB DDR5 5600 x 2", "32GB, ddr5-5600x2", "ddr5-5600 x2 channels, 32GiB ram"):
        assert described(text).host == rig.host


def test_less_than_a_gibibyte_is_told_in_mebibytes() -> None:
    assert "16 MiB of the 64 MiB" in described("64 MB").notes[0]


def test_memory_that_nobody_named_is_not_invented() -> None:
    rig = described("1x l40s")
    assert (rig.host_is_known, rig.host.usable_bytes) == (False, 0)
    assert isinstance(rig.host.bandwidth, Unknown)
    assert any("not named" in note for note in rig.notes)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("2x rtx-409o, 64GB", "rtx-409o"),
        ("rtx-4090 48GB", "48GB"),
        ("64GB, 32GB", "32GB"),
        ("ddr5-5600, 32GB", "ddr5-5600"),
        ("0x rtx-4090", "0x"),
    ],
)
def test_the_word_that_is_not_understood_is_named(text: str, word: str) -> None:
    with pytest.raises(DescriptionError) as caught:
        described(text)
    assert caught.value.word == word
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "device", "memory_gib", "bandwidth"),
    [
        ("MacBook M4 Max 64GB", "m4-max", 64, 546e9),
        ("macbook pro m4 max, 36GB", "m4-max", 36, 410e9),
        ("strix halo 128 GB", "ryzen-ai-max-395", 128, 256e9),
        ("raspberry pi 5 8GB", "raspberry-pi-5", 8, 17.1e9),
        ("jetson thor", "jetson-agx-thor", 128, 273e9),
    ],
)
def test_a_computer_that_shares_its_memory_is_one_place_which_is_its_host_too(
    text: str, device: str, memory_gib: int, bandwidth: float
) -> None:
    rig = described(text)
    assert (rig.places, rig.host.device) == ((rig.host,), device)
    assert rig.host.memory_bytes == memory_gib * GIB
    assert at_most(rig.host.bandwidth) == pytest.approx(bandwidth)
    assert rig.host.usable_bytes < rig.host.memory_bytes


def test_cores_are_those_that_were_said_else_those_of_the_table() -> None:
    assert described("raspberry pi 5 8GB").cores == 4
    assert described("raspberry pi 5 8GB, 2 cores").cores == 2
    assert described("rtx-4090, 64GB").cores is None


def test_a_name_that_several_share_means_the_first_that_has_the_memory_and_a_note_says_so() -> None:
    rig = described("8x h100")
    assert {place.device for place in rig.accelerators} == {"h100-sxm"}
    assert len(rig.accelerators) == 8
    assert any("h100-pcie" in note for note in rig.notes)
    assert described("h100 94GB").accelerators[0].device == "h100-nvl"


def test_memory_that_a_driver_reports_is_taken_before_the_round_figure_it_is_sold_with() -> None:
    assert described("l40s").accelerators[0].memory_bytes == 46068 * 2**20


def test_a_card_of_two_dies_is_two_devices() -> None:
    rig = described("mi250x 128GB")
    assert [place.memory_bytes for place in rig.accelerators] == [64 * GIB, 64 * GIB]


def test_a_card_that_is_in_no_table_is_described_by_its_figures() -> None:
    (card,) = described("1x mycard(24GB, 900GB/s, 165 TFLOPS)").accelerators
    assert (card.name, card.device, card.memory_bytes) == ("mycard", None, 24 * GIB)
    assert at_most(card.bandwidth) == 900e9
    assert at_most(card.compute["fp16"]) == 165e12
    (changed,) = described("rtx-4090(48GB)").accelerators
    assert (changed.device, changed.memory_bytes) == ("rtx-4090", 48 * GIB)


def test_nvlink_is_what_a_module_has_and_what_a_card_has_by_its_bridge() -> None:
    def link(text: str) -> float | None:
        found = described(text).accelerators[0].link
        return at_most(found) if found else None

    assert link("8x h200") == link("8x h200 nvlink") == 450e9
    assert link("2x rtx-3090 nvlink") == 56.25e9
    assert link("2x rtx-3090") == pytest.approx(16e9 * 16 * 128 / 130 / 8)
    with pytest.raises(DescriptionError, match="No NVLink"):
        described("2x rtx-4090 nvlink")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a100", "sold with 40GB and 80GB"),
        ("l40s x2", 'Write "2x l40s".'),
        ("2 l40s", 'Write "2x l40s".'),
        ("rtx4090x2, 64GB", 'Write "2x rtx4090".'),
        ("1x l40s, 64Gb", 'Write "64GB".'),
        ("2x dgx spark", "more than one computer"),
        ("macbook m4 max 64GB, 32GB", "two sizes of one memory"),
        ("mycard(24GB", "do not match"),
        ("mycard(24)", "no figure"),
        ("mycard", "no device of the table"),
        ("rtx-4090, , 64GB", "empty part"),
        ("l40s 64GB", "none of that"),
        ("2048x l4", "outside"),
        ("165TFLOPS, 64GB", "belongs to a device"),
        ("x" * 501, "500 characters"),
    ],
)
def test_each_mistake_is_answered_with_what_was_wrong_and_a_form_that_would_be_understood(text: str, said: str) -> None:
    with pytest.raises(DescriptionError, match=said) as caught:
        described(text)
    assert '"' in caught.value.hint or "`" in caught.value.hint


WORDS = (
    *("2x", "8 x", "rtx-4090", "4090", "h100", "macbook", "m4 max", "a100", "mycard", "nvlink", "ram", "host", "cores"),
    *("64GB", "64 gb", "0GB", "99999999GB", "1.5TB", "900GB/s", "165TFLOPS", "ddr5-5600", "ddr5-5600 x2", "x2", "16"),
    *(",", ",", " + ", "+", "(", ")", "-", "٣GB", "½", "\x00", "é", "1e9GB", "nanGB", "x" * 40),
)


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join) | st.text(max_size=60))
def test_whatever_is_written_is_a_rig_or_a_named_mistake(text: str) -> None:
    try:
        rig = described(text)
    except DescriptionError as error:
        assert error.hint
        assert error.message
    else:
        assert rig.places
        assert all(0 <= place.usable_bytes <= place.memory_bytes for place in rig.places)
