"""A ledger of which a great deal was changed at once, or in which a number stands that no record can have."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.ledger.ledger import opened
from freehold.ledger.record import Chain, Outcome
from freehold.ledger.report import UsageAsked, rows
from freehold.ledger.requests import requests
from freehold.ledger.segments import segment_path
from freehold.ledger.usage import spent, usage
from freehold.ledger.verify import MOST_FINDINGS, verify
from tests.unit.test_ledger_verify import ASKED, REQUESTS, change, edited, write
from tests.unit.test_ledger_verify import folder as folder

MEMORY_BYTES = 16_000_000
MANY, LONG = 20_000, 100_000


def written(folder: Path, records: int, change: Callable[[int, bytes], bytes]) -> Path:
    """A chain of so many records, of which every second one was changed."""
    chain = Chain("c" * 32)
    folder.mkdir()
    with segment_path(folder, 1).open("wb") as file:
        file.write(chain.segment(()))
        file.write(chain.start(version="1", mode="strict", meter=None, torn_bytes=0))
        while chain.seq < records:
            file.write(chain.admission(ASKED))
            line = chain.outcome(chain.seq, Outcome("done", None, 10, 0, 12, 12, 2000, 3000))
            file.write(change(chain.seq, line))
    return folder


def renumbered(seq: int, line: bytes) -> bytes:
    return line.replace(b'"seq":%d' % seq, b'"seq":%d' % (10**9 + seq))


CHANGES: dict[str, tuple[Callable[[int, bytes], bytes], str]] = {
    "a field": (lambda _, line: line.replace(b'"tokens_out":12', b'"tokens_out":13'), "edited"),
    "the number": (renumbered, "edited"),
    "the number, to one there is": (
        lambda seq, line: line.replace(b'"seq":%d' % seq, b'"seq":%d' % (MANY - seq + 4)),
        "reordered",
    ),
    "deleted": (lambda _, line: b"", "deleted"),
    "repeated": (lambda _, line: line * 2, "added"),
    "no record": (lambda _, line: b"x\n", "damaged"),
    "its time": (lambda seq, line: line.replace(b'"clock_ms":', b'"clock_ms":%d' % seq), "edited"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_where_every_second_record_was_changed_the_first_of_them_are_named(tmp_path: Path, name: str) -> None:
    how, kind = CHANGES[name]
    verdict = verify(written(tmp_path / "ledger", MANY, how))
    assert len(verdict.findings) == MOST_FINDINGS
    assert [(finding.kind, finding.first) for finding in verdict.findings] == [
        (kind, seq) for seq in range(4, 2 * MOST_FINDINGS + 4, 2)
    ]
    assert len(verdict.clock) <= MOST_FINDINGS + 1


def test_a_long_ledger_of_which_every_second_record_has_another_number_is_decided_in_bounded_memory(
    tmp_path: Path,
) -> None:
    """In time as well: where each of them was held against all others, this test would take many minutes."""
    folder = written(tmp_path / "ledger", LONG, renumbered)
    tracemalloc.start()
    try:
        verdict = verify(folder)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (verdict.records, len(verdict.findings)) == (LONG, MOST_FINDINGS)
    assert peak_bytes < MEMORY_BYTES


@pytest.mark.parametrize("value", [2**53, 10**400, -(10**400), 10**4299])
@pytest.mark.parametrize("field", ["at_ms", "clock_ms", "seq", "of", "tokens_out", "total_us", "energy_uj", "queue_us"])
async def test_a_number_that_no_record_can_have_is_found_and_ends_no_reading(
    folder: Path, field: str, value: int
) -> None:
    change(folder, lambda lines: [*lines[:11], edited(lines[11], **{field: value}), *lines[12:]])
    assert [(finding.first, finding.last) for finding in verify(folder).findings] == [(12, 12)]
    assert rows(usage(folder), UsageAsked())[0]["requests"] >= REQUESTS - 1
    assert len(list(requests(folder))) == REQUESTS
    assert spent(folder, time.time())
    await write(folder, 1)
    await (await opened(folder, "strict", version="1")).close()
