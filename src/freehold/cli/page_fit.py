"""How plans are laid out for people: a table of builds or models, then what the answer stands on.

Pure but for the output it is given: it takes what `python.fitting` gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from freehold.cli.cells import brief, figure, nats, rate, tokens
from freehold.cli.find import count, parameters
from freehold.cli.layout import wrapped
from freehold.cli.output import Column, Output, Section, size

Data = Mapping[str, Any]

BUILDS = (
    Column("tag", "BUILD"),
    Column("had", "HAD"),
    Column("fit", "FITS"),
    Column("total", "MEMORY", right=True),
    Column("where", "WHERE"),
    Column("longest", "CONTEXT", right=True),
    Column("speed", "TOK/S", right=True),
    Column("loss", "LOSS", right=True),
)
MEASURED = Column("measured", "MEASURED", right=True)
MODELS = (
    Column("name", "MODEL"),
    Column("size", "SIZE", right=True),
    Column("tag", "BUILD"),
    Column("total", "MEMORY", right=True),
    Column("longest", "CONTEXT", right=True),
    Column("speed", "TOK/S", right=True),
    Column("license", "LICENSE"),
    Column("policy", "POLICY"),
)
MACHINES = (
    Column("on", "MACHINE"),
    Column("memory_bytes", "MEMORY", size, right=True),
    Column("power_w", "POWER", lambda watts: f"{watts:,.0f} W", right=True),
    Column("tag", "BUILD"),
    Column("speed", "TOK/S", right=True),
)
MODEL = Column("model", "MODEL")
MOST_REASONS = 3
_FITS = {True: "yes", False: "no", None: "cannot say"}
_HAD = {"held": "held", "catalog": "by name", "offered": "from hubs", "given": "as given"}
_PARTS = {
    "weights": "weights_bytes",
    "cache": "kv_cache_bytes",
    "recurrent state": "state_bytes",
    "compute": "compute_bytes",
    "output": "output_bytes",
    "program": "process_bytes",
    "embedding, again": "embedding_copy_bytes",
    "in all": "total_bytes",
}


def plan_page(found: Data, output: Output) -> None:
    """A model's builds on the machine, what is recommended, and where its memory goes."""
    build = next((each for each in found["builds"] if each["tag"] == found["recommended"]), None)
    if output.quiet:
        output.line(found["recommended"] or "")
        return
    if found["taken_for"] is not None:
        output.line(f"{found['taken_for']}: taken as {found['model'].partition(':')[0]}")
    output.line(_asked(found))
    columns = (*BUILDS, MEASURED) if any(each["measured_nearest"] for each in found["builds"]) else BUILDS
    output.table(columns, [_build_row(each) for each in found["builds"]], empty="There is no build to plan for.")
    shown = build or _only(found["builds"])
    sections = [_recommendation(found), *_memory(shown), *_asked_sections(found["builds"], shown), *_notes(found)]
    output.pages(found, sections, bare="")
    if found["machines"]:
        output.line("")
        output.table(MACHINES, [_machine_row(each) for each in found["machines"]], empty="")


def models_page(found: Data, output: Output) -> None:
    """The models that are recommended for the machine."""
    if output.quiet:
        for each in found["models"]:
            output.line(each["name"])
        return
    output.line(f"{found['need']['task']} on {found['machine']['name']}: {_run(found['need'])}")
    rows = [_model_row(each) for each in found["models"]]
    output.table(MODELS, rows, empty=_no_model(found))
    output.pages(found, [_standing(found), *_notes(found)], bare="")
    if found["machines"]:
        output.line("")
        output.table((MODEL, *MACHINES), [_machine_row(each) for each in found["machines"]], empty="")


def _no_model(found: Data) -> str:
    if not found["untold"]:
        return "No model of the catalog does that here."
    return f"Of no model can it be said that it does that here; of {count(found['untold'])} nobody can tell."


