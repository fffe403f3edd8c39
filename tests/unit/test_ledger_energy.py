"""Energy of a request, from readings of a package's counter as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.ledger.energy import READ_EVERY_NS, Meter, packages
from freehold.ledger.ledger import opened
from freehold.ledger.record import Energy, Outcome
from tests.processes import until
from tests.unit.test_ledger_verify import ASKED

# Microjoules, 10 J between readings; the counter turns over after the third.
READINGS = (262_119_870_112, 262_130_011_400, 262_140_118_902, 7_800_143, 17_901_200)
RANGE_UJ = 262_143_328_850


class Recorded:
    """A powercap folder that says what was recorded, and a clock that goes on with it."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "intel-rapl:0"
        core = folder / "intel-rapl:0" / "intel-rapl:0:0"
        core.mkdir(parents=True)
        (core / "name").write_text("core\n")
        (self.package / "name").write_text("package-0\n")
        (self.package / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
        self.at_ns = 0
        self.say(0)

    def say(self, reading: int) -> None:
        (self.package / "energy_uj").write_text(f"{READINGS[reading]}\n")
        self.at_ns += READ_EVERY_NS

    def meter(self, folder: Path) -> Meter:
        return Meter(packages(folder), steady_ns=lambda: self.at_ns)


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def test_a_request_alone_has_all_that_the_package_used_meanwhile(recorded: Recorded, tmp_path: Path) -> None:
    meter = recorded.meter(tmp_path)
    assert meter.source == "RAPL package-0"
    began = meter.begin()
    recorded.say(1)
    used = READINGS[1] - READINGS[0]
    assert meter.end(began) == Energy(used, used)


def test_requests_at_work_together_have_equal_parts_and_the_whole_as_their_bound(
    recorded: Recorded, tmp_path: Path
) -> None:
    meter = recorded.meter(tmp_path)
    first = meter.begin()
    recorded.say(1)
    second = meter.begin()
    recorded.say(2)
    alone, together = READINGS[1] - READINGS[0], READINGS[2] - READINGS[1]
    assert meter.end(second) == Energy(round(together / 2), together)
    assert meter.end(first) == Energy(round(alone + together / 2), alone + together)


def test_a_counter_that_turns_over_is_read_right(recorded: Recorded, tmp_path: Path) -> None:
    recorded.say(2)
    meter = recorded.meter(tmp_path)
    began = meter.begin()
    recorded.say(3)
    used = RANGE_UJ + 1 - READINGS[2] + READINGS[3]
    assert meter.end(began) == Energy(used, used)


async def test_a_counter_that_turns_over_again_and_again_during_one_request_is_read_meanwhile(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def steady_ns() -> int:
        looks.append(READ_EVERY_NS * len(looks))
        return looks[-1]

    async def looked_at(reading: int) -> None:
        recorded.say(reading)
        before = len(looks)
        await until(lambda: len(looks) > before)

    monkeypatch.setattr("freehold.ledger.ledger.LOOK_EVERY_S", 0.0)
    meter = Meter(packages(tmp_path), steady_ns=steady_ns)
    ledger = await opened(tmp_path / "ledger", "relaxed", version="1", meter=meter)
    number, began = ledger.admit(ASKED)
    for reading in (3, 0, 3):
        await looked_at(reading)
    used = 2 * (RANGE_UJ + 1) + READINGS[3] - READINGS[0]
    assert ledger.settle(number, Outcome("done"), began) == Energy(used, used)
    await ledger.close()


def test_what_no_reading_falls_into_is_unknown(recorded: Recorded, tmp_path: Path) -> None:
    meter = recorded.meter(tmp_path)
    assert meter.end(meter.begin()) is None


def test_without_a_counter_nothing_is_known(tmp_path: Path) -> None:
    meter = Meter(packages(tmp_path))
    assert (meter.source, meter.begin(), meter.end(None)) == (None, None, None)


def test_a_counter_that_can_no_longer_be_read_is_let_go(recorded: Recorded, tmp_path: Path) -> None:
    meter = recorded.meter(tmp_path)
    began = meter.begin()
    (recorded.package / "energy_uj").unlink()
    recorded.at_ns += READ_EVERY_NS
    assert meter.end(began) is None
    assert meter.source is None
