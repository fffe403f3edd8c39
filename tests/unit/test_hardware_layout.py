"""What is read of nodes, modules and disks is what is there; what cannot be read is unknown."""

from __future__ import annotations

import struct
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from freehold.core.quantity import Measured, Unknown
from freehold.hardware import disk, layout, probe
from freehold.hardware.layout import Module, Node


def structure(kind: int, body: bytes, strings: bytes = b"DIMM A\0\0") -> bytes:
    return bytes([kind, 4 + len(body)]) + b"\x00\x01" + body + strings


def memory_device(size: int, *, kind: int = 0x22, rated: int = 5600, run: int = 5200, extended_mib: int = 0) -> bytes:
    """SMBIOS 3.7, 7.18: the offsets that are read, in a structure of the length of version 2.7."""
    body = bytearray(0x22 - 4)
    struct.pack_into("<H", body, 0x0C - 4, size)
    body[0x12 - 4] = kind
    struct.pack_into("<H", body, 0x15 - 4, rated)
    struct.pack_into("<I", body, 0x1C - 4, extended_mib)
    struct.pack_into("<H", body, 0x20 - 4, run)
    return structure(17, bytes(body))


def test_modules_are_read_from_their_table_with_the_speed_they_are_run_at(tmp_path: Path) -> None:
    table = tmp_path / "DMI"
    table.write_bytes(
        structure(0, bytes(20), b"Maker\0Version\0\0")
        + memory_device(16384)
        + memory_device(0)
        + memory_device(0x7FFF, kind=0x1A, extended_mib=65536, run=0)
        + memory_device(0xFFFF)
        + structure(127, b"", b"\0\0")
    )
    assert layout.modules(table) == (Module(16 * 2**30, "DDR5", 5200), Module(64 * 2**30, "DDR4", 5600))


def test_a_table_of_modules_that_may_not_be_read_is_unknown(tmp_path: Path) -> None:
    assert layout.modules(tmp_path / "none") is None


@given(st.binary(max_size=200) | st.lists(st.just(memory_device(16384)), max_size=3).map(b"".join))
def test_no_bytes_in_the_place_of_the_table_break_its_reader(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        found = layout.modules(Path(file.name)) or ()
    assert all(module.size_bytes > 0 for module in found)
    assert len(found) <= len(data) // 4


def test_nodes_are_listed_with_their_cores_and_one_of_memory_alone_has_none(tmp_path: Path) -> None:
    for number, cores in ((0, "0-15,32-47"), (1, "16-31"), (10, "")):
        (tmp_path / f"node{number}").mkdir()
        (tmp_path / f"node{number}" / "cpulist").write_text(f"{cores}\n")
    (tmp_path / "has_memory").write_text("0-1\n")
    assert layout.nodes(tmp_path) == (Node(0, "0-15,32-47"), Node(1, "16-31"), Node(10, None))


def test_instruction_sets_are_those_that_the_engine_has_kernels_for() -> None:
    machine = replace(probe.machine(), cpu_flags=frozenset({"avx512f", "avx2", "mmx", "sse4_2"}))
    assert layout.instruction_sets(machine) == ("sse4_2", "avx2", "avx512f")


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_the_folder_above_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    found = disk.read_speed(tmp_path / "home" / "not" / "yet")
    assert isinstance(found, Measured | Unknown)
    if isinstance(found, Measured):
        assert 0 < found.low <= found.value <= found.high
        assert found.runs == disk.RUNS
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_kept_in_memory_has_no_disk() -> None:
    found = disk.read_speed(Path("/dev/shm"))
    assert isinstance(found, Unknown)
    assert "in memory" in found.reason