def _asked(found: Data) -> str:
    where = f"{found['model']} on {found['machine']['name']}"
    if not found["builds"]:
        return where
    build = found["builds"][0]
    run, trained, asked = build["run"], build["trained_tokens"], found["need"]["context_tokens"]
    slots = f"{run['slots']} {'slot' if run['slots'] == 1 else 'slots'}"
    context = f"{tokens(run['context_tokens'])} {'token' if run['context_tokens'] == 1 else 'tokens'} of context"
    cut = f"; it was trained with {tokens(trained)}, not the {tokens(asked)} asked for" if _is_cut(build, asked) else ""
    return f"{where}: {slots} with {context}, {run['cache_type_k']} cache{cut}"


def _is_cut(build: Data, asked: int | None) -> bool:
    return asked is not None and build["run"]["context_tokens"] < asked


def _run(need: Data) -> str:
    users, context = need["users"], need["context_tokens"]
    each = f"{tokens(context)} tokens of context" if context else "up to 8,192 tokens of context"
    return f"{users} {'user' if users == 1 else 'users'} with {each}"


def _build_row(each: Data) -> dict[str, Any]:
    return {
        "tag": each["tag"],
        "had": _HAD[each["origin"]],
        "fit": _FITS[each["fits"]],
        "total": brief(each["total_bytes"], size),
        "where": _where(each),
        "longest": _longest(each),
        "speed": brief(each["generation_tokens_per_s"], rate),
        "loss": brief(each["loss_nats_per_token"], nats),
        "measured": _measured(each["measured_nearest"]),
    }


def _measured(near: Data | None) -> str | None:
    """What it wrote in the run that is nearest to the planned one, which has a context of its own."""
    found = near and near["generation_tokens_per_s"]
    return f"{rate(found['value'])} at {tokens(near['used_tokens'])}" if near and found else None


def _where(each: Data) -> str:
    if not each["places"]:
        return "-"
    layers, offloaded = each["layers"], each["offloaded_layers"]
    if not offloaded:
        return "host"
    devices = sum(place["layers"] > 0 for place in each["places"][:-1])
    where = f"{devices} GPU" + ("s" if devices > 1 else "")
    if offloaded < layers:
        where += f", {layers - offloaded} of {layers} layers on the host"
    if each["host_expert_layers"]:
        where += f", experts of {each['host_expert_layers']} on the host"
    return where


def _longest(each: Data) -> str:
    found = each["largest_context_tokens"]
    if found["kind"] == "unknown":
        return "unknown"
    low = found["value"] if found["kind"] == "exact" else found["low"]
    return brief(found, tokens) if low else "-"


def _recommendation(found: Data) -> Section:
    return Section("RECOMMENDED", [("build", wrapped(found["reason"]))])


def _only(builds: Sequence[Data]) -> Data | None:
    return builds[0] if len(builds) == 1 else None


def _memory(build: Data | None) -> Iterator[Section]:
    if build is None:
        return
    lines: list[tuple[str, str | None]] = []
    for name, key in _PARTS.items():
        found = build[key]
        if found["kind"] == "exact" and not found["value"]:
            continue
        places = build["computing_places"] if name == "compute" else 1
        lines.append((name, wrapped(figure(found, size) + (f", in {places} places" if places > 1 else ""))))
        if name == "cache" and len(build["cache_by_attention"]) > 1:
            lines += [("", _cache(each)) for each in build["cache_by_attention"]]
    yield Section(f"MEMORY OF {build['tag']}", lines)
    yield Section("SPEED", [*_speeds(build), *_ran(build)])
    if build["measured_distance"] is not None:
        yield _loss(build)
    if build["places"]:
        yield Section("WHERE IT LIES, AT MOST", [(each["place"], _share(each)) for each in build["places"]])


def _cache(each: Data) -> str:
    window = f" with a window of {tokens(each['window_tokens'])} tokens" if each["window_tokens"] else ""
    mebibytes = each["kv_cache_bytes"]["value"] / 2**20
    layers = "layer" if each["layers"] == 1 else "layers"
    return f"{each['layers']} {layers}, {each['attention']} attention{window}: {mebibytes:,.0f} MiB"


def _speeds(build: Data) -> Iterator[tuple[str, str | None]]:
    yield "writes", wrapped(figure(build["generation_tokens_per_s"], lambda value: f"{rate(value)} tokens/s"))
    yield "reads", wrapped(figure(build["prompt_tokens_per_s"], lambda value: f"{rate(value)} tokens/s"))


