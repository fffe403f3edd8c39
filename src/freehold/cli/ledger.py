"""`freehold ledger verify`, `checkpoint`, `export`: whether the record of what was asked is whole, what it is now, and
what is in it. They read the files and need no running house; they change nothing. What is kept of requests beside it
has commands of its own, in `kept_content`."""

from __future__ import annotations

import dataclasses
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freehold.cli.arguments import Json, Quiet, examples
from freehold.cli.kept_content import erase_command, new_key_command, show_command
from freehold.cli.ledger_words import OWN, document, noted, place, unseen, whole
from freehold.cli.output import Column, Output
from freehold.core.errors import CallError

if TYPE_CHECKING:
    from freehold.python.ledger import Finding, Looked

Checkpoints = Annotated[
    list[Path] | None,
    typer.Option("--checkpoint", metavar="FILE", help="Hold it against this checkpoint; may be given several times."),
]


class Form(StrEnum):
    JSONL = "jsonl"
    PARQUET = "parquet"


As = Annotated[Form, typer.Option("--format", help="jsonl: lines on stdout; parquet: a file.")]
Out = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="The Parquet file to write.")]
FINDINGS = (Column("kind", "WHAT"), Column("records", "RECORD"), Column("text", "HOW IT SHOWS"))
CHAIN = Column("chain", "CHAIN")
UNVERIFIED = "Read from the ledger, which this does not verify: freehold ledger verify"


@examples("freehold ledger verify", "freehold ledger verify --checkpoint /mnt/audit/monday.txt")
def verify_command(checkpoint: Checkpoints = None, as_json: Json = False, quiet: Quiet = False) -> int:
    """Find records that were edited, deleted, added, moved or cut off.

    And content that was kept and is missing or changed. The exit code is 1 where something is wrong. Give the
    checkpoints that were kept where whoever runs the house cannot reach them: without one a cut end, an edited last
    record, or a chain that was written anew does not show.
    """
    from freehold.python.ledger import look

    looked = look(checkpoint or ())
    output = Output(as_json=as_json, quiet=quiet)
    clean = all(each.clean for each in looked)
    if as_json:
        own = [document(each) for each in looked if each.number is None]
        local = [{"number": each.number, **document(each)} for each in looked if each.number is not None]
        output.document({**(own[0] if own else {"chain": None}), "clean": clean, "local": local})
        return 0 if clean else 1
    rows = [row for each in looked for row in _rows(each)]
    if rows:
        output.table(FINDINGS if len(looked) == 1 else (CHAIN, *FINDINGS), rows, empty="")
    for each in () if quiet else looked:
        if not each.verdict.findings:
            output.line(f"{place(each)}{whole(each)}")
    for line in [*(f"{place(each)}{note}" for each in looked for note in noted(each)), *unseen(looked)]:
        output.say(line)
    return 0 if clean else 1


@examples(
    "freehold ledger checkpoint",
    "freehold ledger checkpoint > /mnt/audit/monday.txt",
    "freehold ledger checkpoint | lp",
)
def checkpoint_command(as_json: Json = False, quiet: Quiet = False) -> int:
    """Print what the ledger is now, in seven short lines, to keep where the house cannot reach.

    Signed where the house has a key; where it has none, the two lines of that are missing. The ledger is verified
    first; of one that is not whole nothing is printed. Models that were run without the house have chains of their own:
    seven lines for each. The exit code is 1 where one of those is not whole, and is left out.
    """
    from freehold.python.ledger import make_checkpoints

    made, unwhole = make_checkpoints()
    output = Output(as_json=as_json, quiet=quiet)
    text = "\n".join(each.checkpoint.text for each in made).removesuffix("\n")
    own = [dataclasses.asdict(each.checkpoint) for each in made if each.looked.number is None]
    local = [
        {"number": each.looked.number, **dataclasses.asdict(each.checkpoint)}
        for each in made
        if each.looked.number is not None
    ]
    output.sentence({**(own[0] if own else {"chain": None}), "local": local}, text, bare=text)
    if any(each.checkpoint.key is None for each in made):
        output.say("Not signed: this house has no key. Keep it where you know that it is yours.")
    for each in unwhole:
        output.say(f"{place(each)}not whole, so it has no checkpoint: freehold ledger verify")
    return 1 if unwhole else 0


@examples(
    "freehold ledger export > requests.jsonl",
    "freehold ledger export | jq -r .endpoint | sort | uniq -c",
    "freehold ledger export --format parquet -o requests.parquet",
)
def export_command(form: As = Form.JSONL, out: Out = None, as_json: Json = False, quiet: Quiet = False) -> int:
    """Print every request as one line of JSON: who, what, when, how it ended.

    Times are in milliseconds since 1970 and in microseconds where they are durations, energy in microjoules; null is
    unknown. Parquet has the same columns and needs the extra freehold[parquet].
    """
    from freehold.python.ledger import every_request, export_parquet

    output = Output(as_json=as_json, quiet=quiet)  # JSON whatever the manner
    if form is Form.PARQUET:
        if out is None:
            raise CallError(
                "A Parquet file is no text for a terminal.", hint="Say where to put it: -o requests.parquet"
            )
        count = export_parquet(out)
        output.sentence({"path": str(out), "requests": count}, f"{out} holds {count:,} requests.", bare=str(out))
        output.say(UNVERIFIED)
        return 0
    if out is not None:
        raise CallError("JSON Lines go to stdout.", hint=f"freehold ledger export > {out}")
    for row in every_request():
        output.piece(json.dumps(row, ensure_ascii=True) + "\n")
    output.say(UNVERIFIED)
    return 0


def _rows(looked: Looked) -> list[dict[str, Any]]:
    chain = place(looked).removesuffix(": ") or OWN
    return [{"chain": chain, "records": _span(found), **dataclasses.asdict(found)} for found in looked.verdict.findings]


def _span(found: Finding) -> str:
    return f"{found.first:,}" if found.first == found.last else f"{found.first:,} to {found.last:,}"


ledger_commands = {
    "verify": verify_command,
    "checkpoint": checkpoint_command,
    "export": export_command,
    "show": show_command,
    "erase": erase_command,
    "new-key": new_key_command,
}
