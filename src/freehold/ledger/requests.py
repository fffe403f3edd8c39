"""A ledger read as requests: each admission with its outcome, in the order in which they ended.

Reads, and judges nothing: whether the records are the ones that were written is for `verify` to say. What is no record,
or has a field of another kind, is passed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from freehold.ledger.clocks import iso
from freehold.ledger.recover import record_of
from freehold.ledger.segments import lines, segments

ADMISSION_FIELDS = ("request", "key", "endpoint", "route", "build", "engine", "queue_us")
OUTCOME_FIELDS = (
    "outcome",
    "error",
    "tokens_in",
    "tokens_cached",
    "tokens_out",
    "pieces",
    "first_us",
    "total_us",
    "energy_uj",
    "energy_most_uj",
)
Record = Mapping[str, Any]


def requests(folder: Path) -> Iterator[dict[str, Any]]:
    """Every request of the ledger in `folder` as one flat row with the same fields in the same order; None is unknown.
    Those without an outcome come last, with None for it. Raises LedgerError where it cannot be read."""
    admitted: dict[int, Record] = {}
    chain: object = None
    for record in records(segments(folder)):
        if record.get("kind") == "segment":
            chain = record.get("chain")
        elif record.get("kind") == "admission":
            admitted[record["seq"]] = record
        elif record.get("kind") == "outcome" and (admission := admitted.pop(record.get("of", 0), None)) is not None:
            yield _row(chain, admission, record)
    for admission in admitted.values():
        yield _row(chain, admission, {})


def records(paths: Iterable[Path]) -> Iterator[Record]:
    """The records of these segments. Raises LedgerError."""
    for path in paths:
        for raw in lines(path):
            record = record_of(raw.removesuffix(b"\n"))
            if record is not None:
                yield record


def _row(chain: object, admission: Record, outcome: Record) -> dict[str, Any]:
    at_ms, ended_ms = admission.get("at_ms"), outcome.get("at_ms")
    return {
        "chain": chain,
        "admission": admission["seq"],
        "at": iso(at_ms) if isinstance(at_ms, int) else None,
        "at_ms": at_ms,
        **{name: admission.get(name) for name in ADMISSION_FIELDS},
        "ended_ms": ended_ms,
        **{name: outcome.get(name) for name in OUTCOME_FIELDS},
    }
