"""The report of egress: made from records as the house writes them, signed as it is printed, its gaps reckoned by
hand."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from freehold.cli.main import main
from freehold.core.errors import CallError
from freehold.core.peers import Peer
from freehold.core.ports import Attempt
from freehold.egress import signed
from freehold.egress.enforced import OWN_PROGRAM, SCOPES_SINCE, TCP_SINCE, by_kernel, of_broker, of_worker
from freehold.egress.gaps import Gap, gaps
from freehold.egress.history import runs
from freehold.egress.record import FOLDER, OF_THE_HOUSE, EgressRecord
from freehold.egress.report import Period, report
from freehold.egress.told import UNNAMED, text
from freehold.engines.attempts import KINDS_LIMIT, Tally
from freehold.engines.sandbox.lock import LockReport
from freehold.engines.sandbox.spoken import OF_LIBUV
from freehold.ledger.clocks import iso
from freehold.ledger.segments import segments
from freehold.ledger.verify import verify
from freehold.python.egress import moment, period_of
from freehold.store.deeds.record import Signature
from freehold.store.deeds.signing import Keys

EVER = Period(None, 2**52)
Record = dict[str, Any]


def start(at_ms: int, allowed: list[str] | None) -> Record:
    return {"kind": "start", "at_ms": at_ms, "version": "1", "kernel": "Linux", "allowed": allowed}


def process(at_ms: int, name: str, pid: int, lock: str | None) -> Record:
    return {"kind": "process", "at_ms": at_ms, "process": name, "pid": pid, "lock": lock, "enforced": []}


def at(kind: str, at_ms: int, **fields: Any) -> Record:
    return {"kind": kind, "at_ms": at_ms, **fields}


RESTRICTED = [start(100, []), process(100, "the house", 1, "seccomp + landlock 7"), at("stop", 200)]


def test_a_house_that_ran_restricted_all_the_time_leaves_no_gap() -> None:
    found = runs(RESTRICTED[:2], still_running=True)
    assert found[0].ending == "still running"
    assert gaps(found, 150, 190) == []


def test_every_time_of_which_nothing_is_known_is_a_gap_with_its_reason() -> None:
    records = [
        *RESTRICTED,
        *(start(300, None), process(300, "the house", 2, "none: its connections are not restricted"), at("stop", 400)),
        *(
            start(500, ["a:1"]),
            process(500, "the house", 1, "seccomp + landlock 7"),
            process(510, "a worker", 3, None),
            at("locked", 520, pid=3, lock="seccomp + landlock 7", observed=True),
        ),
        *(process(530, "b worker", 4, "seccomp (missing: landlock: none)"), at("end", 540, pid=4, how="it ended")),
        *(process(550, "c worker", 5, None), at("pulse", 560)),
        *(start(700, []), process(700, "the house", 1, "seccomp + landlock 7"), at("stop", 800)),
    ]
    found = gaps(runs(records, still_running=False), None, 1000)
    assert [(gap.from_ms, gap.to_ms) for gap in found] == [
        *((None, 100), (200, 300), (300, 400), (400, 500), (530, 540), (550, 560), (560, 700), (800, 1000))
    ]
    reasons = [gap.why for gap in found]
    assert reasons[0].startswith("there is no record") and reasons[1] == "no house ran"
    assert "was not restricted" in reasons[2] and "lock not whole: seccomp (missing" in reasons[4]
    assert "never said which lock" in reasons[5] and "ended without a word" in reasons[6]


@pytest.mark.parametrize(
    "lock", ["seccomp", "landlock 7", "seccomp + landlock", "seccomp + landlock 7 or so", "whole", "None", "", "LOCKED"]
)
@pytest.mark.parametrize("name", ["the house", "the broker", "a worker"])
def test_a_lock_in_other_words_than_the_program_writes_is_not_known_and_never_counts_as_one(
    name: str, lock: str
) -> None:
    records = [*RESTRICTED[:2], process(120, name, 2, lock), at("stop", 200)]
    (gap,) = gaps(runs(records, still_running=False), 100, 200)
    assert gap == Gap(120, 200, f"{name} (process 2) said of its lock what is not known here: {lock}")


@pytest.mark.parametrize("told", [{"lock": None, "observed": True}, {"lock": "seccomp + landlock 7", "observed": "no"}])
def test_what_a_worker_did_not_say_of_its_lock_is_not_known(told: Record) -> None:
    records = [*RESTRICTED[:2], process(120, "a worker", 2, None), at("locked", 130, pid=2, **told), at("stop", 200)]
    (gap,) = gaps(runs(records, still_running=False), 100, 200)
    assert (gap.from_ms, gap.to_ms) == (120, 200)
    assert "never said which lock" in gap.why or "could not be heard" in gap.why


def test_the_locks_that_the_program_writes_are_known() -> None:
    bare, both = (LockReport(seccomp=True, landlock_abi=abi, missing=()).line for abi in (None, 7))
    records = [
        *RESTRICTED[:2],
        *(process(110, "the witness", 2, bare), process(110, "the broker", 3, both)),
        *(process(110, "sh, started by the house", 4, OF_THE_HOUSE), at("stop", 200)),
    ]
    assert gaps(runs(records, still_running=False), 100, 200) == []


@pytest.mark.parametrize(
    ("name", "why"), [("the witness", "was not heard"), ("the broker", "what it did from then on, if anything")]
)
def test_a_helper_that_ended_before_its_house_leaves_a_gap_until_the_end_of_that(name: str, why: str) -> None:
    helper = [process(110, name, 2, "seccomp + landlock 7"), at("end", 150, pid=2, how="its channel closed")]
    (gap,) = gaps(runs([*RESTRICTED[:2], *helper, at("stop", 200)], still_running=False), 100, 200)
    assert (gap.from_ms, gap.to_ms) == (150, 200)
    assert gap.why.startswith(f"{name} (process 2) had ended (its channel closed): ") and why in gap.why


@pytest.mark.parametrize("name", ["the house", "the broker", "a worker"])
def test_the_lock_of_the_house_is_that_of_what_it_started_alone(name: str) -> None:
    records = [*RESTRICTED[:2], process(120, name, 2, OF_THE_HOUSE), at("stop", 200)]
    (gap,) = gaps(runs(records, still_running=False), 100, 200)
    assert gap.why == f"{name} (process 2) said of its lock what is not known here: {OF_THE_HOUSE}"


async def test_records_that_nobody_here_understands_are_counted_in_the_report(tmp_path: Path) -> None:
    unknown: list[Record] = [{"kind": "later", "at_ms": 130}, {"kind": ["process"], "at_ms": 130}, {"at_ms": 5}]
    (run,) = runs([*RESTRICTED[:2], *unknown, at("pulse", 140), at("stop", 200)], still_running=False)
    assert run.passed_over == len(unknown)
    record = await made(tmp_path)
    record._put("later", {})
    await record.close()
    document = report(tmp_path / FOLDER, EVER, made_ms=2**42, version="1")
    assert document["runs"][0]["passed_over"] == 1
    assert "  NOT UNDERSTOOD: 1 record of it, which are in no line of this" in text(document).splitlines()


@pytest.mark.parametrize(("abi", "rows"), [(None, 2), (1, 3), (TCP_SINCE, 4), (SCOPES_SINCE, 5), (SCOPES_SINCE + 1, 5)])
async def test_a_worker_gave_up_what_the_parts_of_its_lock_hold_it_to(
    tmp_path: Path, abi: int | None, rows: int
) -> None:
    missing = () if abi is not None else ("landlock: this kernel does not have it",)
    lock = LockReport(seccomp=True, landlock_abi=abi, missing=missing)
    record = await made(tmp_path)
    record.began("a worker", 9, Tally(lambda _: None))
    record.locked(9, lock.line)
    await record.close()
    document = report(tmp_path / FOLDER, EVER, made_ms=2**42, version="1")
    (worker,) = document["runs"][0]["processes"]
    assert [row["by"] for row in worker["enforced"]] == ["seccomp"] * 2 + [f"landlock {abi}"] * (rows - 2)
    assert text(document).count("    gave up ") == rows


@pytest.mark.parametrize("lock", ["off, by the settings", "none (missing: landlock 7; seccomp: x)", "", "seccomp!"])
def test_by_a_lock_that_does_not_hold_nothing_was_given_up(lock: str) -> None:
    assert of_worker(lock) == ()


def test_a_restricted_house_that_never_said_its_own_lock_is_a_gap() -> None:
    found = runs([RESTRICTED[0], RESTRICTED[2]], still_running=False)
    assert gaps(found, 100, 200) == [Gap(100, 200, "the house never said which lock it ran under")]


def test_a_number_that_the_kernel_gave_again_means_the_last_process_of_it() -> None:
    again = [process(110, "a", 5, None), at("end", 120, pid=5, how="x"), process(130, "b", 5, None)]
    (run,) = runs(
        [RESTRICTED[0], *again, at("end", 140, pid=5, how="y"), at("end", 150, pid=[5], how="z")], still_running=True
    )
    assert [(each.name, each.ended_ms, each.how) for each in run.processes] == [("a", 120, "x"), ("b", 140, "y")]


def test_gaps_are_cut_to_the_period() -> None:
    found = gaps(runs(RESTRICTED, still_running=False), 50, 250)
    assert [(gap.from_ms, gap.to_ms) for gap in found] == [(50, 100), (200, 250)]
    assert gaps([], 5, 9) == [Gap(5, 9, "there is no record: no house ran, or none that keeps one")]


def test_records_that_are_damaged_are_passed_over_and_never_end_the_reading() -> None:
    wrong: list[Record] = [
        *(at("attempt", 110), at("process", 110, process="x"), at("locked", 110, pid="x"), at("connection", 110)),
        {**process(110, "x", 7, None), "lock": 5},
        *({"kind": "start", "at_ms": "soon"}, {"kind": None, "at_ms": 1}, at("end", 110, pid=9, how="?")),
    ]
    (found,) = runs([RESTRICTED[0], *wrong, *RESTRICTED[1:]], still_running=False)
    assert (found.ending, [each.pid for each in found.processes], found.attempts) == ("stopped", [7, 1], [])
    assert found.passed_over == 5
    assert gaps([found], 100, 200) == [Gap(110, 200, "x (process 7) said of its lock what is not known here: 5")]


async def made(folder: Path) -> EgressRecord:
    record = EgressRecord(folder)
    await record.begin(version="1", allowed=[], strict=False)
    return record


async def test_what_a_house_was_refused_is_in_the_report_with_its_count(tmp_path: Path) -> None:
    record = await made(tmp_path)
    record.runs("the house", 7, "seccomp + landlock 7", [("everything", "seccomp")])
    record.heard(7, "python", Attempt("connect: 192.0.2.7:443", 1, 1000.0, 1000.0))
    record.heard(7, "python", Attempt("connect: 192.0.2.7:443", 4, 1001.0, 1003.5))
    record.heard(8, "curl", Attempt("socket: IPv4 stream", 1, 1002.0, 1002.0))
    record.connection({"peer": "a.example:443", "fate": "refused", "address": None, "why": "it is not listed"})
    await record.close()
    document = report(tmp_path / FOLDER, EVER, made_ms=2**42, version="1")
    (run,) = document["runs"]
    by_process = {row["process"]: row for row in run["attempts"]}
    assert (by_process["the house"]["count"], by_process["the house"]["fate"]) == (5, "refused")
    assert (by_process["the house"]["first"], by_process["the house"]["last"]) == (
        *("1970-01-01T00:16:40Z", "1970-01-01T00:16:43Z"),
    )
    assert by_process["curl, started by the house"]["pid"] == 8
    assert run["connections"][0]["why"] == "it is not listed"
    assert verify(tmp_path / FOLDER).findings == document["record"]["findings"] == []
    lines = text(document)
    assert "the house (7): connect: 192.0.2.7:443: refused by seccomp, 5 times" in lines
    assert "gave up everything, by seccomp" in lines and "a.example:443: refused: it is not listed" in lines


async def test_what_the_runtime_asks_by_itself_stands_apart_from_attempts(tmp_path: Path) -> None:
    record = await made(tmp_path)
    record.runs("the house", 7, "seccomp + landlock 7", [])
    record.heard(7, "python", Attempt(OF_LIBUV, 2, 1000.0, 1001.0))
    await record.close()
    document = report(tmp_path / FOLDER, EVER, made_ms=2**42, version="1")
    (run,) = document["runs"]
    assert (run["attempts"], [row["count"] for row in run["probes"]]) == ([], [2])
    lines = text(document).splitlines()
    tried = lines.index("  TRIED")
    assert lines[tried + 1] == "    nothing that was observed" and "BY THE RUNTIME ITSELF" in lines[tried + 2]
    assert lines[tried + 3].startswith(f"    the house (7): {OF_LIBUV}: refused by seccomp, 2 times")


@pytest.mark.parametrize(
    ("peers", "landlock", "held"),
    [((), 1, "all"), ((Peer("192.0.2.7", 443),), 4, "ports"), ((Peer("a", 1),), 3, "nothing")],
)
def test_the_kernel_is_said_to_hold_a_house_to_no_more_than_it_does(
    peers: tuple[Peer, ...], landlock: int, held: str
) -> None:
    assert by_kernel(peers, landlock) == held
    ports = [by for what, by in of_broker(peers, landlock) if what.startswith("TCP")]
    assert ports == ([] if held == "all" else [f"landlock {landlock}" if held == "ports" else OWN_PROGRAM])


async def test_a_worker_that_tries_without_end_cannot_fill_the_record(tmp_path: Path) -> None:
    record = await made(tmp_path)
    tally = Tally(lambda _: record.tried(9))
    record.began("a worker", 9, tally)
    for number in range(1000):
        tally.count(f"connect: /{number}", first_at=1.0, last_at=1.0)
    record.ended(9, "it was ended")
    await record.close()
    (run,) = report(tmp_path / FOLDER, EVER, made_ms=2**42, version="1")["runs"]
    assert len(run["attempts"]) == KINDS_LIMIT + 1
    assert sum(row["count"] for row in run["attempts"]) == 1000


async def test_a_name_that_would_write_a_line_of_its_own_writes_none(tmp_path: Path) -> None:
    record = await made(tmp_path)
    record.heard(8, "x\n  none\nkey ", Attempt("connect: /a\r\nGAPS", 1, 1.0, 1.0))
    await record.close()
    lines = text(report(tmp_path / FOLDER, EVER, made_ms=2**42, version="1")).splitlines()
    assert [line for line in lines if line.startswith(("GAPS", "key"))] == [
        "GAPS: times of which this report cannot say that nothing left"
    ]


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
async def test_a_signature_is_of_every_byte_of_the_report(tmp_path: Path, as_json: bool) -> None:
    record = await made(tmp_path)
    record.heard(8, "curl", Attempt("socket: IPv4 stream", 1, 1.0, 1.0))
    await record.close()
    keys = Keys(tmp_path / "keys")
    keys.create()
    document = report(tmp_path / FOLDER, EVER, made_ms=2**42, version="1")
    signature = keys.sign(signed.statement(document, as_json=as_json), signed.CONTEXT)
    whole = signed.written(document, signature, as_json=as_json)
    read = signed.read(whole.encode(), "it")
    assert keys.state_of(read.statement, read.signature, signed.CONTEXT) == "valid"
    assert (read.chain, read.last, read.head) == tuple(document["record"][name] for name in ("chain", "last", "head"))
    for old, new in (("IPv4 stream", "IPv6 stream"), ("freehold 1", "freehold 2"), ("seccomp", "seccomq")):
        changed = signed.read(whole.replace(old, new).encode(), "it")
        assert keys.state_of(changed.statement, changed.signature, signed.CONTEXT) == "wrong"
    bare = signed.read(signed.written(document, None, as_json=as_json).encode(), "it")
    assert bare.signature is None and bare.statement == read.statement


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b"freehold egress report 1\n", b'{"title": "x"}', b"\xff\xfe", b"{" * 999]
)
def test_what_is_no_report_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(CallError, match="it is no report of egress"):
        signed.read(data, "it")


def test_a_signature_of_something_else_does_not_fit_a_report(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    keys.create()
    assert keys.state_of("x", keys.sign("x"), signed.CONTEXT) == "wrong"
    assert isinstance(keys.sign("x", signed.CONTEXT), Signature)


def test_a_day_is_all_of_it_and_a_time_is_itself() -> None:
    assert moment("2026-11-30") == 1796000000000 - 1796000000000 % 86_400_000
    assert moment("2026-11-30", end=True) - moment("2026-11-30") == 86_400_000
    assert moment("2026-11-30T14:00+02:00", end=True) == moment("2026-11-30T12:00")
    for wrong in ("soon", "9999-12-31"):
        with pytest.raises(CallError, match=f"'{wrong}' is no time"):
            moment(wrong, end=True)


def test_a_report_is_plain_json(tmp_path: Path) -> None:
    document = report(tmp_path / "nowhere", EVER, made_ms=0, version="1")
    assert json.loads(json.dumps(document))["record"]["chain"] is None


async def test_a_report_ends_when_it_is_made_and_says_what_was_asked_for(tmp_path: Path) -> None:
    record = await made(tmp_path)
    record.runs("the house", 7, "seccomp + landlock 7", [])
    now_ms = time.time_ns() // 1_000_000
    asked_ms = now_ms + 40 * 86_400_000
    document = report(tmp_path / FOLDER, Period(None, asked_ms), made_ms=now_ms, version="1")
    await record.close()
    assert document["period"] == {"since": None, "until": iso(now_ms + 1), "asked_until": iso(asked_ms)}
    assert f"to {iso(now_ms + 1)}, when it was made: {iso(asked_ms)} was asked for" in text(document)
    (gap,) = document["gaps"]
    assert gap["from"] is None  # before the run, and none after now
    future = report(tmp_path / FOLDER, Period(asked_ms, asked_ms + 1), made_ms=now_ms, version="1")
    assert future["runs"] == []


def test_a_period_that_has_not_come_or_ends_before_it_begins_is_refused_with_what_to_write() -> None:
    now_ms = moment("2026-11-29T18:00")
    with pytest.raises(CallError, match="nothing of it has come yet") as future:
        period_of("2026-12-30", "2027-01-05", now_ms=now_ms)
    assert "--since 2026-11-29" in future.value.hint
    with pytest.raises(CallError, match="before it begins") as reversed_:
        period_of("2026-11-20", "2026-11-10", now_ms=now_ms)
    assert "--since 2026-11-10 --until 2026-11-20" in reversed_.value.hint
    assert period_of("2026-11-29", "2026-11-29", now_ms=now_ms).cut_at(now_ms).until_ms == now_ms + 1
    assert period_of(None, None, now_ms=now_ms) == Period(None, now_ms + 1)


async def test_a_record_that_lost_its_beginning_is_reported_as_not_whole_and_exits_with_1(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await (await made(home / "ledger")).close()
    (path,) = segments(home / "ledger" / FOLDER)
    assert (main(["egress", "report"]), capsys.readouterr().err.count("not whole")) == (0, 0)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
    code = main(["egress", "report"])
    said = capsys.readouterr()
    assert code == 1 and "not whole" in said.err
    assert "record of unknown name, NOT WHOLE, 1 finding, up to number" in said.out
    assert signed.read(said.out.encode(), "it").chain == UNNAMED
    assert main(["egress", "report", "--json"]) == 1
    assert signed.read(capsys.readouterr().out.encode(), "it").chain == UNNAMED
