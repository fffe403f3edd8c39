"""`freehold doctor`: what this machine has, what is missing, and the command that mends it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.cli.arguments import Json, Quiet, examples
from freehold.cli.output import Column, Output
from freehold.core.settings import load

if TYPE_CHECKING:
    from freehold.diagnosis import Finding

Network = Annotated[bool, typer.Option("--network", help="Also ask the package index.")]

FINDINGS = (Column("name", "WHAT"), Column("level", "STATE"), Column("seen", "SEEN"))


@examples("freehold doctor", "freehold doctor --network", "freehold doctor --json")
def doctor_command(network: Network = False, as_json: Json = False, quiet: Quiet = False) -> int:
    """Say what this machine has and what is missing.

    Each line is ok, warn, fail or unknown, with the command that mends it. The exit code is 1 where something fails.
    """
    from freehold.diagnosis import examine

    output = Output(as_json=as_json, quiet=quiet)
    if network:
        output.say("Asking the package index …")
    findings = list(examine(load(), network=network))
    failed = [finding for finding in findings if finding.level == "fail"]
    shown = failed if quiet else findings
    output.table(FINDINGS, [dataclasses.asdict(finding) for finding in shown], empty="Nothing fails.")
    if not as_json and not quiet:
        _say_mends(output, [finding for finding in findings if finding.mend is not None])
    return 1 if failed else 0


def _say_mends(output: Output, findings: list[Finding]) -> None:
    if findings:
        output.line("")
    for finding in findings:
        output.line(f"{finding.name}: {finding.mend}")
