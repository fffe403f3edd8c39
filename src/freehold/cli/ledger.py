"""`freehold ledger verify`, `checkpoint`, `export`: whether the record of what was asked is whole, what it is now, and
what is in it. They read the files and need no running house; they change nothing. What is kept of requests beside it
has commands of its own, in `kept_content`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freehold.cli.arguments import Json, Quiet, examples
from freehold.cli.kept_content import erase_command, new_key_command, show_command
from freehold.cli.output import Column, Output
from freehold.core.errors import CallError
from freehold.core.sizes import counted

if TYPE_CHECKING:
    from freehold.python.ledger import Erasure, Finding, Held, Looked, Rekeying, Unnamed, Verdict

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
LISTED = 20
CHAIN = Column("chain", "CHAIN")
OWN = "the house's own"
UNVERIFIED = "Read from the ledger, which this does not verify: freehold ledger verify"
UNSEEN = (
    "Without a checkpoint it does not show whether records are missing at the end, whether the last one was edited, or "
    "whether all of it was written anew: freehold ledger checkpoint"
)


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
        own = [_document(each) for each in looked if each.number is None]
        local = [{"number": each.number, **_document(each)} for each in looked if each.number is not None]
        output.document({**(own[0] if own else {"chain": None}), "clean": clean, "local": local})
        return 0 if clean else 1
    rows = [row for each in looked for row in _rows(each)]
    if rows:
        output.table(FINDINGS if len(looked) == 1 else (CHAIN, *FINDINGS), rows, empty="")
    for each in () if quiet else looked:
        if not each.verdict.findings:
            output.line(f"{_place(each)}{_whole(each)}")
    for line in [*(f"{_place(each)}{note}" for each in looked for note in _notes(each)), *_unseen(looked)]:
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
        output.say(f"{_place(each)}not whole, so it has no checkpoint: freehold ledger verify")
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
    chain = _place(looked).removesuffix(": ") or OWN
    return [{"chain": chain, "records": _span(found), **dataclasses.asdict(found)} for found in looked.verdict.findings]


def _span(found: Finding) -> str:
    return f"{found.first:,}" if found.first == found.last else f"{found.first:,} to {found.last:,}"


def _place(looked: Looked) -> str:
    """Of which chain the rest of a line speaks; nothing where it is the house's own."""
    return "" if looked.number is None else f"local/{looked.number}: ".replace("/:", ":")


def _whole(looked: Looked) -> str:
    verdict = looked.verdict
    asked = counted(verdict.requests, "request")
    return f"{counted(verdict.records, 'record')} of {asked}, each where it was written{_against(looked)}."


def _against(looked: Looked) -> str:
    """What the checkpoints say of it, no more than they saw."""
    if looked.witnessed is None:
        return ", by the chain alone" if looked.held else ""
    used = len(looked.compared)
    who = "the checkpoint" if used == 1 else f"{used} checkpoints"
    after = looked.verdict.last - looked.witnessed
    rest = f"; {after:,} after it {'has' if after == 1 else 'have'} no witness" if after else ""
    return f", up to record {looked.witnessed:,} as {who} saw it{rest}"


def _notes(looked: Looked) -> list[str]:
    verdict = looked.verdict
    notes = [f"Note: {line}." for line in verdict.clock]
    if verdict.open:
        open_ = f"{counted(verdict.open, 'request')} {'is' if verdict.open == 1 else 'are'} open"
        notes.append(f"Note: {open_}: in flight, or of a killed house.")
    if verdict.torn_bytes:
        notes.append(
            f"Note: {verdict.torn_bytes:,} bytes stand behind the last whole record. A crash leaves that, and so does "
            "cutting: a checkpoint tells which."
        )
    notes += _of_content(verdict)
    if verdict.contents and looked.key_problem is not None:
        notes.append(f"Note: {looked.key_problem}")
    for folder in looked.sealed_elsewhere:
        notes.append(f"Note: the key of what is kept here opens {folder} too, so `new-key` exchanges neither.")
    return [*notes, *(note for held in looked.held if (note := _of_signature(held)))]


def _unseen(looked: Sequence[Looked]) -> list[str]:
    """What of each chain does not show."""
    if all(each.witnessed is None for each in looked):
        return [UNSEEN]
    seen = [f"{_place(each)}{_unwitnessed(each.witnessed)}" for each in looked if each.witnessed is not None]
    left = [_place(each).removesuffix(": ") or OWN for each in looked if each.witnessed is None]
    return [*seen, *([f"No checkpoint saw {', '.join(left)}: there only the chain speaks."] if left else [])]


