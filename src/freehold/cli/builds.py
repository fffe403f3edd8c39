"""`freehold list`, `show`, `rm`: what the store holds. Nothing here starts a worker or asks the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from freehold.cli.arguments import HeldRef, Json, Quiet, examples, shown_names
from freehold.cli.layout import wrapped
from freehold.cli.output import UNKNOWN, Column, Output, Section, size
from freehold.core.builds import HeldBuild
from freehold.core.errors import CallError
from freehold.core.refs import parse
from freehold.core.settings import Settings, load

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

ShownRef = Annotated[str, typer.Argument(metavar="REF", help="A model, or a held build.", autocompletion=shown_names)]

OfCatalog = Annotated[bool, typer.Option("--catalog", help="List what can be pulled by name instead.")]

_SAID = {"nobody": "no", "made here": "made here"}
LISTED = (
    Column("name", "BUILD"),
    Column("size_bytes", "SIZE", size, right=True),
    Column("quantization", "TYPE"),
    Column("license", "LICENSE"),
    Column("source", "SOURCE"),
    Column("verified_by", "VERIFIED", lambda who: _SAID.get(who, f"by {who}")),
)
# The words of a deed to who named a hash, the one that weighs least first.
_WHO = {
    "unverified: recorded": "nobody",
    "named by source": "source",
    "made here": "made here",
    "named by you": "you",
    "named by catalog": "catalog",
}
OFFERED = (
    Column("name", "BUILD"),
    Column("size_bytes", "SIZE", size, right=True),
    Column("quantization", "TYPE"),
    Column("license", "LICENSE"),
    Column("source", "SOURCE"),
    Column("title", "TITLE"),
)


@examples("freehold list", "freehold list --catalog", "freehold list --quiet | xargs -n 1 freehold show")
def list_command(catalog: OfCatalog = False, as_json: Json = False, quiet: Quiet = False) -> int:
    """List the builds that are held.

    With --catalog: those that can be pulled by name, held or not.
    VERIFIED says who named the hash before the bytes arrived. By source is no more than the source's own word. The exit
    code is 3 where a deed is damaged and its build is left out, 4 where this account may not read one.
    """
    from freehold.python.held import known_models, offered, store

    output = Output(as_json=as_json, quiet=quiet)
    if catalog:
        output.table(OFFERED, offered(), empty="The catalog is empty.")
        return 0
    held = store(load())
    rows = [_row(build, held.deed(build).shown()) for build in held.builds()]
    known = ", ".join(known_models())
    output.table(LISTED, rows, empty=f"Nothing is held yet: freehold pull REF. The catalog has: {known}.")
    return max((problem.exit_code for problem in held.problems()), default=0)


@examples(
    "freehold show llama-3.3-70b-instruct",
    "freehold show smollm2-135m-instruct --json",
    "freehold show smollm2-135m-instruct:q4_1",
)
def show_command(ref: ShownRef, as_json: Json = False, quiet: Quiet = False) -> int:
    """Show the whole paper of a model, or a held build and its deed.

    A name without a tag is a model: who published it, how open it is and by whose word, what its license asks, clause
    by clause, what it was made from, which build of it to take here. Where the name lacks its variant's suffix alone
    (-it, -instruct), the first line says which model was taken. A build (a name with a tag, a file) has its deed
    too. What nobody said is unknown.
    """
    from freehold.cli.page import sections
    from freehold.cli.page_check import override_section
    from freehold.python.fitting import best_build
    from freehold.python.held import store
    from freehold.python.licenses import standing
    from freehold.python.shown import look_up

    settings = load()
    held = store(settings)
    shown = look_up(parse(ref), held)
    output = Output(as_json=as_json, quiet=quiet)
    deeds = {build.digest: held.deed(build).shown() for build in (*shown.held, *filter(None, [shown.build]))}
    rows = [{**_row(build, deeds[build.digest]), "deed": deeds[build.digest]} for build in shown.held]
    overrides = [asdict(each) for each in standing(_subjects(shown.paper, deeds.values()), settings)]
    taken = [override_section(each) for each in overrides]
    fit = best_build(shown.paper["model"]["name"], settings) if shown.paper is not None and not quiet else None
    taken += [_fit_section(fit)] if fit is not None else []
    if shown.build is None:
        assert shown.paper is not None, "what is neither held nor known was refused above"
        data = {**shown.paper, "taken_for": shown.taken_for, "held": rows, "overrides": overrides, "fit": fit}
        if shown.taken_for is not None and not (quiet or as_json):
            output.line(f"{shown.taken_for}: taken as {shown.paper['model']['name']}")
        output.pages(data, [*sections(shown.paper, rows), *taken], bare=shown.paper["model"]["name"])
        return 0
    build, deed = shown.build, deeds[shown.build.digest]
    data = {**_row(build, deed), "catalog": shown.paper, "deed": deed, "overrides": overrides, "fit": fit}
    output.record(data, _lines(build, deed, shown.paper), bare=build.name)
    if not quiet and not as_json and (shown.paper is not None or taken):
        output.pages({}, [*(sections(shown.paper, rows) if shown.paper else ()), *taken], bare="")
    return 0


def _fit_section(fit: Mapping[str, Any]) -> Section:
    """Which build to take on this machine; `freehold fit` tells of all of them."""
    said = {True: "yes", False: "no", None: None}[fit["fits"]]
    return Section("ON THIS MACHINE, NOW", [("fits", said), ("build", wrapped(fit["reason"]))])


def _subjects(paper: Mapping[str, Any] | None, deeds: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What overrides of a model and its builds may be called: by the model's name, or by what was asked for."""
    asked = [deed["origins"][0]["asked"] for deed in deeds]
    return tuple(dict.fromkeys([*([paper["model"]["name"]] if paper else []), *asked]))


