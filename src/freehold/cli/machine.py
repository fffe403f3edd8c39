"""`freehold machine`: what this machine is, or what a description of one was understood as."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any

import typer

from freehold.cli.arguments import Json, Quiet, examples
from freehold.cli.cells import Show, figure
from freehold.cli.figures import memory, operations, rate
from freehold.cli.output import Column, Output, Section
from freehold.core.errors import CallError

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TEXT]...", help="With --devices: words of their names. With --check: builds."),
]
On = Annotated[str | None, typer.Option("--on", metavar="TEXT", help='A machine in words: "2x rtx-4090, 64GB".')]
Measure = Annotated[bool, typer.Option("--measure", help="Measure: about a minute, all of the processor.")]
Check = Annotated[
    bool,
    typer.Option("--check", help="Run the held builds, a minute or minutes for each, and compare with predictions."),
]
ListDevices = Annotated[bool, typer.Option("--devices", help="List the devices that descriptions may name.")]

DEVICES = (
    Column("device", "DEVICE"),
    Column("memory", "MEMORY GIB", right=True),
    Column("bandwidth", "GB/S", right=True),
    Column("fp16", "FP16 TFLOPS", right=True),
    Column("power", "WATT", right=True),
    Column("released", "SINCE", right=True),
    Column("name", "NAME"),
)


@examples(
    "freehold machine",
    'freehold machine --on "2x rtx-4090, 64GB"',
    'freehold machine --on "16 cores, 32GB, ddr5-5600 x2" --json',
    "freehold machine --devices rtx 40",
    "freehold machine --measure",
)
def machine_command(
    text: Words = None,
    on: On = None,
    devices: ListDevices = False,
    measure: Measure = False,
    check: Check = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Say what this machine can hold and how fast it is.

    Processors, memory, accelerators and the disk of the store, with the fingerprint that measurements are kept under;
    --on says what a description of another machine is understood as. Every figure says whether it was counted,
    measured or estimated. --measure takes the figures that speeds are predicted from, in about a minute; --check holds
    predictions of the held builds to what they do: half a minute for a build of 100 MB where nothing else runs, several
    times that beside other programs, and it says how long before it begins. Quiet prints the fingerprint, or the
    places' names.
    """
    output = Output(as_json=as_json, quiet=quiet)
    if sum((devices, measure, check, on is not None)) > 1:
        raise CallError("--on, --devices, --measure and --check each ask for something else.", hint="Give one of them.")
    if devices:
        return _devices(output, " ".join(text or ()))
    if check:
        from freehold.cli.measuring import check_command

        return check_command(output, text or ())
    if text:
        raise CallError(
            f"{' '.join(text)!r} is said to be neither a description nor a device.",
            hint=f'Try `freehold machine --on "{" ".join(text)}"` or `freehold machine --devices {" ".join(text)}`.',
        )
    if measure:
        from freehold.cli.measuring import measure_command

        return measure_command(output)
    from freehold.python.machines import described_machine, this_machine

    found = described_machine(on) if on is not None else this_machine()
    names = "\n".join(place["name"] for place in found["places"])
    output.pages(found, [*_here(found), *_places(found["places"]), *_notes(found)], bare=found["fingerprint"] or names)
    return 0


def _devices(output: Output, text: str) -> int:
    from freehold.python.machines import known_devices

    rows = known_devices(text)
    shown = rows if output.as_json else [_row(row) for row in rows]
    output.table(DEVICES, shown, empty=f"No device has {text!r} in its names. Describe it: mycard(24GB, 900GB/s).")
    return 0 if rows else 1


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    offers = row["offers"]
    dies = f"{row['dies']}x " if row["dies"] > 1 else ""
    return {
        "device": row["device"],
        "memory": dies + "/".join(f"{offer['memory_gib']['value']:g}" for offer in offers),
        "bandwidth": "/".join(dict.fromkeys(_value(offer["bandwidth_gb_per_s"]) or "?" for offer in offers)),
        "fp16": _value(row["tera_per_s"].get("fp16")),
        "power": _value(row["power_w"]),
        "released": _value(row["released"]),
        "name": row["name"],
    }


