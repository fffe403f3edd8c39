"""What a worker is started with: read from the file at its start, and refused where memory is gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from freehold.core.builds import HeldBuild, Stamp
from freehold.core.errors import BuildChangedError, WorkerStartError
from freehold.core.ports import Mapped, Room
from freehold.core.quantity import at_least, at_most
from freehold.core.settings import EngineOptions
from freehold.engines.llamacpp.identity import engine_id
from freehold.engines.llamacpp.preparation import Preparation
from freehold.hardware import calibration as records
from freehold.hardware import probe
from freehold.hardware.fingerprint import fingerprint
from freehold.weights.gguf import read_facts, read_outline
from tests.calibrations import calibration
from tests.servers.tiny_gguf import tiny_gguf


@pytest.fixture
def build(tmp_path: Path) -> HeldBuild:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(tiny_gguf())
    return HeldBuild("tiny:q4_1", "tiny", "sha256:0", (path,), path.stat().st_size, read_facts(path))


def test_the_first_start_chooses_and_a_restart_keeps_it_whatever_memory_is_left(build: HeldBuild) -> None:
    taken = [0]
    prepare = Preparation(build, EngineOptions(), None, lambda: taken[0])
    assert prepare.shown == {}
    first = prepare()
    assert (first["slots"], first["context_tokens"], first["cache_type"]) == (4, 2048, "f16")
    assert prepare.shown["context"].reason == "the 2,048 it was trained with"
    taken[0] = 2**60
    assert prepare() == first


def test_weights_that_other_workers_use_are_not_free_however_the_kernel_counts_them(build: HeldBuild) -> None:
    taken = [probe.machine().memory_available_bytes]
    prepare = Preparation(build, EngineOptions(context_tokens=2048, slots=4), None, lambda: taken[0])
    with pytest.raises(WorkerStartError) as error:
        prepare()
    assert "takes 4.2 MB of memory (computed), and 0 B are free" in error.value.message
    assert "stop another model" in error.value.hint
    taken[0] = 0  # the other one was stopped
    assert prepare()["slots"] == 4


def test_what_was_swapped_is_not_even_read(build: HeldBuild) -> None:
    def refuse(_: HeldBuild) -> tuple[Stamp, ...]:
        raise BuildChangedError("It has changed.")

    build.files[0].write_bytes(b"something else")
    with pytest.raises(BuildChangedError):
        Preparation(build, EngineOptions(), refuse, lambda: 0)()


def test_a_header_that_cannot_be_read_is_left_to_the_worker_to_complain_of(build: HeldBuild) -> None:
    build.files[0].write_bytes(b"something else")
    prepare = Preparation(build, EngineOptions(), None, lambda: 0)
    assert prepare()["context_tokens"] == 2048
    assert "its header cannot be read" in prepare.shown["context"].reason


def test_a_worker_is_planned_into_its_share_and_started_as_it_was_planned(build: HeldBuild) -> None:
    prepare = Preparation(build, EngineOptions(), None, lambda: 2**60)
    needs = prepare.plan(Room(10**9, 10**9))
    assert 50_000_000 < (at_least(needs.start) or 0) < (at_most(needs.start) or 0) < 150_000_000
    told = prepare()
    assert (told["slots"], told["context_tokens"]) == (4, 2048), "whatever the kernel says is free by then"
    assert needs.growth_bytes == told["prompt_cache_mib"] * 2**20


def test_weights_are_mapped_but_for_those_that_the_engine_may_lay_out_anew(build: HeldBuild) -> None:
    room = Room(10**9, 10**9)
    outline = read_outline(build.files)
    weights = sum(tensor.size_bytes for tensor in outline.tensors)
    assert Preparation(build, EngineOptions(), None, lambda: 0).plan(room).mapped == Mapped(build.digest, weights)
    build.files[0].write_bytes(b"something else")
    assert Preparation(build, EngineOptions(), None, lambda: 0).plan(room).mapped is None, "nobody can tell"


def test_a_share_that_is_too_small_for_a_useful_context_is_exceeded_by_no_more_than_that_takes(
    build: HeldBuild,
) -> None:
    prepare = Preparation(build, EngineOptions(), None, lambda: 0)
    needs = prepare.plan(Room(4_000_000, 10**12))
    assert prepare.chosen.context_tokens == 2048
    assert (at_most(needs.start) or 0) + needs.growth_bytes < 256_000_000


def test_what_is_set_and_all_memory_together_does_not_hold_is_refused_with_both_figures(build: HeldBuild) -> None:
    prepare = Preparation(build, EngineOptions(context_tokens=2048, slots=4), None, lambda: 0)
    with pytest.raises(WorkerStartError, match=r"takes 4\.2 MB of memory \(computed\), and 1\.0 MB are free"):
        prepare.plan(Room(10**6, 10**6))
    assert prepare.plan(Room(10**9, 10**9)).floor_bytes == build.size_bytes


def test_the_files_that_were_confirmed_go_with_the_start(build: HeldBuild) -> None:
    stamp = Stamp.of(build.files[0].stat())
    told = Preparation(build, EngineOptions(), lambda _: (stamp,), lambda: 0)()
    assert told["confirmed"] == [[str(build.files[0]), *stamp]]


def test_what_this_machine_was_measured_as_is_read_at_the_start(build: HeldBuild, home: Path) -> None:
    machine = fingerprint(probe.machine())
    path = records.kept_at(home, machine)
    path.parent.mkdir(parents=True)
    found = replace(calibration(fingerprint=machine), engine=engine_id(), threads=1)
    path.write_bytes(records.encoded(found))
    prepare = Preparation(build, EngineOptions(), None, lambda: 0, home)
    assert prepare()["threads"] == 1
    assert "when this machine was measured" in prepare.shown["threads"].reason
    path.write_bytes(b"{")
    anew = Preparation(build, EngineOptions(), None, lambda: 0, home)
    anew()
    assert "cores may be used" in anew.shown["threads"].reason
