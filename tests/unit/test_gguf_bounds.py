"""No GGUF costs more than its bounds, and no bytes bring about anything but a report."""

from __future__ import annotations

import json
import os
import resource
import struct
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.weights.gguf import check_gguf
from tests.gguf_bytes import tensor
from tests.hostile.gguf_files import DATA_BYTES, SOUND, pairs, sound, start
from tests.hostile.gguf_worst import WORST

_LOOK = """
import json, sys, time
from pathlib import Path
from freehold.weights.gguf import check_gguf
started = time.process_time()
look = check_gguf(Path(sys.argv[1]))
seconds = time.process_time() - started
peak_kb = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
checks = [finding.check for finding in look.findings + look.undecided]
print(json.dumps({"peak_kb": peak_kb, "seconds": seconds, "checks": checks}))
"""
# The kernel ends what takes far longer than it should, or asks for far more memory; a slow machine is no failure.
_CPU_LIMIT_S = 30
_MEMORY_LIMIT_BYTES = 600 << 20

lenient = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_LIMIT_S, _CPU_LIMIT_S))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_LIMIT_BYTES, _MEMORY_LIMIT_BYTES))


class Cost(NamedTuple):
    """What one look took, in a process of its own, and the checks that found something."""

    peak_kb: int
    seconds: float
    checks: list[str]


def cost(path: Path) -> Cost:
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, str(path)], capture_output=True, text=True, preexec_fn=_limited, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Cost(**json.loads(done.stdout))


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc, as on Linux")


@needs_proc
@pytest.mark.parametrize("name", WORST)
def test_the_most_costly_files_are_decided_within_200_megabytes(name: str, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(WORST[name]())
    took = cost(path)
    print(f"{name}: {took.seconds:.2f} s, {took.peak_kb // 1024} MB")
    assert took.peak_kb < 200_000
    assert took.checks


@needs_proc
def test_a_header_of_twenty_gigabytes_is_looked_at_within_100_megabytes(tmp_path: Path) -> None:
    large = ("blk.0.ffn_up.weight", (64, 20_000_000 * 16), 8, DATA_BYTES)
    entries = [("token_embd.weight", (64, 4), 0, 0), ("a", (64, 8), 8, 1024), ("b", (64, 8), 8, 1568), large]
    head = start(4, len(SOUND)) + pairs(SOUND) + b"".join(tensor(*each) for each in entries)
    path = tmp_path / "m.gguf"
    path.write_bytes(head)
    os.truncate(path, -(-len(head) // 32) * 32 + DATA_BYTES + 64 * 20_000_000 * 16 // 32 * 34)
    assert path.stat().st_size > 20e9
    took = cost(path)
    print(f"{took.seconds:.3f} s, {took.peak_kb // 1024} MB")
    assert took.checks == []
    assert took.peak_kb < 100_000


def decided(path: Path, data: bytes) -> bool:
    """Whether the file is clean, after a look that must end in a report that does not contradict itself."""
    path.write_bytes(data)
    look = check_gguf(path)
    refused = any(finding.severity == "refuse" for finding in look.findings)
    assert (look.facts is None) == (refused or bool(look.undecided))
    return not look.findings and not look.undecided


@lenient
@given(data=st.binary(max_size=600))
def test_any_bytes_after_the_magic_and_a_version_are_decided(data: bytes, tmp_path: Path) -> None:
    assert not decided(tmp_path / "m.gguf", b"GGUF" + struct.pack("<I", 3) + data)


@lenient
@given(data=st.binary(max_size=200), keys=st.integers(0, len(SOUND) + 3), tensors=st.integers(0, 4))
def test_any_bytes_after_sound_keys_are_decided(data: bytes, keys: int, tensors: int, tmp_path: Path) -> None:
    decided(tmp_path / "m.gguf", start(tensors, keys) + pairs(SOUND) + data)


@lenient
@given(changes=st.lists(st.tuples(st.integers(0, len(sound()) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_sound_file_with_bytes_changed_is_decided(changes: list[tuple[int, int]], tmp_path: Path) -> None:
    data = bytearray(sound())
    for place, byte in changes:
        data[place] = byte
    decided(tmp_path / "m.gguf", bytes(data))


EDGES = [0, 1, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1]


@lenient
@given(place=st.integers(0, len(sound()) - DATA_BYTES), number=st.sampled_from(EDGES), wide=st.booleans())
def test_a_sound_file_with_a_length_changed_is_decided(place: int, number: int, wide: bool, tmp_path: Path) -> None:
    data = bytearray(sound())
    raw = struct.pack("<Q", number) if wide else struct.pack("<I", number & 0xFFFFFFFF)
    data[place : place + len(raw)] = raw
    decided(tmp_path / "m.gguf", bytes(data))


@lenient
@given(cut=st.tuples(st.integers(0, len(sound())), st.integers(0, len(sound()))))
def test_a_sound_file_with_a_part_cut_out_is_never_clean(cut: tuple[int, int], tmp_path: Path) -> None:
    whole = sound()
    first, last = min(cut), max(cut)
    # A cut of nothing leaves the file whole; one of some characters of a text may leave a sound one.
    shorter = whole[:first] + whole[last:]
    clean = decided(tmp_path / "m.gguf", shorter)
    assert not clean or first == last or last < len(whole) - DATA_BYTES


def test_a_sound_file_cut_short_anywhere_is_never_clean(tmp_path: Path) -> None:
    whole = sound()
    assert not any(decided(tmp_path / "m.gguf", whole[:length]) for length in range(len(whole)))
