"""The GGUF reader: what it says of whole files, and what damaged and hostile ones get."""

from __future__ import annotations

import os
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.core.errors import WeightsError
from freehold.weights.gguf import read_facts, read_split
from tests.gguf_bytes import ARRAY, BOOL, KEYS, STRING, U32, U64, gguf, header, tensor, text


def written(tmp_path: Path, data: bytes, name: str = "m.gguf") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def refusal(tmp_path: Path, data: bytes) -> str:
    with pytest.raises(WeightsError) as caught:
        read_facts(written(tmp_path, data))
    assert caught.value.message.startswith("m.gguf ")
    return caught.value.message


def test_the_facts_of_a_whole_file_are_the_ones_it_states(tmp_path: Path) -> None:
    facts = read_facts(written(tmp_path, gguf()))
    assert (facts.format, facts.architecture, facts.quantization) == ("gguf", "llama", "Q4_1")
    assert (facts.context_length, facts.embedding_length, facts.block_count, facts.head_count) == (2048, 64, 2, 4)
    assert facts.parameters == 64 * 8 + 32
    assert facts.vocabulary_size == 3
    assert facts.head_count_kv is None
    assert facts.chat_template is None


def test_the_real_small_model_says_what_its_publisher_says(smollm2_gguf: Path) -> None:
    facts = read_facts(smollm2_gguf)
    assert (facts.architecture, facts.quantization, facts.context_length) == ("llama", "Q4_1", 8192)
    assert (facts.block_count, facts.embedding_length, facts.head_count, facts.head_count_kv) == (30, 576, 9, 3)
    assert facts.vocabulary_size == 49152
    assert facts.parameters == 134_515_008
    assert facts.chat_template is not None
    assert "<|im_start|>" in facts.chat_template


def test_without_a_file_type_the_quantization_is_the_type_that_takes_most_bytes(tmp_path: Path) -> None:
    keys = {key: value for key, value in KEYS.items() if key != "general.file_type"}
    assert read_facts(written(tmp_path, gguf(keys))).quantization == "Q4_1"
    assert read_facts(written(tmp_path, gguf(keys, rows=1))).quantization == "F32"


def test_a_count_that_differs_by_layer_is_given_as_its_largest(tmp_path: Path) -> None:
    keys = {**KEYS, "llama.attention.head_count_kv": (ARRAY, (U32, [2, 4]))}
    assert read_facts(written(tmp_path, gguf(keys))).head_count_kv == 4


def test_a_truncated_file_is_named_with_both_sizes(tmp_path: Path) -> None:
    whole = gguf()
    message = refusal(tmp_path, whole[:-100])
    assert "truncated" in message
    assert f"{len(whole):,}" in message
    assert f"{len(whole) - 100:,}" in message


def test_a_file_cut_anywhere_is_refused_and_never_read_as_whole(tmp_path: Path) -> None:
    whole = gguf()
    for length in range(len(whole)):
        refusal(tmp_path, whole[:length])


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "It is empty"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "a web page"),
        (b"\n <html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a Git LFS pointer"),
        (b"PK\x03\x04" + bytes(40), "a zip archive"),
        (struct.pack("<Q", 64) + b'{"__metadata__":{}}' + bytes(64), "a safetensors file"),
        (b'{"error": "not found"}', "JSON"),
        (b"Not found.\n", "text"),
        (b"\x80\x04\x95" + bytes(20), "pickle"),
        (bytes(range(200, 240)), "of a kind Freehold does not know"),
    ],
)
def test_what_is_not_a_gguf_is_named_for_what_it_is(tmp_path: Path, data: bytes, what: str) -> None:
    assert what in refusal(tmp_path, data)


def test_a_big_endian_file_is_named_as_one(tmp_path: Path) -> None:
    key = struct.pack(">Q", 20) + b"general.architecture" + struct.pack(">IQ", STRING, 5) + b"llama"
    entry = struct.pack(">Q", 1) + b"t" + struct.pack(">IQIQ", 1, 8, 0, 0)
    whole = b"GGUF" + struct.pack(">IQQ", 3, 1, 1) + key + entry
    assert "big-endian" in refusal(tmp_path, whole + bytes(-len(whole) % 32 + 32))


@pytest.mark.parametrize(("version", "what"), [(1, "version 1"), (4, "version 4"), (0, "version 0")])
def test_an_unknown_version_is_refused_with_its_number(tmp_path: Path, version: int, what: str) -> None:
    assert what in refusal(tmp_path, header(KEYS, [], version=version))


