"""What a chain shows of those who changed it. Every ledger here was written by the ledger itself, then changed."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.core.errors import LedgerError
from freehold.ledger import ledger as house
from freehold.ledger.ledger import opened
from freehold.ledger.record import NOTHING, Asked, Clock, Outcome, hash_of
from freehold.ledger.report import UsageAsked, rows
from freehold.ledger.requests import requests
from freehold.ledger.segments import segment_path, segments
from freehold.ledger.usage import usage
from freehold.ledger.verify import Seen, Verdict, verify

ASKED = Asked("req_1", "k_ada", "small", "/v1/chat/completions", "sha256:" + "a" * 64, "fake", 120)
Lines = list[bytes]
REQUESTS = 20
TORN = b"\0" * 16_000_000


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A ledger of 20 requests: record 1 heads the file, 2 is the start, then 20 pairs, then the stop, 43."""
    folder = tmp_path / "ledger"
    await write(folder)
    return folder


async def write(folder: Path, requests: int = REQUESTS, *, alone: bool = False) -> None:
    ledger = await opened(folder, "strict", version="1", alone=alone)
    for number in range(requests):
        admission, began = ledger.admit(ASKED._replace(request=f"req_{number}"))
        ledger.settle(admission, Outcome("done", None, 10, 0, 12, 12, 2000, 3000), began)
        await ledger.durable()
    await ledger.close()


def change(folder: Path, how: Callable[[Lines], Lines]) -> None:
    (path,) = segments(folder)
    path.write_bytes(b"".join(how(path.read_bytes().splitlines(keepends=True))))


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def set_aside(folder: Path) -> list[Path]:
    return list(folder.glob("torn-*"))


