"""`freehold egress report`, `verify`: what this house was held to, what was tried, and whether a report is what was
signed. They read files and need no running house; they change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.cli.arguments import Json, Quiet, examples
from freehold.cli.output import Column, Output

if TYPE_CHECKING:
    from freehold.python.egress import Verified

Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="From this day or time (UTC).")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="To the end of this day, or to this time.")]
ReportFile = Annotated[Path, typer.Argument(metavar="FILE", help="What `freehold egress report` wrote.")]
FINDINGS = (Column("kind", "WHAT"), Column("first", "RECORD"), Column("text", "HOW IT SHOWS"))
UNDECIDED = 4


@examples(
    "freehold egress report",
    "freehold egress report --since 2026-11-01 --until 2026-11-30 > november.txt",
    "freehold egress report --json > november.json",
)
def report_command(since: Since = None, until: Until = None, as_json: Json = False, quiet: Quiet = False) -> int:
    """Print what was enforced, what was tried and who was connected.

    Of every process of the house in the period, with the times of which nothing can be said, and what the report does
    not show. Signed where the house has a key, as text and as JSON. The exit code is 1 where the record is not whole.
    """
    from freehold.python.egress import make_report

    made = make_report(since=since, until=until, as_json=as_json)
    output = Output(as_json=as_json, quiet=quiet)
    output.piece(made.text)
    if made.key is None:
        output.say("Not signed: this house has no key. freehold signing create")
    findings = made.document["record"]["findings"]
    if findings:
        output.say("The record is not whole: the report says what is wrong with it.")
    return 1 if findings else 0


@examples("freehold egress verify november.txt")
def verify_command(file: ReportFile, as_json: Json = False, quiet: Quiet = False) -> int:
    """Say whether a report is what its house signed.

    Where it was made of this house's record, that is looked at too: whether it is still what it was. The exit code is
    1 where something is wrong, 4 where nobody known has signed it.
    """
    from freehold.python.egress import verify_report

    found = verify_report(file)
    output = Output(as_json=as_json, quiet=quiet)
    rows = [{"kind": row.kind, "first": row.first, "last": row.last, "text": row.text} for row in found.findings]
    words = {"signature": found.signature, "key": found.key, "record_compared": found.compared, "findings": rows}
    if as_json:
        output.document(words)
    else:
        output.line(_sentence(file, found))
        if rows:
            output.table(FINDINGS, rows, empty="")
    return _code(found)


def _sentence(file: Path, found: Verified) -> str:
    signature = {
        "valid": f"{file} is what {found.key} signed",
        "missing": f"{file} is not signed: only where it was kept speaks for it",
        "unknown key": f"{file} is signed by {found.key}, unknown to this house: freehold signing trust",
        "wrong": f"{file} is not what {found.key} signed: it is forged or damaged",
    }[found.signature]
    if not found.compared:
        return f"{signature}. This house has no record to hold it against."
    if found.findings:
        return f"{signature}. This house's record is not what it was made of:"
    return f"{signature}. This house's record is still what it was made of."


def _code(found: Verified) -> int:
    if found.signature == "wrong" or found.findings:
        return 1
    return 0 if found.signature == "valid" else UNDECIDED


egress_commands = {"report": report_command, "verify": verify_command}