def _of_content(verdict: Verdict) -> list[str]:
    """What was erased, and who opened what is kept. A record that says again what an earlier one said is left out."""
    asked = [erasure for erasure in verdict.erasures if erasure.cause != "retention" and erasure.requests]
    over = [erasure for erasure in verdict.erasures if erasure.cause == "retention"]
    notes = [f"Note: content of {_erased_of(erasure)} erased {erasure.words}." for erasure in asked[-LISTED:]]
    if len(asked) > LISTED:
        notes.append(f"Note: {len(asked) - LISTED} earlier erasures are in --json.")
    if over:
        requests = counted(sum(erasure.requests for erasure in over), "request")
        notes.append(f"Note: content of {requests} was erased as its time was over, last {over[-1].words}.")
    notes += [_of_unnamed(found) for found in verdict.unnamed[-LISTED:]]
    went = [erasure for erasure in verdict.erasures if erasure.cause == "unnamed"]
    if went:
        gone = counted(sum(erasure.contents for erasure in went), "content")
        notes.append(f"Note: {gone} of that kind went, last {went[-1].words}.")
    if verdict.accesses:
        last, times = verdict.accesses[-1], counted(len(verdict.accesses), "time")
        notes.append(f"Note: kept content was opened {times}, last by {last.by}, of request {last.admission:,}.")
    if verdict.rekeyings:
        times = counted(len(verdict.rekeyings), "time")
        notes.append(
            f"Note: the keys of what is kept were exchanged {times}, last {_of_rekeying(verdict.rekeyings[-1])}."
        )
    for key, contents in verdict.sealed_otherwise.items():
        notes.append(f"Note: {counted(contents, 'content')} cannot be opened here: sealed with the key {key}.")
    return notes


def _of_rekeying(last: Rekeying) -> str:
    made = f" for {last.made.key}" if last.made is not None else ""
    return f"by {last.by}{made} (record {last.seq:,})"


def _of_unnamed(found: Unnamed) -> str:
    contents = counted(found.contents, "content")
    return (
        f"Note: {contents} that no record names lay there at a start (record {found.seq:,}), to go after a week. A "
        "killed house leaves that, or a backup of one that ran, or who cuts a ledger's end off: a checkpoint tells."
    )


def _erased_of(erasure: Erasure) -> str:
    if erasure.requests == 1:
        return f"request {erasure.first:,} was"
    return f"{counted(erasure.requests, 'request')}, {erasure.first:,} to {erasure.last:,}, was"


def _unwitnessed(record: int) -> str:
    return (
        f"After record {record:,} only the chain speaks: whether records are missing at the end there, or the last one "
        "was edited, does not show."
    )


def _of_signature(held: Held) -> str:
    key = held.checkpoint.key
    return {
        "valid": "",
        "missing": f"Note: {held.called} is not signed; only where it was kept speaks for it.",
        "unknown key": f"Note: {held.called} is signed by {key}, unknown to this house: freehold signing trust",
        "wrong": f"{held.called} is not what {key} signed: it is forged or damaged, and was left out.",
    }[held.signature]


def _document(looked: Looked) -> dict[str, Any]:
    verdict = looked.verdict
    held = [
        {
            "file": each.called,
            "record": each.checkpoint.record,
            "made": each.checkpoint.made,
            "signature": each.signature,
        }
        for each in looked.held
    ]
    return {
        "clean": looked.clean,
        "folder": str(looked.folder),
        "chain": verdict.chain,
        "records": verdict.records,
        "requests": verdict.requests,
        "open": verdict.open,
        "interrupted": verdict.interrupted,
        "last": verdict.last,
        "head": verdict.head,
        "torn_bytes": verdict.torn_bytes,
        "clock": verdict.clock,
        "contents": verdict.contents,
        "unnamed": [dataclasses.asdict(found) for found in verdict.unnamed],
        "erasures": [_without_spans(erasure) for erasure in verdict.erasures],
        "accesses": [dataclasses.asdict(access) for access in verdict.accesses],
        "rekeyings": [_rekeying(each) for each in verdict.rekeyings],
        "sealed_otherwise": verdict.sealed_otherwise,
        "key_problem": looked.key_problem,
        "sealed_elsewhere": [str(folder) for folder in looked.sealed_elsewhere],
        "checkpoints": held,
        "witnessed": looked.witnessed,
        "findings": [dataclasses.asdict(found) for found in verdict.findings],
    }


def _rekeying(each: Rekeying) -> dict[str, Any]:
    made = each.made.fields if each.made is not None else {}
    return {"seq": each.seq, "at_ms": each.at_ms, "by": each.by, **made}


def _without_spans(erasure: Erasure) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(erasure).items() if name != "spans"}


ledger_commands = {
    "verify": verify_command,
    "checkpoint": checkpoint_command,
    "export": export_command,
    "show": show_command,
    "erase": erase_command,
    "new-key": new_key_command,
}
