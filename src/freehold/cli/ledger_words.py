"""What `freehold ledger verify` says of a chain beside its findings, in lines for people and as a document."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from freehold.core.sizes import counted

if TYPE_CHECKING:
    from freehold.python.ledger import Erasure, Held, Looked, Rekeying, Unnamed, Verdict

LISTED = 20
OWN = "the house's own"
UNSEEN = (
    "Without a checkpoint it does not show whether records are missing at the end, whether the last one was edited, or "
    "whether all of it was written anew: freehold ledger checkpoint"
)


def place(looked: Looked) -> str:
    """Of which chain the rest of a line speaks; nothing where it is the house's own."""
    return "" if looked.number is None else f"local/{looked.number}: ".replace("/:", ":")


def whole(looked: Looked) -> str:
    """Of a chain without a finding."""
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


def noted(looked: Looked) -> list[str]:
    """What is no finding, and to be known."""
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


def unseen(looked: Sequence[Looked]) -> list[str]:
    """What of each chain does not show."""
    if all(each.witnessed is None for each in looked):
        return [UNSEEN]
    seen = [f"{place(each)}{_unwitnessed(each.witnessed)}" for each in looked if each.witnessed is not None]
    left = [place(each).removesuffix(": ") or OWN for each in looked if each.witnessed is None]
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


def document(looked: Looked) -> dict[str, Any]:
    """All of it, for programs."""
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
