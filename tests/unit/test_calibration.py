"""The record of a measured machine: kept whole, used for no other machine or engine, honest where it is damaged."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from freehold.core.quantity import Measured, Unknown
from freehold.hardware import caches, measured_speeds, probe
from freehold.hardware import calibration as records
from freehold.hardware.fingerprint import fingerprint
from freehold.hardware.measured_speeds import MeasuredSpeed, Way
from freehold.python.measuring import keep_measured
from tests.calibrations import ENGINE, ON, calibration

FOUND = calibration()


def kept(home: Path, data: bytes) -> Path:
    path = records.kept_at(home, FOUND.fingerprint)
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


def test_a_record_is_read_back_as_it_was(home: Path) -> None:
    kept(home, records.encoded(FOUND))
    assert records.read(home, fingerprint=FOUND.fingerprint, engine=ENGINE) == FOUND


def test_there_is_none_before_the_machine_was_measured(home: Path) -> None:
    found = records.read(home, fingerprint=FOUND.fingerprint, engine=ENGINE)
    assert isinstance(found, Unknown)
    assert found.reason == "this machine was not measured: `freehold machine --measure` takes a minute to measure it"


def test_it_is_used_for_no_other_machine_and_no_other_engine(home: Path) -> None:
    kept(home, records.encoded(calibration(fingerprint="other-64c")))
    found = records.read(home, fingerprint=FOUND.fingerprint, engine=ENGINE)
    assert isinstance(found, Unknown)
    assert "was measured on another machine (other-64c)" in found.reason
    records.kept_at(home, FOUND.fingerprint).write_bytes(records.encoded(FOUND))
    found = records.read(home, fingerprint=FOUND.fingerprint, engine="llama.cpp (xllamacpp 9)")
    assert isinstance(found, Unknown)
    assert "was measured with llama.cpp (xllamacpp test), and llama.cpp (xllamacpp 9) runs now" in found.reason


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(records.encoded(FOUND)), **fields}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        records.encoded(FOUND)[:-40],
        changed(format="1"),
        changed(more=1),
        changed(threads=0),
        changed(pass_s=[1, 2, 3]),
        changed(pass_s=[1.0, 2.0, 3.0, 5, ON]),
        changed(pass_s=[float("nan")] * 3 + [5, ON]),
        changed(weights={"Q4_0": {"one": [1, 1, 1, 1, ON]}}),
        changed(weights={"Q4_0": {}}),
        changed(weights=[]),
        changed(attention={"f16": {}}),
        changed(quiet={"load_before": 1}),
        changed(fingerprint=7),
    ],
)
def test_a_damaged_record_is_said_to_be_damaged(home: Path, data: bytes) -> None:
    path = kept(home, data)
    found = records.read(home, fingerprint=FOUND.fingerprint, engine=ENGINE)
    assert isinstance(found, Unknown)
    assert found.reason.startswith(f"{path} is damaged (")
    assert found.reason.endswith("`freehold machine --measure` takes a minute to measure it")


def test_a_record_of_the_first_version_is_measured_again(home: Path) -> None:
    path = kept(home, changed(format=1))
    found = records.read(home, fingerprint=FOUND.fingerprint, engine=ENGINE)
    assert isinstance(found, Unknown)
    assert found.reason == (
        f"{path} was written by an older Freehold, which timed attention in another way: "
        "`freehold machine --measure` takes a minute to measure it"
    )


def test_a_record_that_is_a_folder_cannot_be_read(home: Path) -> None:
    records.kept_at(home, FOUND.fingerprint).mkdir(parents=True)
    found = records.read(home, fingerprint=FOUND.fingerprint, engine=ENGINE)
    assert isinstance(found, Unknown)
    assert "cannot be read" in found.reason


def speed(
    *, machine: str = "machine", build: str = "sha256:1", used: int = 512, together: int = 1, value: float = 100.0
) -> MeasuredSpeed:
    way = Way(machine, build, ENGINE, used, together, ("threads=2",))
    return MeasuredSpeed(way, Measured(value, value - 1, value + 1, 5, ON), None)


def test_measured_speeds_are_read_back_and_replaced_by_later_ones(home: Path) -> None:
    path = measured_speeds.kept_at(home, "machine")
    path.parent.mkdir(parents=True)
    rows = measured_speeds.added([speed(), speed(used=64)], [speed(value=120.0)])
    path.write_bytes(measured_speeds.encoded(rows))
    assert measured_speeds.read(home, "machine") == (speed(value=120.0), speed(used=64))
    assert measured_speeds.read(home, "another") == ()


def test_of_several_that_keep_speeds_at_once_none_is_lost(home: Path) -> None:
    machine = fingerprint(probe.machine())
    rows = [speed(used=used, machine=machine) for used in range(64)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda row: keep_measured([row]), rows))
    assert sorted(row.way.used_tokens for row in measured_speeds.read(home, machine)) == [*range(64)]


def test_measured_speeds_of_a_damaged_or_foreign_file_are_none(home: Path) -> None:
    path = measured_speeds.kept_at(home, "other")
    path.parent.mkdir(parents=True)
    for data in (b"{", b"[1]", b"null", b"[" * 100_000, measured_speeds.encoded([speed()])):
        path.write_bytes(data)
        assert measured_speeds.read(home, "other") == ()


def test_the_nearest_context_of_the_same_concurrency_is_shown() -> None:
    rows = [speed(used=256), speed(used=700), speed(used=512, together=4)]
    assert measured_speeds.nearest(rows, used_tokens=600, concurrency=1) == rows[1]
    assert measured_speeds.nearest(rows, used_tokens=2000, concurrency=1) is None
    assert measured_speeds.nearest(rows, used_tokens=512, concurrency=8) is None
    assert measured_speeds.of_build([*rows, speed(build="sha256:2")], "sha256:2") == (speed(build="sha256:2"),)


def test_the_largest_cache_is_read_and_assumed_where_nobody_says(tmp_path: Path) -> None:
    for name, size in (("index0", "32K"), ("index3", "256M"), ("index4", "many")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "size").write_text(f"{size}\n")
    assert caches.largest_bytes(tmp_path) == 256 << 20
    assert caches.largest_bytes(tmp_path / "none") == caches.ASSUMED_BYTES