def edited(line: bytes, **fields: object) -> bytes:
    return json.dumps({**json.loads(line), **fields}, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def resealed(lines: Lines) -> Lines:
    """The chain computed anew, as somebody would who knows how."""
    out: Lines = []
    for number, line in enumerate(lines, 1):
        prev = hash_of(out[-1][:-1]) if out else NOTHING
        out.append(edited(line, prev=prev, seq=number))
    return out


def found(verdict: Verdict) -> list[tuple[str, int, int]]:
    return [(finding.kind, finding.first, finding.last) for finding in verdict.findings]


async def test_a_ledger_that_nobody_changed_verifies(folder: Path) -> None:
    verdict = verify(folder)
    assert (found(verdict), verdict.records, verdict.last, verdict.requests) == ([], 43, 43, REQUESTS)
    assert (verdict.open, verdict.interrupted, verdict.torn_bytes, verdict.clock) == (0, 0, 0, [])


TAMPERINGS: dict[str, tuple[Callable[[Lines], Lines], list[tuple[str, int, int]]]] = {
    "a field edited": (lambda ls: [*ls[:11], edited(ls[11], tokens_out=1), *ls[12:]], [("edited", 12, 12)]),
    "a number edited": (lambda ls: [*ls[:11], edited(ls[11], seq=999), *ls[12:]], [("edited", 12, 12)]),
    "two neighbors edited": (
        lambda ls: [*ls[:11], edited(ls[11], tokens_out=1), edited(ls[12], key=None), *ls[13:]],
        [("edited", 12, 12), ("edited", 13, 13)],
    ),
    "one deleted": (lambda ls: [*ls[:11], *ls[12:]], [("deleted", 12, 12)]),
    "a request deleted": (lambda ls: [*ls[:10], *ls[12:]], [("deleted", 11, 12)]),
    "the first deleted": (lambda ls: ls[1:], [("deleted", 1, 1)]),
    "neighbors swapped": (lambda ls: [*ls[:11], ls[12], ls[11], *ls[13:]], [("reordered", 13, 13)]),
    "one moved back": (lambda ls: [*ls[:11], ls[30], *ls[11:30], *ls[31:]], [("reordered", 31, 31)]),
    "one moved forward": (lambda ls: [*ls[:11], *ls[12:30], ls[11], *ls[30:]], [("reordered", 12, 12)]),
    "three turned round": (
        lambda ls: [*ls[:11], ls[13], ls[12], ls[11], *ls[14:]],
        [("reordered", 12, 12), ("reordered", 14, 14)],
    ),
    "one added": (lambda ls: [*ls[:12], edited(ls[11], tokens_out=1), *ls[12:]], [("added", 12, 12)]),
    "one repeated": (lambda ls: [*ls[:12], ls[11], *ls[12:]], [("added", 12, 12)]),
    "a line of nonsense added": (lambda ls: [*ls[:11], b"nonsense\n", *ls[11:]], [("added", 12, 12)]),
    "a time in no calendar": (lambda ls: [*ls[:10], edited(ls[10], at_ms=10**30), *ls[11:]], [("edited", 11, 11)]),
    "an outcome of no number": (lambda ls: [*ls[:11], edited(ls[11], of=[11]), *ls[12:]], [("damaged", 12, 12)]),
    "open requests without a number": (lambda ls: [edited(ls[0], open=5), *ls[1:]], [("damaged", 1, 1)]),
    "one that is no record": (lambda ls: [*ls[:11], b"\0" * 400 + b"\n", *ls[12:]], [("damaged", 12, 12)]),
}


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_each_kind_of_tampering_is_found_and_named(folder: Path, name: str) -> None:
    how, expected = TAMPERINGS[name]
    change(folder, how)
    assert found(verify(folder)) == expected
    assert rows(usage(folder), UsageAsked()) and list(requests(folder))
    await write(folder, 1)
    assert set(found(verify(folder))) >= set(expected)


async def test_a_cut_end_shows_only_against_a_checkpoint(folder: Path) -> None:
    whole = verify(folder)
    change(folder, lambda lines: lines[:30])
    assert found(verify(folder)) == []
    assert whole.chain is not None
    seen = Seen(whole.chain, whole.last, whole.head, "Monday's")
    assert found(verify(folder, [seen])) == [("truncated", 31, 43)]
    for path in segments(folder):
        path.unlink()
    assert found(verify(folder, [seen])) == [("truncated", 1, 43)]


async def test_a_chain_written_anew_shows_only_against_a_checkpoint(folder: Path) -> None:
    whole = verify(folder)
    change(folder, lambda lines: resealed([*lines[:11], edited(lines[11], tokens_out=1), *lines[12:]]))
    assert found(verify(folder)) == []
    assert whole.chain is not None
    assert found(verify(folder, [Seen(whole.chain, 43, whole.head, "c")])) == [("rewritten", 43, 43)]


async def test_another_houses_ledger_in_its_place_is_told(folder: Path, tmp_path: Path) -> None:
    whole = verify(folder)
    assert whole.chain is not None
    await write(tmp_path / "other")
    assert found(verify(tmp_path / "other", [Seen(whole.chain, 43, whole.head, "c")])) == [("another chain", 1, 43)]


async def test_a_torn_line_is_no_tampering_and_the_next_run_sets_it_aside(folder: Path) -> None:
    (path,) = segments(folder)
    append(path, b'{"at_ms":17')
    verdict = verify(folder)
    assert (found(verdict), verdict.torn_bytes, verdict.last) == ([], 11, 43)
    await write(folder, 1)
    verdict = verify(folder)
    assert (found(verdict), verdict.torn_bytes, verdict.last) == ([], 0, 47)
    assert [aside.read_bytes() for aside in set_aside(folder)] == [b'{"at_ms":17']
    assert json.loads(path.read_bytes().splitlines()[43])["torn_bytes"] == 11


async def test_a_wall_clock_that_jumps_is_told_and_breaks_nothing(tmp_path: Path) -> None:
    wall_s, steady_s = [1_764_500_000.0], [100.0]
    clock = Clock(lambda: int(wall_s[0] * 1e9), lambda: int(steady_s[0] * 1e9))
    ledger = await opened(tmp_path / "ledger", "strict", version="1", clock=clock)
    for jump_s in (0, -3600, 0, 7200):
        wall_s[0] += jump_s + 5
        steady_s[0] += 5
        ledger.settle(ledger.admit(ASKED)[0], Outcome("done"), None)
    await ledger.close()
    verdict = verify(tmp_path / "ledger")
    assert found(verdict) == []
    first, second = verdict.clock
    assert first.startswith("before record 5 the wall clock went back by 3,600 s, to 2025-11-30T")
    assert second.startswith("before record 9 the wall clock went forward by 7,200 s")


async def test_a_folder_that_nobody_can_write_is_named_when_a_house_starts() -> None:
    with pytest.raises(LedgerError, match="in /proc/x: No such file or directory") as refused:
        await opened(Path("/proc/x"), "strict", version="1")
    assert "Requests, attempts and connections cannot be recorded there." in refused.value.message


async def test_only_one_process_writes_a_ledger(folder: Path) -> None:
    ledger = await opened(folder, "relaxed", version="1")
    with pytest.raises(LedgerError, match="Another process writes the ledger"):
        await opened(folder, "relaxed", version="1")
    await ledger.close()
    await (await opened(folder, "relaxed", version="1")).close()


async def test_a_page_that_the_disk_lost_is_found_and_the_house_goes_on(folder: Path) -> None:
    (path,) = segments(folder)
    raw = bytearray(path.read_bytes())
    raw[4096:8192] = b"\0" * 4096
    path.write_bytes(raw)
    before = verify(folder)
    assert found(before) == [("damaged", 14, 27)]
    await write(folder, 1)
    after = verify(folder)
    assert found(after) == found(before)
    assert after.records == before.records + before.open + 4


async def test_a_line_without_an_end_takes_none_of_what_stands_behind_it_along(folder: Path) -> None:
    (path,) = segments(folder)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:11], b"\0" * 3_000_000, *lines[11:]]))
    before = path.read_bytes()
    await write(folder, 1)
    assert path.read_bytes().startswith(before)
    assert set_aside(folder) == []


@pytest.mark.parametrize("in_its_own_file", [True, False])
async def test_bytes_without_any_line_end_are_set_aside_in_bounded_memory_and_named(
    folder: Path, caplog: pytest.LogCaptureFixture, in_its_own_file: bool
) -> None:
    path = segment_path(folder, 44) if in_its_own_file else segment_path(folder, 1)
    append(path, TORN)
    tracemalloc.start()
    await write(folder, 1)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < len(TORN) / 2
    (aside,) = set_aside(folder)
    assert aside.read_bytes() == TORN
    (warning,) = caplog.messages
    assert f"{len(TORN):,} bytes behind the last whole record in {path} have no line end" in warning
    assert str(aside) in warning
    verdict = verify(folder)
    assert (found(verdict), verdict.torn_bytes, verdict.requests) == ([], 0, REQUESTS + 1)


async def test_a_chain_goes_on_through_many_files_and_a_missing_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house, "SEGMENT_BYTES", 4000)
    folder = tmp_path / "ledger"
    await write(folder, 40)
    await write(folder, 40)
    paths = segments(folder)
    verdict = verify(folder)
    assert len(paths) > 5 and not verdict.findings and verdict.requests == 80
    first, behind = (int(path.stem.removeprefix("records-")) for path in paths[2:4])
    paths[2].unlink()
    assert ("deleted", first, behind - 1) in found(verify(folder))