@examples("freehold rm smollm2-135m-instruct", "freehold rm gemma-3-270m --yes")
def rm_command(ref: HeldRef, yes: Yes = False, as_json: Json = False, quiet: Quiet = False) -> int:
    """Remove a build from the store.

    A file that was referenced in place stays where it is. A build that the running house is using is not removed.
    """
    from freehold.python.held import store

    output = Output(as_json=as_json, quiet=quiet)
    settings = load()
    parsed = parse(ref)
    held = store(settings)
    build = held.peek(parsed)
    _refuse_in_use(build, settings)
    if not yes and not _agreed(build, output):
        return 1
    removed = held.remove(parsed)
    output.sentence(
        {"name": removed.name, "freed_bytes": removed.freed_bytes},
        f"{removed.name} is removed, {size(removed.freed_bytes)} freed.",
        bare=removed.name,
    )
    return 0


def _agreed(build: HeldBuild, output: Output) -> bool:
    if not output.talks_to_person:
        raise CallError(f"{build.name} is not removed without a yes.", hint=f"freehold rm {build.name} --yes")
    return output.ask(f"Remove {build.name}, {size(build.size_bytes)}?")


def _refuse_in_use(build: HeldBuild, settings: Settings) -> None:
    from freehold import control

    if control.running(settings) is None:
        return
    if any(worker["build"] == build.name for worker in control.ps(settings)["workers"]):
        raise CallError(
            f"{build.name} is in use by the running house.",
            hint="Point its endpoint elsewhere and `freehold reload`, or `freehold stop`.",
            build=build.name,
        )


def _row(build: HeldBuild, deed: Mapping[str, Any]) -> dict[str, Any]:
    who = _verified_by([file["verified"] for file in deed["files"]])
    return {
        **build_json(build),
        "source": deed["origins"][0]["pinned"],
        "verified": who != "nobody",
        "verified_by": who,
    }


def _verified_by(said: Sequence[str]) -> str:
    """Who named the hashes: of several files the word that weighs least."""
    return next((who for words, who in _WHO.items() if words in said), "nobody")


def _lines(
    build: HeldBuild, deed: Mapping[str, Any], paper: Mapping[str, Any] | None
) -> Sequence[tuple[str, str | None]]:
    """Name and value, one per line, for people."""
    facts = build.facts
    known: Mapping[str, Any] = paper["model"] if paper else {}
    bases = known.get("base_models")
    return [
        ("build", build.name),
        ("also named", "\n".join(deed["names"][1:]) or "nothing else"),
        ("title", known.get("title")),
        ("publisher", known["publisher"]["name"] if known else None),
        ("license", build.license),
        ("tuned from", None if bases is None else "\n".join(bases) or "nothing: trained from scratch"),
        ("quantized from", None),
        ("digest", build.digest),
        ("size", size(build.size_bytes)),
        ("format", facts.format),
        ("architecture", facts.architecture),
        ("parameters", _number(facts.parameters)),
        ("quantization", facts.quantization),
        ("context", None if facts.context_length is None else f"{facts.context_length:,} tokens"),
        ("chat template", "yes" if facts.chat_template is not None else "no: it continues texts, it does not chat"),
        ("files", "\n".join(_file(file) for file in deed["files"])),
        ("had from", "\n".join(f"{origin['pinned']}  on {_moment(origin['date'])}" for origin in deed["origins"])),
        ("source says", "\n".join(_provenance(deed)) or None),
        ("checked", "\n".join(deed["checks"])),
        ("deed", _deed(deed)),
    ]


def _file(file: Mapping[str, Any]) -> str:
    place = f" at {file['path']}" if file["path"] else ""
    return f"{file['name']}{place}\n  sha256 {file['sha256']}, {file['verified']}"


def _deed(deed: Mapping[str, Any]) -> str:
    version, signature = deed["written_as"], deed["signature"]
    by = f"signed by {signature['key']}" if signature else "not signed"
    return f"version {version}{': no papers' if version == 1 else ''}, written by Freehold {deed['freehold']}, {by}"


def _provenance(deed: Mapping[str, Any]) -> list[str]:
    said = deed["origins"][0]["provenance"]
    return [f"{key}: {value or UNKNOWN}" for key, value in said.items()]


def _moment(date: str) -> str:
    return datetime.fromisoformat(date).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _number(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"


def build_json(build: HeldBuild) -> dict[str, object]:
    """What programs get to know of a held build; these keys are stable, null is unknown."""
    return {
        "name": build.name,
        "model": build.model,
        "digest": build.digest,
        "size_bytes": build.size_bytes,
        "quantization": build.facts.quantization,
        "parameters": build.facts.parameters,
        "context_tokens": build.facts.context_length,
        "license": build.license,
        "files": [str(file) for file in build.files],
    }
