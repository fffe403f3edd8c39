"""`freehold ps`, `reload`, `stop`: what the running house does, and two words to it. They speak to its control socket,
which only this user can open; nothing here reaches another house or another machine. They work while
freehold.toml is broken: it is the house that reads it again, and says what is wrong with it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from freehold.cli.arguments import Json, Quiet, examples
from freehold.cli.memory_lines import memory_lines, notes
from freehold.cli.output import UNKNOWN, Column, Output, size
from freehold.core.errors import NotFoundError
from freehold.core.names import nearest
from freehold.core.settings import load_despite_errors
from freehold.core.sizes import duration

Wide = Annotated[bool, typer.Option("--wide", "-w", help="Also every choice of each worker, with its reason.")]
Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="One endpoint or build, with every choice.")]

ENDPOINTS = (
    Column("name", "ENDPOINT"),
    Column("target", "POINTS AT"),
    Column("state", "STATE"),
    Column("context_tokens", "CONTEXT", right=True),
    Column("at_work", "AT WORK", right=True),
    Column("waiting", "WAITING", right=True),
)
WORKERS = (
    Column("build", "WORKER OF"),
    Column("engine", "ENGINE"),
    Column("state", "STATE"),
    Column("pid", "PID", right=True),
    Column("memory_bytes", "MEMORY", size, right=True),
    Column("reserved_bytes", "RESERVED", size, right=True),
    Column("restarts", "RESTARTS", right=True),
    Column("lock", "LOCK"),
)
CHOICES = (
    Column("name", "CHOICE"),
    Column("value", "VALUE"),
    Column("origin", "WHO"),
    Column("reason", "WHY"),
)


@examples("freehold ps", "freehold ps --wide", "freehold ps smollm2-135m-instruct", "freehold ps --json")
def ps_command(name: Name = None, wide: Wide = False, as_json: Json = False, quiet: Quiet = False) -> int:
    """Show what is running, and why it runs that way.

    Endpoints and their workers: state, process, memory, what came and went, the kernel's lock. The exit code is 1 where
    no house runs.
    """
    from freehold import control

    output = Output(as_json=as_json, quiet=quiet)
    settings = load_despite_errors()
    if control.running(settings) is None:
        return nothing_runs(output)
    report = control.ps(settings)
    if name is not None:
        report = _only(report, name)
    if as_json:
        output.document(report)
        return 0
    if not quiet:
        output.line(_headline(report))
        _say_egress(report["egress"], output)
    output.table(ENDPOINTS, _with_lines(report), empty="It has no endpoints: freehold pull, or see freehold.toml.")
    if not quiet:
        for line in notes(report["endpoints"]):
            output.line(line)
    if not quiet and report["workers"]:
        output.line("")
        output.table(WORKERS, report["workers"], empty="")
        for line in memory_lines(report):
            output.line(line)
        for worker in report["workers"]:
            _details(worker, output, choices=wide or name is not None)
    return 0


@examples("freehold reload")
def reload_command(as_json: Json = False, quiet: Quiet = False) -> int:
    """Make the running house read its settings again.

    New workers are ready before an endpoint moves; requests in flight end where they began. On any error nothing has
    changed.
    """
    from freehold import control

    output = Output(as_json=as_json, quiet=quiet)
    settings = load_despite_errors()
    if control.running(settings) is None:
        return nothing_runs(output)
    changes = list(control.reload(settings))
    output.sentence(
        {"changes": changes}, "\n".join(changes) or "Read again: no endpoint changed.", bare="\n".join(changes)
    )
    return 0


@examples("freehold stop")
def stop_command(as_json: Json = False, quiet: Quiet = False) -> int:
    """Stop the running house.

    Requests in flight may end first, at most `drain_s` of freehold.toml. Returns when the house has ended; stopping
    what does not run is done at once.
    """
    from freehold import control

    output = Output(as_json=as_json, quiet=quiet)
    settings = load_despite_errors()
    was_running = control.running(settings) is not None
    if was_running:
        control.stop(settings)
    text = "Stopped." if was_running else "No house was running."
    output.sentence({"stopped": was_running}, text, bare="")
    return 0


def nothing_runs(output: Output) -> int:
    """Say that no house runs; the exit code of that."""
    output.sentence({"running": False}, "No house is running. Start one: freehold up", bare="")
    return 1


def _headline(report: Mapping[str, Any]) -> str:
    seconds = time.time() - report["started_at"]
    line = f"freehold {report['version']} at {report['address']}, process {report['pid']}, up {duration(seconds)}\n"
    if report["tls"] is not None:
        line += _encryption(report["tls"])
    left_s = report["closes_within_s"]
    if left_s is not None:
        line += f"It is closing: what is at work may end, at most {duration(left_s)}; what comes now is refused.\n"
    return line


def _encryption(tls: Mapping[str, Any]) -> str:
    until = datetime.fromtimestamp(tls["until"], UTC).date()
    names = ", ".join(tls["names"]) or "no name"
    problem = f"{tls['problem']}\n" if tls["problem"] else ""
    return f"TLS for {names}, valid until {until}\n{problem}"


def _say_egress(egress: Mapping[str, Any], output: Output) -> None:
    """Where a restricted house may connect, and what its own processes were refused; a worker's stands with it."""
    if egress["allowed"] is None:
        return
    output.line(f"It may connect to {', '.join(egress['allowed']) or 'nothing'}; {_HELD[egress['by_kernel']]}.")
    for process, attempts in egress["attempts"].items():
        for attempt in attempts:
            output.line(f"{process}: refused {attempt['what']}{_times(attempt['count'])}")
    output.line("")


