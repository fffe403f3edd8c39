"""A machine described in words, as a rig that can be planned for: "2x rtx-4090, 64GB", "macbook m4 max 64GB".

The grammar is that of `sentence`. A part with a name is a device of the table, or one whose figures stand in brackets;
parts without a name are the host's: its memory, its modules, its cores. Nothing is invented: what was not said is
unknown, what had to be assumed is in the rig's notes, and a name that means several things is asked about.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from freehold.core.quantity import Quantity, Unknown
from freehold.hardware import figures
from freehold.hardware.chosen import Chosen, chosen
from freehold.hardware.rig import ONE_AFTER_THE_OTHER, Place, Rig
from freehold.hardware.sentence import Modules, Part, parts, wrong

if TYPE_CHECKING:
    from freehold.hardware.devices import Device, Devices

_MOST_DEVICES = 1024
_NO_HOST = (
    "The memory of the host was not named, so no layer is placed there, and whether it has room for what the program "
    'takes was not looked at; add it, as in ", 64GB".'
)
_NO_MODULES = 'which modules and how many channels was not said; write for example "ddr5-5600 x2"'


def described(text: str, devices: Devices | None = None) -> Rig:
    """The machine that `text` describes. Raises DescriptionError, and nothing else."""
    found = parts(text)
    host = _merged([part for part in found if not part.name])
    named = _chosen([part for part in found if part.name], host, devices)
    accelerators = [place for which in named if which.kind == "gpu" for place in _accelerators(which)]
    if len(accelerators) > _MOST_DEVICES:
        raise wrong(f"{len(accelerators)} devices are more than one machine has ({_MOST_DEVICES} at most)", text)
    computer = _one_computer([which for which in named if which.kind != "gpu"])
    place = _computer(computer, host) if computer else _host(host)
    return Rig(
        name=text.strip(),
        places=(*_numbered(accelerators), place),
        cores=host.cores or (_cores(computer.device) if computer else None),
        here=False,
        notes=(*(note for which in named for note in which.notes), *_assumed(place), *_split(accelerators)),
    )


def _chosen(named: list[Part], host: Part, devices: Devices | None) -> list[Chosen]:
    """The devices that are named; the table is read where one is."""
    if not named:
        return []
    from freehold.hardware.devices import Devices

    table = devices or Devices.load()
    return [chosen(_with_memory(part, host, table), table) for part in named]


def _one_computer(computers: list[Chosen]) -> Chosen | None:
    for which in computers:
        if which.count > 1 or which is not computers[0]:
            raise wrong(f"{which.part.text!r} makes it more than one computer, and a rig is one", which.part.text)
    return computers[0] if computers else None


def _merged(hosts: list[Part]) -> Part:
    """What all parts without a name say of the host; "2x 32GB" is 64."""
    whole = Part("host")
    for part in hosts:
        if part.nvlink or part.tera:
            raise wrong(f"{part.text!r} belongs to a device, and none stands before it", part.text)
        if part.count > 1 and part.memory_bytes is None:
            raise wrong(f"{part.text!r} counts something that is no device and no memory", part.text)
        for name in ("memory_bytes", "bandwidth_bytes_s", "modules", "cores"):
            value = getattr(part, name)
            if value is not None and getattr(whole, name) is not None:
                raise wrong(f"{part.text!r} says again what another part says of the host", part.text)
            if value is not None:
                setattr(whole, name, value * part.count if name == "memory_bytes" else value)
        whole.size_word = part.size_word or whole.size_word
    return whole


def _with_memory(part: Part, host: Part, table: Devices) -> Part:
    """A whole computer's memory may stand in a part of its own: "macbook m4 max, 64GB"."""
    device = table.get(part.name)
    whole = device is not None and device.kind != "gpu"
    if whole and part.memory_bytes is None and host.memory_bytes is not None:
        return replace(part, memory_bytes=host.memory_bytes, size_word=host.size_word)
    if whole and host.memory_bytes is not None and host.memory_bytes != part.memory_bytes:
        raise wrong(f"{part.text!r} and {host.size_word!r} are two sizes of one memory", host.size_word)
    return part


def _accelerators(which: Chosen) -> list[Place]:
    memory = which.memory_bytes
    place = Place(
        name=which.name,
        kind="gpu",
        memory_bytes=memory,
        usable_bytes=memory,
        bandwidth=which.bandwidth,
        compute=which.compute,
        link=which.link,
        device=which.device.key if which.device else None,
        no_engine=which.device.no_engine if which.device else None,
    )
    return [place] * which.count * (which.device.dies if which.device else 1)


def _computer(which: Chosen, host: Part) -> Place:
    device = which.device
    assert device is not None, "figures by hand describe accelerators"
    return Place(
        name=which.name,
        kind=device.kind,
        memory_bytes=which.memory_bytes,
        usable_bytes=_usable(device, which.memory_bytes),
        bandwidth=_host_bandwidth(host) if host.modules or host.bandwidth_bytes_s else which.bandwidth,
        compute=which.compute,
        device=device.key,
    )


def _cores(device: Device | None) -> float | None:
    return device.cores.value if device and device.cores else None


def _usable(device: Device, memory_bytes: int) -> int:
    return figures.working_set(memory_bytes) if device.vendor == "Apple" else figures.left_to_models(memory_bytes)


def _host(host: Part) -> Place:
    memory = host.memory_bytes or 0
    return Place("host", "host", memory, figures.left_to_models(memory), _host_bandwidth(host))


def _host_bandwidth(host: Part) -> Quantity:
    if host.bandwidth_bytes_s is not None:
        return figures.promised(host.bandwidth_bytes_s, figures.READ_SHARE, "as described")
    if host.modules is None:
        return Unknown(_NO_MODULES)
    return modules_bandwidth(host.modules)


def modules_bandwidth(modules: Modules) -> Quantity:
    """Transfers a second, times 8 bytes, times channels (JEDEC JESD79-4 and -5: a channel is 64 data bits wide, DDR5's
    two halves together)."""
    if modules.channels is None:
        word = f"{modules.kind}-{modules.transfers_m}"
        raise wrong(f"{word!r} does not say in how many channels", word, f'Write "{word} x2"; desktops have 2.')
    basis = f"{modules.kind}-{modules.transfers_m} in {modules.channels} channels of 8 bytes"
    return figures.promised(modules.transfers_m * 1e6 * 8 * modules.channels, figures.READ_SHARE, basis)


def _numbered(places: list[Place]) -> list[Place]:
    """Places that differ in name: "NVIDIA L40S 1", "NVIDIA L40S 2"."""
    names = [place.name for place in places]
    return [
        replace(place, name=f"{place.name} {names[: number + 1].count(place.name)}")
        if names.count(place.name) > 1
        else place
        for number, place in enumerate(places)
    ]


def _assumed(host: Place) -> list[str]:
    if not host.memory_bytes:
        return [_NO_HOST]
    left, whole = (figures.binary(size) for size in (host.memory_bytes - host.usable_bytes, host.memory_bytes))
    return [f"{left} of the {whole} of {host.name} are left to the system (assumed)."]


def _split(accelerators: list[Place]) -> list[str]:
    return [ONE_AFTER_THE_OTHER] if len(accelerators) > 1 else []
