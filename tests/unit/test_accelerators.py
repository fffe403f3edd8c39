"""Accelerators as their drivers report them, on recorded machines, and an honest line for whatever is in the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from freehold.core.quantity import Unknown, at_most
from freehold.hardware import apple, here
from freehold.hardware.accelerators import Found, look
from freehold.hardware.bus import accelerator_ids
from freehold.hardware.fingerprint import fingerprint
from freehold.hardware.machine import Machine
from freehold.hardware.rig import Rig
from tests.machines import Card, absent, laid_out, nvml

MIB, GIB = 2**20, 2**30
MACHINE = Machine(16, 16, 8, 64 * GIB, 60 * GIB, "x86_64", "Linux", "6.12", "AMD Ryzen 7 7700", frozenset({"avx2"}))


def rig(found: Found, machine: Machine = MACHINE) -> Rig:
    return here.rig(machine, found)


def test_a_machine_without_accelerators_says_nothing_of_them(tmp_path: Path) -> None:
    assert look(pci=tmp_path, load=absent) == Found()
    assert [place.kind for place in rig(Found()).places] == ["host"]


def test_nvidias_cards_are_what_their_driver_reports(tmp_path: Path) -> None:
    found = look(pci=tmp_path, load=nvml(Card(), Card("NVIDIA L40S", 46068, 45000)))
    assert found.lines == ()
    first, second = rig(found).accelerators
    assert (first.device, second.device) == ("rtx-4090", "l40s")
    assert second.memory_bytes == 46068 * MIB
    assert second.usable_bytes == 45000 * MIB
    assert at_most(second.bandwidth) == 864e9
    assert first.link
    assert at_most(first.link) == pytest.approx(31.5e9, rel=0.001)


def test_a_card_that_is_in_no_table_has_memory_and_an_unknown_speed(tmp_path: Path) -> None:
    (place,) = rig(look(pci=tmp_path, load=nvml(Card("NVIDIA Secret 9", 4096, 4000)))).accelerators
    assert (place.device, place.memory_bytes) == (None, 4096 * MIB)
    assert isinstance(place.bandwidth, Unknown)


def test_a_processor_that_shares_the_hosts_memory_is_one_place_with_it(tmp_path: Path) -> None:
    found = look(pci=tmp_path, load=nvml(Card("NVIDIA GB10", memory_error=3)))
    (place,) = rig(found).places
    assert (place.kind, place.device, place.memory_bytes) == ("unified", "dgx-spark", 64 * GIB)
    assert at_most(place.bandwidth) == 273e9


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (nvml(init=9), "not loaded"),
        (nvml(init=18), "different versions"),
        (nvml(init=4), "may not ask"),
        (nvml(init=10), "answers Timeout"),
        (nvml(count=999), "no reason"),
        (nvml(), "has no device"),
    ],
)
def test_a_driver_that_does_not_answer_is_a_line_and_no_device(load: object, said: str, tmp_path: Path) -> None:
    found = look(pci=tmp_path, load=load)  # type: ignore[arg-type]
    assert found.accelerators == ()
    (line,) = found.lines
    assert said in line
    assert rig(found).notes == (line,)


def test_a_device_that_vanishes_while_it_is_asked_leaves_the_others(tmp_path: Path) -> None:
    for lost in (Card(error=15), Card(memory_error=15)):
        found = look(pci=tmp_path, load=nvml(Card("NVIDIA L4", 23034, 22800), lost))
        assert [each.name for each in found.accelerators] == ["NVIDIA L4"]
        (line,) = found.lines
        assert "device 1 of 2" in line
        assert "fallen off the bus" in line


def test_a_library_that_is_not_nvml_is_a_line(tmp_path: Path) -> None:
    (line,) = look(pci=tmp_path, load=lambda name: object()).lines
    assert "is not NVIDIA's" in line


def test_devices_that_no_driver_has_are_named(tmp_path: Path) -> None:
    found = look(pci=laid_out("no-driver", tmp_path), load=absent)
    assert found.accelerators == ()
    first, second, third = found.lines
    assert first.startswith("NVIDIA GeForce RTX 4090 is on the bus")
    assert "library is not installed" in first
    assert second == "AMD Instinct MI210 is on the bus and cannot be used: no driver has it."
    assert "does not tell how much memory" in third


def test_amds_card_is_read_from_sysfs_and_small_graphics_beside_it_are_no_place(tmp_path: Path) -> None:
    found = look(pci=laid_out("rx-7900-xtx", tmp_path), load=absent)
    (place,) = rig(found).accelerators
    assert (place.name, place.device) == ("AMD Radeon RX 7900 XTX 1", "rx-7900-xtx")
    assert place.memory_bytes == 25753026560
    assert place.usable_bytes == 25753026560 - 1208135680
    assert at_most(place.bandwidth) == 960e9
    assert found.lines == ()


def test_graphics_inside_a_processor_are_nothing_to_be_warned_of(tmp_path: Path) -> None:
    assert look(pci=laid_out("uhd", tmp_path), load=absent) == Found()


def test_a_card_whose_driver_is_silent_has_the_memory_that_the_bus_shows_whole(tmp_path: Path) -> None:
    tree = laid_out("no-driver", tmp_path)
    window = "0x000000{0}00000000 0x000000{1}ffffffff 0x000000000014220c\n"
    (tree / "0000:81:00.0" / "resource").write_text(window.format("50", "50") * 2 + window.format("60", "63"))
    (place,) = rig(look(pci=tree, load=absent)).accelerators
    assert (place.device, place.memory_bytes) == ("arc-a770", 16 * GIB)


def test_a_computer_whose_graphics_take_the_hosts_memory_is_told_by_the_table(tmp_path: Path) -> None:
    (place,) = rig(look(pci=laid_out("strix-halo", tmp_path), load=absent)).places
    assert (place.kind, place.device, place.memory_bytes) == ("unified", "ryzen-ai-max-395", 64 * GIB)


def test_intels_cards_are_read_from_both_of_its_drivers_and_what_is_free_is_not_invented(tmp_path: Path) -> None:
    tree = laid_out("arc", tmp_path)
    seen = rig(look(pci=tree, load=absent))
    assert [(place.device, place.memory_bytes) for place in seen.accelerators] == [
        ("arc-b580", 12 * GIB),
        ("arc-a770", 17079205888),
    ]
    assert sum("does not tell what is free" in note for note in seen.notes) == 2
    assert at_most(seen.accelerators[1].bandwidth) == 560e9
    assert accelerator_ids(tree) == ("8086:56a0", "8086:e20b")


def test_a_mac_is_one_place_of_which_a_model_may_take_what_the_system_lets_it() -> None:
    mac = Machine(16, 16, 16, 64 * GIB, 60 * GIB, "arm64", "Darwin", "25.1", "Apple M4 Max", frozenset())
    (place,) = rig(Found(), mac).places
    assert (place.kind, place.device, place.usable_bytes) == ("unified", "m4-max", 48 * GIB)
    assert at_most(place.bandwidth) == 546e9


@pytest.mark.parametrize(
    ("limit_mb", "gib", "share"), [(0, 16, 2 / 3), (0, 64, 3 / 4), (56 * 1024, 64, 56 / 64), (999999, 64, 1)]
)
def test_what_the_graphics_of_a_mac_may_take_is_what_its_owner_set_or_the_systems_choice(
    limit_mb: int, gib: int, share: float
) -> None:
    answers = {"iogpu.wired_limit_mb": limit_mb.to_bytes(4, "little")}
    taken = apple.working_set_bytes(gib * GIB, lambda name: answers.get(name, b""))
    assert taken == pytest.approx(gib * GIB * share, abs=1)


def test_a_chip_and_its_instruction_sets_are_read_from_the_answers_of_the_system() -> None:
    recorded = {
        "machdep.cpu.brand_string": b"Apple M4 Max\0",
        "hw.optional.AdvSIMD": b"\1\0\0\0",
        "hw.optional.arm.FEAT_DotProd": b"\1\0\0\0",
        "hw.optional.arm.FEAT_I8MM": b"\1\0\0\0",
        "hw.optional.arm.FEAT_SME": b"\0\0\0\0",
    }
    assert apple.chip(lambda name: recorded.get(name, b"")) == "Apple M4 Max"
    assert apple.cpu_flags(lambda name: recorded.get(name, b"")) == {"asimd", "asimddp", "i8mm"}
    assert apple.chip(lambda name: b"Intel(R) Core(TM) i9") is None


def test_the_fingerprint_is_stable_and_changes_with_what_measurements_depend_on() -> None:
    name = fingerprint(MACHINE)
    assert name.startswith("amd-ryzen-7-7700-16c-64g-")
    assert fingerprint(replace(MACHINE, memory_available_bytes=GIB, kernel="7.0")) == name
    assert fingerprint(replace(MACHINE, memory_total_bytes=64 * GIB - 50 * MIB)) == name
    changes = (
        {"usable_cores": 8.0},
        {"memory_total_bytes": 32 * GIB},
        {"cpu_model": "AMD Ryzen 9 7900"},
        {"governor": "powersave"},
        {"accelerator_ids": ("10de:2684",)},
        {"cpu_flags": frozenset({"avx2", "avx512f"})},
    )
    others = {fingerprint(replace(MACHINE, **change)) for change in changes}
    assert len(others | {name}) == len(changes) + 1