_HELD = {
    "all": "the kernel holds it to that",
    "ports": "the kernel holds it to the ports, and its broker's own program to the hosts",
    "nothing": "its broker's own program holds it to that, for this kernel cannot",
}


def _details(worker: Mapping[str, Any], output: Output, *, choices: bool) -> None:
    if worker["last_error"]:
        said = worker["last_error"]
        if worker["build"] not in said:
            said = f"{worker['build']}: {said}"
        output.line(f"\n{said}\nIts log: {worker['log_path'] or UNKNOWN}")
    for attempt in worker["attempts"] or ():
        output.line(f"\n{worker['build']}: its lock refused {attempt['what']}{_times(attempt['count'])}")
    engine = worker["choices"].get("engine")
    if engine is not None and not choices:
        output.line(f"\n{worker['build']}: {engine['value']}, {engine['origin']}: {engine['reason']}")
    if choices:
        rows = [{"name": name, **choice} for name, choice in worker["choices"].items()]
        output.line(f"\n{worker['build']}")
        output.table(CHOICES, rows, empty=f"{worker['engine']} is run by somebody else: nothing was chosen here.")


def _with_lines(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The endpoints, each with how many requests are at work, of how many at once, and how many wait for how long. In a
    house that closes, none takes more, whatever its worker could."""
    closing = {"state": "closing"} if report["closes_within_s"] is not None else {}
    rows = []
    for row in report["endpoints"]:
        line = report["lines"].get(row["name"])
        at_work = waiting = "0"  # nobody has asked it yet
        if line is not None:
            at_work = f"{line['taken']}" if line["slots"] is None else f"{line['taken']} of {line['slots']}"
            since = f", {duration(line['longest_wait_s'])}" if line["waiting"] else ""
            waiting = f"{line['waiting']:,}{since}"
        rows.append({**row, **closing, "at_work": at_work, "waiting": waiting})
    return rows


def _times(count: int) -> str:
    return f", {count:,} times" if count > 1 else ""


def _only(report: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The endpoints and workers that `name` names. Raises NotFoundError with the nearest."""
    endpoints = [row for row in report["endpoints"] if name in (row["name"], row["build"], row["target"])]
    builds = {name, *(row["build"] or row["target"] for row in endpoints)}
    workers = [row for row in report["workers"] if row["build"] in builds]
    if not endpoints and not workers:
        known = {row["name"] for row in report["endpoints"]}
        raise NotFoundError("endpoint", name, nearest=nearest(name, known), hint="`freehold ps` lists them.")
    return {**report, "endpoints": endpoints, "workers": workers}
