"""safetensors files: what is sound stays clean, and no byte of a header is believed."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.weights.safetensors import DTYPE_BITS, check_safetensors
from tests.hostile.safetensors_files import DATA, MORE, SOUND, safetensors

lenient = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def look(folder: Path, data: bytes) -> tuple[set[str], frozenset[str]]:
    (folder / "m.safetensors").write_bytes(data)
    found = check_safetensors(folder / "m.safetensors")
    return {finding.check for finding in (*found.findings, *found.undecided)}, found.tensors


def test_a_sound_file_is_clean_and_names_its_tensors(tmp_path: Path) -> None:
    assert look(tmp_path, safetensors()) == (set(), frozenset({"a", "b"}))
    assert check_safetensors(tmp_path / "m.safetensors").metadata == {"format": "pt"}


@pytest.mark.parametrize("spaces", [0, 1, 7])
def test_spaces_that_align_the_data_are_allowed(spaces: int, tmp_path: Path) -> None:
    assert look(tmp_path, safetensors(json.dumps(SOUND, indent=1) + " " * spaces))[0] == set()


@pytest.mark.parametrize(("check", "data"), MORE)
def test_other_ways_to_be_wrong_are_found_too(check: str, data: bytes, tmp_path: Path) -> None:
    assert look(tmp_path, data)[0] == {check}


@pytest.mark.parametrize("dtype", DTYPE_BITS)
def test_every_dtype_takes_the_bytes_it_should(dtype: str, tmp_path: Path) -> None:
    nbytes = DTYPE_BITS[dtype]  # eight values
    entry = {"dtype": dtype, "shape": [2, 4], "data_offsets": [0, nbytes]}
    assert look(tmp_path, safetensors({"a": entry}, bytes(nbytes)))[0] == set()


@pytest.mark.parametrize("shape", [[], [0], [0, 7], [1, 1]])
def test_scalars_and_empty_tensors_are_sound(shape: list[int], tmp_path: Path) -> None:
    nbytes = 0 if 0 in shape else 4
    entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, nbytes]}
    assert look(tmp_path, safetensors({"a": entry}, bytes(nbytes)))[0] == set()


@lenient
@given(header=st.binary(max_size=400))
def test_random_headers_bring_about_nothing_but_findings(header: bytes, tmp_path: Path) -> None:
    assert look(tmp_path, safetensors(b"{" + header)) != (set(), frozenset()) or header.rstrip(b" ") == b"}"


@lenient
@given(at=st.integers(0, len(safetensors()) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_of_the_lengths_and_numbers_is_found(at: int, bit: int, tmp_path: Path) -> None:
    data = bytearray(safetensors())
    data[at] ^= 1 << bit
    found, tensors = look(tmp_path, bytes(data))
    # What is left: a bit of the weights, or of a name or text, after which the file is another sound one.
    inside_text = at >= len(data) - len(DATA) or chr(safetensors()[at]).isalpha() or chr(data[at]) in ' "'
    assert found or inside_text or tensors != {"a", "b"}


@lenient
@given(cut=st.integers(0, len(safetensors()) - 1))
def test_a_truncated_file_is_never_clean(cut: int, tmp_path: Path) -> None:
    assert look(tmp_path, safetensors()[:cut])[0]


@lenient
@given(length=st.integers(0, 2**64 - 1))
def test_a_wrong_length_is_never_clean(length: int, tmp_path: Path) -> None:
    sound = safetensors()
    if length != int.from_bytes(sound[:8], "little"):
        assert look(tmp_path, struct.pack("<Q", length) + sound[8:])[0]


@lenient
@given(
    tensors=st.lists(
        st.tuples(st.sampled_from(sorted(DTYPE_BITS)), st.lists(st.integers(0, 9), max_size=4)), max_size=8
    )
)
def test_what_is_laid_out_as_the_format_says_is_clean(tensors: list[tuple[str, list[int]]], tmp_path: Path) -> None:
    header, end = {}, 0
    for number, (dtype, shape) in enumerate(tensors):
        values = 8  # whole bytes for every dtype
        for size in shape:
            values *= size
        nbytes = values * DTYPE_BITS[dtype] // 8
        header[f"t{number}"] = {"dtype": dtype, "shape": [8, *shape], "data_offsets": [end, end + nbytes]}
        end += nbytes
    assert look(tmp_path, safetensors(header, bytes(end)))[0] == set()