def _value(fact: Mapping[str, Any] | None) -> str | None:
    return f"{fact['value']:g}" if fact else None


def _here(found: Mapping[str, Any]) -> list[Section]:
    """What only a machine that was looked at has: processor, memory, disk and fingerprint."""
    if not found["here"]:
        return []
    cpu, ram, disk = found["processor"], found["memory"], found["disk"]
    sets = cpu["instruction_sets"]
    cores = f"{cpu['usable_cores']:g} of {cpu['logical_cores']} may be used"
    physical = f"; {cpu['physical_cores']} physical" if cpu["physical_cores"] else ""
    processor = [
        ("model", cpu["model"]),
        ("cores", cores + physical),
        ("instruction sets", (", ".join(sets) or "none the engine has kernels for") if sets is not None else None),
        ("clock governor", cpu["governor"]),
        ("NUMA nodes", ", ".join(f"{node['node']} (cores {node['cores']})" for node in found["numa"]) or None),
    ]
    limit = ram["cgroup_limit_bytes"]
    held = [
        ("total", _based(ram["total_bytes"], memory)),
        ("free", _based(ram["available_bytes"], memory)),
        ("control group", "no limit" if limit is None else f"at most {memory(limit)}"),
        ("modules", _modules(ram["modules"])),
    ]
    speed = [("folder", disk["folder"]), ("reads", _based(disk["read_bytes_per_s"], rate))]
    named = [("fingerprint", found["fingerprint"])]
    note = "Measurements are kept under it; those of another machine, or of this one before it changed, are not used."
    return [
        Section("Processor", processor),
        Section("Memory", held),
        Section("Disk of the store", speed),
        Section("Measurements", named, note),
        *_measured(found["measured"]),
    ]


def _measured(found: Mapping[str, Any]) -> list[Section]:
    from freehold.cli.measuring import measured_sections

    if "unknown" in found:
        return [Section("This machine, measured", [("", f"no: {found['unknown']}")])]
    return measured_sections(found)


def _modules(modules: list[Mapping[str, Any]] | None) -> str | None:
    if modules is None:
        return None
    return "\n".join(
        f"{memory(each['size_bytes'])} {each['kind'] or ''} {each['transfers_m'] or '?'} million transfers/s"
        for each in modules
    )


def _places(places: Sequence[Mapping[str, Any]]) -> Iterator[Section]:
    """A section for each kind of place: eight cards of one kind are told of once."""
    for _, group in groupby(places, key=lambda place: {**place, "name": None}):
        alike = list(group)
        title = alike[0]["name"] if len(alike) == 1 else f"{alike[0]['name']} to {len(alike)}, each"
        yield Section(title, _place(alike[0]))


def _place(place: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    if not place["memory_bytes"]["value"]:
        return [("memory", "not named")]
    compute, link = place["compute_per_s"], place["link_bytes_per_s"]
    lines: list[tuple[str, str | None]] = [
        ("memory", _based(place["memory_bytes"], memory)),
        ("free", _based(place["usable_bytes"], memory)),
        ("bandwidth", _based(place["bandwidth_bytes_per_s"], rate)),
        *((precision, figure(quantity, operations)) for precision, quantity in compute.items()),
    ]
    if link is not None:
        lines.append(("link", _based(link, rate)))
    return [*lines, ("engines", f"none: {place['no_engine']}")] if place["no_engine"] else lines


def _based(found: Mapping[str, Any], show: Show) -> str:
    return figure(found, show, basis=True)


def _notes(found: Mapping[str, Any]) -> list[Section]:
    return [Section("Assumed and seen", [("", note) for note in found["notes"]])] if found["notes"] else []
