"""What an outline says of a build whose token table nobody looked at: what it says of one whose table was judged."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.core.errors import WeightsError
from freehold.weights.gguf import check_gguf, read_facts, read_outline
from tests.gguf_bytes import ARRAY, STRING, U32
from tests.hostile.gguf_files import DATA_BYTES, sound

lenient = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
OF_TOKENS = ("gguf.tokenizer.", "gguf.string.utf8")
"""Checks of what stands in the strings of the table; their lengths are looked at whoever reads them."""


def written(folder: Path, data: bytes) -> Path:
    path = folder / "m.gguf"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("count", [1, 7, 100_000])
def test_the_tensors_after_a_table_are_found_behind_its_strings(count: int, tmp_path: Path) -> None:
    """A hundred thousand of them are several windows of the file; some are empty, as tokens may be."""
    tokens = [f"token {number}" * (number % 7) for number in range(count)]
    table = {"llama.vocab_size": (U32, count), "tokenizer.ggml.tokens": (ARRAY, (STRING, tokens))}
    lists = ("tokenizer.ggml.scores", "tokenizer.ggml.token_type", "tokenizer.ggml.merges")
    one = ("blk.0.attn_q.weight", (64, 8), 8, 0)
    outline = read_outline([written(tmp_path, sound(table, without=lists, tensors=[one], data_bytes=544))])
    assert outline.tokens == count
    assert [(each.name, each.shape) for each in outline.tensors] == [one[:2]]


def test_a_token_that_is_not_what_it_says_is_for_the_look_and_not_for_the_outline(tmp_path: Path) -> None:
    path = written(tmp_path, sound({"tokenizer.ggml.tokens": (ARRAY, (STRING, ["<s>", "<0xZZ>", "a", "b"]))}))
    with pytest.raises(WeightsError, match="Token 1 is a byte token"):
        read_facts(path)
    assert read_outline([path]).architecture == "llama"


def test_a_token_that_is_longer_than_any_may_be_is_refused_by_both(tmp_path: Path) -> None:
    path = written(tmp_path, sound({"tokenizer.ggml.tokens": (ARRAY, (STRING, ["<s>", "a", "b", "c" * (2 << 20)]))}))
    for read in (lambda: read_facts(path), lambda: read_outline([path])):
        with pytest.raises(WeightsError, match="2,097,152 bytes"):
            read()


@lenient
@given(place=st.integers(0, len(sound()) - DATA_BYTES), number=st.integers(0, 2**64 - 1), wide=st.booleans())
def test_an_outline_is_refused_where_the_look_refuses_more_than_a_token(
    place: int, number: int, wide: bool, tmp_path: Path
) -> None:
    data = bytearray(sound())
    raw = struct.pack("<Q", number) if wide else struct.pack("<I", number & 0xFFFFFFFF)
    data[place : place + len(raw)] = raw
    path = written(tmp_path, bytes(data))
    look = check_gguf(path)
    refused = [finding for finding in look.findings if finding.severity == "refuse"]
    wrong = [finding.check for finding in (*refused, *look.undecided)]
    try:
        read_outline([path])
    except WeightsError:
        assert wrong
    else:
        assert all(check.startswith(OF_TOKENS) for check in wrong), wrong
