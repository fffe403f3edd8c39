"""Energy of a request on graphics cards, from readings of the driver's counters."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from freehold.ledger.cards import cards
from freehold.ledger.energy import READ_EVERY_NS, Meter
from freehold.ledger.record import Energy

# Millijoules since the driver was loaded: a card at 70 W, read every 20 ms; one that is idle at 9 W.
BUSY = (8_214_066_103, 8_214_067_512, 8_214_068_907)
IDLE = (512_004_410, 512_004_590, 512_004_771)


class Recorded:
    """NVML as it answered for some cards; `refused` is a card that does not count (3: not supported)."""

    def __init__(self, *readings: tuple[int, ...] | None, fails: int = 0) -> None:
        self.at = 0
        self.fails = fails
        self._readings = readings

    def load(self, name: str) -> Any:
        assert name == "libnvidia-ml.so.1"
        return SimpleNamespace(
            nvmlInit_v2=_answers(lambda: 0),
            nvmlDeviceGetCount_v2=_answers(self._count),
            nvmlDeviceGetHandleByIndex_v2=_answers(self._handle),
            nvmlDeviceGetTotalEnergyConsumption=_answers(self._energy),
        )

    def meter(self) -> Meter:
        return Meter(cards(self.load), steady_ns=lambda: self.at * READ_EVERY_NS)

    def _count(self, count: Any) -> int:
        count._obj.value = len(self._readings)
        return 0

    def _handle(self, index: Any, handle: Any) -> int:
        handle._obj.value = index.value + 1
        return 0

    def _energy(self, handle: Any, counted: Any) -> int:
        told = self._readings[handle.value - 1]
        if told is None or self.fails:
            return self.fails or 3
        counted._obj.value = told[self.at]
        return 0


def _answers(how: Any) -> Any:
    """A function that, as one of ctypes does, may be told the type of its result."""

    def function(*arguments: Any) -> int:
        return int(how(*arguments))

    return function


def test_a_request_has_what_every_card_used_meanwhile() -> None:
    recorded = Recorded(BUSY, IDLE)
    meter = recorded.meter()
    assert meter.source == "NVML card 0, NVML card 1"
    began = meter.begin()
    recorded.at = 1
    used_uj = 1000 * (BUSY[1] - BUSY[0] + IDLE[1] - IDLE[0])
    assert meter.end(began) == Energy(used_uj, used_uj)


def test_two_requests_share_it_and_each_is_bounded_by_the_whole() -> None:
    recorded = Recorded(BUSY)
    meter = recorded.meter()
    first = meter.begin()
    second = meter.begin()
    recorded.at = 2
    used_uj = 1000 * (BUSY[2] - BUSY[0])
    assert meter.end(first) == meter.end(second) == Energy(used_uj // 2, used_uj)


def test_a_card_that_does_not_count_is_left_out_and_named_by_nobody() -> None:
    assert Recorded(None, BUSY).meter().source == "NVML card 1"
    assert Recorded(None).meter().source is None


def test_a_driver_that_answers_no_more_or_begins_anew_makes_everything_unknown() -> None:
    for readings, fails in ((BUSY, 15), ((BUSY[0], 12, 13), 0)):
        recorded = Recorded(readings)
        meter = recorded.meter()
        began = meter.begin()
        recorded.at, recorded.fails = 1, fails
        assert meter.end(began) is None
        assert meter.source is None


def test_without_the_library_nothing_is_counted() -> None:
    def missing(_: str) -> Any:
        raise OSError("libnvidia-ml.so.1: cannot open shared object file")

    assert cards(missing) == []
    assert cards(lambda _: SimpleNamespace()) == []