def _ran(build: Data) -> Iterator[tuple[str, str | None]]:
    """How fast it ran here, each with the context and the number of requests that it was measured with."""
    for row in build["measured_speeds"]:
        way = f"with {tokens(row['used_tokens'])} tokens of context, {row['concurrency']} at once"
        way += f" ({', '.join(row['settings'])})" if row["settings"] else ""
        for name, key in (("wrote", "generation_tokens_per_s"), ("read", "prompt_tokens_per_s")):
            if row[key] is not None:
                yield name, wrapped(f"{figure(row[key], lambda value: f'{rate(value)} tokens/s')} {way}")


def _loss(build: Data) -> Section:
    distance = build["measured_distance"]
    measured = f"{figure(distance['nats_per_token'], nats)} from {distance['from']} in 32 bits"
    expected = figure(build["loss_nats_per_token"], nats)
    lines = [("from 16 bits", wrapped(expected)), ("measured here", wrapped(measured))]
    return Section("LOSS, NATS A TOKEN", lines)


def _asked_sections(builds: Sequence[Data], shown: Data | None) -> Iterator[Section]:
    """What the engine said of every build that it could be asked about, and why nothing of the one that is shown."""
    for build in builds:
        said = build.get("asked_of_engine")
        if said is None or (said["unknown"] is not None and not said["refused"] and build is not shown):
            continue
        title = f"{build['tag']}, ASKED OF {said['engine']}"
        if said["unknown"] is not None:
            yield Section(title, [("", wrapped(said["refused"] or f"unknown: {said['unknown']}"))])
            continue
        parts = [(name, key) for name, key in _PARTS.items() if key in said["difference_bytes"]]
        lines = [
            (name, _compared(said[key], said["difference_bytes"][key])) for name, key in parts if said[key]["value"]
        ]
        yield Section(title, lines)


def _compared(found: Data, difference: float | None) -> str:
    said = size(found["value"])
    if difference is None:
        return f"{said}; by arithmetic it cannot be said"
    printed = found["high"] - found["low"] if found["kind"] == "measured" else 0
    if abs(difference) <= printed:
        return f"{said}, as computed"
    return f"{said}, {size(abs(difference))} {'more' if difference > 0 else 'less'} than computed"


def _share(each: Data) -> str:
    if not each["layers"]:
        return size(each["bytes"])
    first, last = each["first_layer"], each["first_layer"] + each["layers"] - 1
    return f"layers {first} to {last}, {size(each['bytes'])}"


def _notes(found: Data) -> Iterator[Section]:
    notes = found["machine"]["notes"]
    if notes:
        yield Section("ASSUMED OF THE MACHINE", [("", wrapped(*notes))])


def _model_row(each: Data) -> dict[str, Any]:
    build = each["build"]
    return {
        **each,
        "size": parameters(each),
        "tag": build["tag"],
        "total": brief(build["total_bytes"], size),
        "longest": _longest(build),
        "speed": brief(build["generation_tokens_per_s"], rate),
        "license": " + ".join((each["license"], *each["inherited_licenses"])),
        "policy": _policy(each),
    }


def _policy(each: Data) -> str:
    duties = len(each["duties"])
    said = {"allow": "allowed", "allow with duties": "allowed", "review": "to review"}[each["verdict"]]
    return f"{said}, {duties} {'duty' if duties == 1 else 'duties'}" if duties else said


def _standing(found: Data) -> Section:
    untold = f"Of {count(found['untold'])} models it cannot be said whether they do that. " if found["untold"] else ""
    reasons = sorted(found["untold_because"].items(), key=lambda each: -each[1])[:MOST_REASONS]
    untold += "".join(f"Of {count(models)}: {reason}. " for reason, models in reasons)
    denied = f"{found['denied']} that fit are denied by your policy. " if found["denied"] else ""
    words = f"{untold}{denied}What each asks of you: freehold license check MODEL."
    return Section("HOW THEY ARE ORDERED", [("by", wrapped(found["ordered_by"]))], wrapped(words))


def _machine_row(each: Data) -> dict[str, Any]:
    build = each["build"]
    return {**each, "tag": build["tag"], "speed": brief(build["generation_tokens_per_s"], rate)}