def test_fifty_one_bytes_that_claim_an_array_of_2_to_the_60_entries_cost_nothing(tmp_path: Path) -> None:
    pair = text("a.b") + struct.pack("<IIQ", ARRAY, STRING, 2**60)
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + pair
    assert len(data) == 51
    tracemalloc.start()
    message = refusal(tmp_path, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "truncated or damaged" in message
    assert peak < 1_000_000


@pytest.mark.parametrize("counts", [(2**60, 0), (0, 2**60), (2**63, 2**63), (1, 5000)])
def test_counts_that_the_file_cannot_hold_are_refused_before_they_are_used(
    tmp_path: Path, counts: tuple[int, int]
) -> None:
    assert "says it has" in refusal(tmp_path, b"GGUF" + struct.pack("<IQQ", 3, *counts) + bytes(64))


def test_a_string_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**62) + b"abcdefgh"
    assert "needs 4,611,686,018,427,387,904 bytes" in refusal(tmp_path, data)


@pytest.mark.parametrize(
    ("tensors", "what"),
    [
        ([tensor("t", (64,), 3, 0), tensor("t", (64,), 3, 64)], "twice"),
        ([tensor("t", (64,), 3, 0), tensor("u", (64,), 3, 32)], "inside another"),
        ([tensor("t", (64,), 3, 8)], "aligned"),
        ([tensor("t", (64,), 5, 0)], "type 5"),
        ([tensor("t", (63,), 3, 0)], "whole blocks"),
        ([tensor("t", (0, 64), 3, 0)], "impossible shape"),
        ([tensor("t", (2**40, 2**40), 3, 0)], "impossible shape"),
        ([tensor("t", (32, 1, 1, 1, 1), 0, 0)], "5 dimensions"),
        ([tensor("t" * 300, (64,), 3, 0)], "300 bytes"),
        ([tensor("t", (64,), 3, 2**60)], "truncated"),
        ([], "holds no weights"),
    ],
)
def test_a_tensor_that_cannot_be_is_refused_by_name(tmp_path: Path, tensors: list[bytes], what: str) -> None:
    assert what in refusal(tmp_path, header(KEYS, tensors) + bytes(4096))


@pytest.mark.parametrize(
    ("extra", "what"),
    [
        ({"general.alignment": (U32, 3)}, "alignment"),
        ({"general.alignment": (U32, 0)}, "alignment"),
        ({"general.alignment": (STRING, "x")}, "alignment"),
        ({"llama.context_length": (STRING, "many")}, "llama.context_length"),
        ({"llama.context_length": (U64, 2**63)}, "llama.context_length"),
        ({"llama.context_length": (BOOL, True)}, "llama.context_length"),
        ({"general.architecture": (U32, 7)}, "general.architecture"),
        ({"general.architecture": (STRING, "")}, "architecture"),
        ({"general.architecture": (STRING, b"\xff\xfe")}, "not UTF-8"),
        ({"k" * 70_000: (U32, 1)}, "70,000 bytes"),
        ({"split.count": (U32, 3)}, "one of 3 files"),
    ],
)
def test_a_key_that_cannot_be_is_refused_by_name(
    tmp_path: Path, extra: dict[str, tuple[int, object]], what: str
) -> None:
    assert what in refusal(tmp_path, gguf({**KEYS, **extra}))


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    pair = text("a") + struct.pack("<II", U32, 1)
    assert "'a' twice" in refusal(tmp_path, b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + pair + pair)


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.gguf")
    with pytest.raises(WeightsError, match="not a regular file"):
        read_facts(tmp_path / "m.gguf")


def test_a_split_build_is_read_as_one_and_its_order_is_checked(tmp_path: Path) -> None:
    first = written(tmp_path, gguf({**KEYS, "split.count": (U32, 2), "split.no": (U32, 0)}), "m-00001-of-00002.gguf")
    second = written(tmp_path, gguf({"split.count": (U32, 2), "split.no": (U32, 1)}), "m-00002-of-00002.gguf")
    assert read_split((first, second)).parameters == 2 * (64 * 8 + 32)
    with pytest.raises(WeightsError, match="counted from 0"):
        read_split((second, first))
    with pytest.raises(WeightsError, match="one of 2 files and 1 are here"):
        read_facts(first)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_any_bytes_changed_is_read_or_refused_and_nothing_else(tmp_path: Path, data: st.DataObject) -> None:
    changed = bytearray(gguf())
    head_bytes = changed.index(b"norm.weight") + 48
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, head_bytes - 1))] = data.draw(st.integers(0, 255))
    try:
        facts = read_facts(written(tmp_path, bytes(changed)))
    except WeightsError as error:
        assert error.message.startswith("m.gguf ")
    else:
        assert facts.format == "gguf"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tail=st.binary(max_size=400), counts=st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)))
def test_any_bytes_after_the_magic_are_refused_with_a_weights_error(
    tmp_path: Path, tail: bytes, counts: tuple[int, int]
) -> None:
    refusal(tmp_path, b"GGUF" + struct.pack("<IQQ", 3, *counts) + tail)
