"""The table of devices: every fact has its source, every mistake in a row is reported with its line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from freehold.core.errors import CatalogError
from freehold.hardware.devices import Device, Devices
from freehold.hardware.devices.reader import read_devices

EPOCH = Path(__file__).resolve().parents[3] / "shared/data/hardware/epoch_ml_hardware.csv"
ROW = """
vendor = "Somebody"
[sources]
sheet = ["A data sheet", "2025-03"]
[devices.card]
name = "Somebody Card"
source = "sheet"
memory_gib = 24
"""


def test_there_are_enough_devices_of_every_kind_and_each_has_memory_and_bandwidth() -> None:
    devices = Devices.load().devices
    assert len(devices) >= 80
    assert {device.vendor for device in devices} >= {"NVIDIA", "AMD", "Intel", "Apple", "Google"}
    assert {device.kind for device in devices} == {"gpu", "unified", "host"}
    assert all(offer.bandwidth_gbs is not None for device in devices for offer in device.offers)


def test_what_a_driver_reports_is_a_little_less_than_what_is_soldered_on() -> None:
    seen = [offer for device in Devices.load().devices for offer in device.offers if offer.visible_mib]
    assert len(seen) >= 20
    for offer in seen:
        assert 0.9 < offer.memory_bytes / (offer.memory_gib.value * 2**30) < 1.0005


@pytest.mark.parametrize(
    ("name", "memory_mib", "key"),
    [
        ("NVIDIA GeForce RTX 4090", 24564, "rtx-4090"),
        ("NVIDIA H100 80GB HBM3", 81559, "h100-sxm"),
        ("NVIDIA A100-SXM4-40GB", 40960, "a100-sxm"),
        ("NVIDIA A100 80GB PCIe", 81920, "a100-pcie"),
        ("Tesla V100-SXM2-32GB", 32768, "v100-sxm2"),
        ("NVIDIA GeForce RTX 3080", 12288, "rtx-3080-12gb"),
        ("NVIDIA H200", 143771, "h200-sxm"),
        ("NVIDIA GB10", 122502, "dgx-spark"),
        ("NVIDIA GeForce RTX 5070 Ti Laptop GPU", 12227, None),
    ],
)
def test_the_names_that_drivers_report_are_found(name: str, memory_mib: int, key: str | None) -> None:
    found = Devices.load().reported(name, memory_mib * 2**20)
    assert (found.key if found else None) == key


def test_every_mistake_of_every_file_is_reported_at_once_with_its_line() -> None:
    wrong = ROW + 'bandwidth_gbs = [900, "nowhere"]\npower = 300\npcie = "9.0 x16"\n\n[devices.other]\nname = "Other"\n'
    with pytest.raises(CatalogError) as caught:
        read_devices({"good.toml": ROW.replace("card", "fine").replace("Card", "Fine"), "bad.toml": wrong})
    problems = caught.value.data["problems"]
    said = {(problem["line"], problem["key"]) for problem in problems if problem["file"] == "bad.toml"}
    assert said >= {(9, "devices.card.bandwidth_gbs"), (10, "devices.card.power"), (11, "devices.card.pcie")}
    assert any("did you mean 'power_w'" in problem["text"] for problem in problems)
    assert any(problem["key"] == "devices.other.source" for problem in problems)
    assert any(problem["key"] == "devices.other.memory_gib" for problem in problems)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bandwidth_gbs = [1, 2, 3]", "3 figures beside 1 sizes"),
        ("power_w = -5", "above 0"),
        ("power_w = true", "above 0"),
        ("cores = [1, 2]", "one figure"),
        ("bandwidth_gbs = []", "above 0"),
        ('pci = ["10DE:2684"]', "hexadecimal"),
        ("tera = { fp17 = 3 }", "did you mean 'fp1"),
        ("dies = 0", "from 1 to 16"),
        ('kind = "toaster"', "one of host, gpu, unified"),
    ],
)
def test_a_figure_that_cannot_be_one_is_refused(line: str, said: str) -> None:
    with pytest.raises(CatalogError, match=said):
        read_devices({"bad.toml": f"{ROW}{line}\n"})


def test_a_name_that_two_devices_claim_is_refused() -> None:
    twice = ROW + '[devices.second]\nname = "CARD"\nsource = "sheet"\nmemory_gib = 8\naliases = ["somebody card"]\n'
    with pytest.raises(CatalogError, match="claims 'card'"):
        read_devices({"twice.toml": twice})


def test_a_file_that_is_not_toml_is_named() -> None:
    with pytest.raises(CatalogError, match=r"bad\.toml line 2: is not TOML"):
        read_devices({"bad.toml": 'vendor = "x"\n= 3\n'})


PAIRS = {
    "a100-sxm": "NVIDIA A100 SXM4 80 GB",
    "rtx-4090": "NVIDIA GeForce RTX 4090",
    "h100-sxm": "NVIDIA H100 SXM5 80GB",
    "mi300x": "AMD Instinct MI300X",
    "l40": "NVIDIA L40",
    "rx-7900-xtx": "AMD Radeon RX 7900 XTX",
    "rtx-3090": "NVIDIA GeForce RTX 3090",
    "rtx-a6000": "NVIDIA RTX A6000",
    "tpu-v5p": "Google TPU v5p",
    "gb200": "NVIDIA GB200",
    "l4": "NVIDIA L4",
    "max-1100": "Intel Data Center GPU Max 1100",
}


@pytest.mark.skipif(not EPOCH.exists(), reason="the independent list is not here")
@pytest.mark.parametrize(("key", "name"), PAIRS.items())
def test_memory_and_bandwidth_agree_with_an_independent_list(key: str, name: str) -> None:
    with EPOCH.open(encoding="utf-8", newline="") as file:
        (row,) = (row for row in csv.DictReader(file) if row["Hardware name"] == name)
    device = _device(key)
    largest = device.offers[-1]
    assert largest.memory_gib.value == pytest.approx(float(row["Memory (bytes)"]) / 1e9, rel=0.01)
    assert largest.bandwidth_gbs
    assert largest.bandwidth_gbs.value == pytest.approx(float(row["Memory bandwidth (byte/s)"]) / 1e9, rel=0.02)


def _device(key: str) -> Device:
    found = Devices.load().get(key)
    assert found is not None
    return found
