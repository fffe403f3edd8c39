"""`freehold bench`: the fastest faithful way to run a build here, measured and remembered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from freehold.cli.arguments import HeldRef, Json, Quiet, examples, judging
from freehold.cli.output import UNKNOWN, Column, Output, size

For = Annotated[str, typer.Option("--for", metavar="WORKLOAD", help="chat, documents or batch.")]
Faithful = Annotated[
    str,
    typer.Option("--faithful", metavar="BAR", help="own: no worse than llama.cpp on the same file; strict; or nats."),
]
Engines = Annotated[str, typer.Option("--engines", metavar="NAMES", help="Only these, and llama.cpp, by comma.")]
Repack = Annotated[bool, typer.Option("--repack", help="Also make and keep builds in types that may run faster.")]
Quick = Annotated[bool, typer.Option("--quick", help="A shorter look, with fewer and shorter runs.")]

WAYS = (
    Column("name", "WAY"),
    Column("speed", "SPEED", right=True),
    Column("generation_tokens_per_s", "GENERATION", right=True),
    Column("prompt_tokens_per_s", "PROMPT", right=True),
    Column("memory_bytes", "MEMORY", size, right=True),
    Column("fidelity", "FROM FLOAT32", right=True),
    Column("agreement", "SAME TOKEN", right=True),
    Column("remark", "REMARK"),
)


@examples(
    "freehold bench smollm2-135m-instruct",
    "freehold bench smollm2-135m-instruct --for batch --repack",
    "freehold bench gemma-3-270m --for documents --faithful 0.01",
    "freehold bench smollm2-135m-instruct --quick --json",
)
def bench_command(
    ref: HeldRef,
    work: For = "chat",
    faithful: Faithful = "own",
    engines: Engines = "",
    repack: Repack = False,
    quick: Quick = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Find the fastest faithful way to run a build here.

    Every engine, layout of the weights, number of threads, batch and cache type that this machine has is measured for
    the work named, and how far each computes from float32 on the same weights. The winner is remembered for this
    machine and used from the next start on. The exit code is 1 where nothing is as faithful as asked.
    """
    from freehold.python.benching import Wished, bench

    output = Output(as_json=as_json, quiet=quiet)
    names = tuple(name.strip() for name in engines.split(",") if name.strip())
    wished = Wished(ref, work, faithful, names, repack=repack, quick=quick)
    with judging():
        report = bench(wished, note=output.say)
    winner = report["winner"]
    if as_json:
        output.document(report)
    elif quiet:
        output.line("" if winner is None else winner["name"])
    else:
        _show(report, output)
    return 1 if winner is None else 0


def _show(report: Mapping[str, Any], output: Output) -> None:
    ran = [_row(each) for each in report["arms"] if each["speed"] is not None]
    rest = [_row(each) for each in report["arms"] if each["speed"] is None]
    output.table(WAYS, ran, empty="")
    if rest:
        output.line("\nSorted out after a short run, or not faithful enough:")
        output.table((WAYS[0], Column("short_run", "SHORT RUN", right=True), *WAYS[5:]), rest, empty="")
    before, after = report["load"]["before"], report["load"]["after"]
    unit, share = report["arms"][0]["unit"], report["work"]["share"]
    cut = "" if share == 1 else f" with {share:.0%} of the workload, so that requests and texts are as much shorter"
    output.line(
        f"\nSpeed in {unit}{cut}; median and range; generation and prompt in tokens/s of one stream; from float32 in "
        f"nats, mean and standard error.\nReference: {report['reference']}.\n"
        f"Load of this machine: {before:.2f} before, {after:.2f} after; {report['elapsed_s']:.0f} s in all."
    )
    if report["winner"] is None:
        output.line(f"No way is chosen: {report['why']}.")
        return
    kept = "Used from the next start on." if report["kept"] else "Not remembered."
    output.line(f"Chosen for {report['workload']}: {report['winner']['name']} ({report['why']}). {kept}")


def _row(arm: Mapping[str, Any]) -> dict[str, Any]:
    found = arm["fidelity"]
    return {
        "name": arm["name"],
        "speed": _ranged(arm["speed"]),
        "short_run": None if arm["short_run"] is None else f"{arm['short_run']:.3g}",
        "generation_tokens_per_s": _middle(arm["generation_tokens_per_s"]),
        "prompt_tokens_per_s": _middle(arm["prompt_tokens_per_s"]),
        "memory_bytes": arm["memory_bytes"],
        "fidelity": None if found is None else f"{found['nats']:.2g} ± {found['error']:.1g}",
        "agreement": None if found is None else f"{found['agreement']:.1%}",
        "remark": arm["failed"] or arm["unfit"] or "",
    }


def _ranged(figure: Mapping[str, Any] | None) -> str:
    return UNKNOWN if figure is None else f"{figure['value']:.3g} ({figure['low']:.3g} to {figure['high']:.3g})"


def _middle(figure: Mapping[str, Any] | None) -> str:
    return UNKNOWN if figure is None else f"{figure['value']:,.0f}"
