"""The smallest machines of the table of devices that would do what is needed: by memory, then count, then power.

Of accelerators one, two, four or eight are tried, of computers every memory size they are sold with. No price is known
here, so none decides. A machine is named only where the low end of its estimates does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from freehold.core.quantity import at_least, likeliest
from freehold.fit.choice import MOST_NATS, Choice, choose
from freehold.fit.memory import need as total_of
from freehold.fit.needs import Need
from freehold.fit.options import Option
from freehold.fit.plan import Speedometer, Wanted, plan
from freehold.hardware.describe import described
from freehold.hardware.devices import Device, Devices
from freehold.hardware.rig import Rig

COUNTS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that could be bought: what to write after `--on`, its devices, their number, and what they draw."""

    text: str
    device: Device
    count: int
    memory_bytes: int
    power_w: float | None


@dataclass(frozen=True, slots=True)
class Purchase:
    """A machine that does it, and the build it does it with."""

    machine: Machine
    rig: Rig
    choice: Choice


def buy(
    options: Iterable[Option],
    need: Need,
    wanted: Wanted,
    speedometer_for: Callable[[Rig], Speedometer],
    *,
    limit: int = 5,
) -> list[Purchase]:
    """At most `limit` machines for one of `options`, the smallest first."""
    builds = [each for each in options if _is_worth_it(each, need)]
    least = min((_least_bytes(each, wanted) for each in builds), default=float("inf"))
    found: list[Purchase] = []
    for machine in machines(Devices.load()):
        if machine.memory_bytes < least:
            continue
        rig = described(machine.text)
        chosen = choose(plan(builds, rig, wanted, speedometer_for(rig)), need)
        if chosen.build is not None:
            found.append(Purchase(machine, rig, chosen))
        if len(found) == limit:
            break
    return found


def _is_worth_it(each: Option, need: Need) -> bool:
    """Nobody buys a machine for weights that lose more than a smaller model would, unless that much is asked for."""
    value = likeliest(each.loss)
    return value is None or value <= (need.loss or MOST_NATS)


def _least_bytes(each: Option, wanted: Wanted) -> float:
    """The fewest bytes that a run of it can take; infinite where nobody knows."""
    low = at_least(total_of(each.blueprint, wanted.run(each.blueprint)).total_bytes)
    return float("inf") if low is None else low


def machines(devices: Devices) -> list[Machine]:
    """Every machine that is tried, the smallest first."""
    known = (device for device in devices.devices if device.no_engine is None)
    return sorted((each for device in known for each in _of(device)), key=_size)


def _of(device: Device) -> Iterator[Machine]:
    for offer in device.offers:
        for count in COUNTS if device.kind == "gpu" else (1,):
            times = f"{count}x " if count > 1 else ""
            size = f" {offer.memory_gib.value:g}GB" if len(device.offers) > 1 else ""
            power = None if device.power_w is None else device.power_w.value * count
            yield Machine(f"{times}{device.key}{size}", device, count, offer.memory_bytes * count * device.dies, power)


def _size(machine: Machine) -> tuple[int, int, float, str]:
    return machine.memory_bytes, machine.count, machine.power_w or float("inf"), machine.text
