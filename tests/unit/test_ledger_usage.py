"""What was used, held against the requests themselves; and what is kept beside the ledger, which must never be believed
against it."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from freehold.cli.main import main
from freehold.core.settings import load
from freehold.gateway.access.book import KeyBook
from freehold.ledger import ledger as house
from freehold.ledger.ledger import opened
from freehold.ledger.record import Asked, Clock, Outcome
from freehold.ledger.report import UsageAsked, rows
from freehold.ledger.requests import requests
from freehold.ledger.segments import segments
from freehold.ledger.usage import spent, usage

DAY_S = 86_400
NOON_S = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()


class Days:
    """A wall clock that somebody moves on."""

    def __init__(self) -> None:
        self.now_s = NOON_S

    def clock(self) -> Clock:
        return Clock(lambda: int(self.now_s * 1e9), lambda: int((self.now_s - NOON_S) * 1e9))


async def fill(folder: Path, count: int, keys: tuple[str | None, ...] = ("k1", "k2", None)) -> None:
    """`count` requests over three days, up to eight open at a time, of three keys and two endpoints."""
    dice, days = random.Random(7), Days()  # a reproducible load
    ledger = await opened(folder, "relaxed", version="1", clock=days.clock())
    open_now: list[int] = []
    for number in range(count):
        days.now_s += 3 * DAY_S / count
        asked = Asked(f"r{number}", dice.choice(keys), dice.choice(("small", "large")), "/v1/x", None, "fake", 5)
        open_now.append(ledger.admit(asked)[0])
        if len(open_now) == 8:
            for admission in dice.sample(open_now, 6):
                open_now.remove(admission)
                told = dice.random() < 0.9
                cut = Outcome("stopped", "client_gone", 10, None, None, 3)
                ending = Outcome("done", None, 10, 4, 7, 9, 1, 2000) if told else cut
                ledger.settle(admission, ending, None)
    await ledger.close()


@pytest.fixture
def folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(house, "SEGMENT_BYTES", 20_000)
    asyncio.run(fill(home / "ledger", 600))
    return home / "ledger"


def test_the_sums_are_those_of_the_requests_whatever_lies_beside_the_ledger(folder: Path) -> None:
    expected: Counter[tuple[str, str | None, str, str]] = Counter()
    for row in requests(folder):
        day = datetime.fromtimestamp(row["at_ms"] / 1000, UTC).date().isoformat()
        group = (day, row["key"], row["endpoint"])
        expected[(*group, "requests")] += 1
        expected[(*group, row["outcome"])] += 1
        expected[(*group, "tokens_in")] += row["tokens_in"] or 0
        expected[(*group, "tokens_out")] += row["tokens_out"] or 0
        expected[(*group, "pieces")] += row["pieces"] or 0 if row["tokens_out"] is None else 0
    assert len(segments(folder)) > 10 and len({key[:3] for key in expected}) == 4 * 3 * 2
    for state in ("none", "kept", "one spoiled", "one of another time"):
        kept = sorted(folder.glob("usage-*.json"))
        if state == "kept":
            assert len(kept) == len(segments(folder)) - 1
        elif state == "one spoiled":
            kept[3].write_text(kept[3].read_text()[:-30])
        elif state == "one of another time":
            kept[3].write_text(kept[3].read_text().replace('"size_bytes": ', '"size_bytes": 1'))
        found: Counter[tuple[str, str | None, str, str]] = Counter()
        for row in rows(usage(folder), UsageAsked()):
            for name in ("requests", "done", "stopped", "tokens_in", "tokens_out", "pieces"):
                found[(row["day"], row["key"], row["endpoint"], name)] += row[name]
        assert +found == +expected, state


def test_a_budget_counts_this_day_and_this_month_and_what_was_cut_off(folder: Path) -> None:
    day = [row for row in requests(folder) if row["at_ms"] >= 1000 * (NOON_S + 2.5 * DAY_S) and row["key"] == "k1"]
    month = [row for row in requests(folder) if row["at_ms"] >= 1000 * (NOON_S + DAY_S / 2) and row["key"] == "k1"]

    def tokens(found: list[dict[str, int | None]]) -> int:
        return sum((row["tokens_in"] or 0) + (row["tokens_out"] or row["pieces"] or 0) for row in found)

    found = spent(folder, NOON_S + 3 * DAY_S)["k1"]
    today, this_month = found.tokens_today, found.tokens_this_month
    assert (today, this_month) == (tokens(day), tokens(month))
    assert 0 < today < this_month


def test_what_is_kept_never_makes_an_energy_that_nobody_measured(folder: Path) -> None:
    (row,) = rows(usage(folder), UsageAsked(by=()))
    assert row["energy_wh"]["kind"] == "unknown" and row["energy_wh"]["value"] is None


def freehold(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_usage_is_shown_by_what_is_asked_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, _ = KeyBook(load().home).create("ada")
    asyncio.run(fill(home / "ledger", 40, keys=(key.id,)))
    code, out, _ = freehold(capsys, "usage", "--by", "key")
    assert code == 0
    head, line = out.splitlines()
    assert head.split() == [
        "KEY",
        "REQUESTS",
        "NOT",
        "DONE",
        "TOKENS",
        "IN",
        "CACHED",
        "OUT",
        "NOT",
        "COUNTED",
        "TIME",
        "ENERGY",
    ]
    assert line.startswith(f"ada ({key.id})")
    code, out, _ = freehold(capsys, "usage", "--by", "day", "--since", "2026-12-01", "--until", "2026-12-01", "--json")
    (row,) = json.loads(out)
    assert (row["day"], row["requests"] > 0, "key" in row) == ("2026-12-01", True, False)
    by_id, by_owner = (freehold(capsys, "usage", "--by", "key", "--key", name) for name in (key.id, "ada"))
    assert by_id == by_owner == (0, *freehold(capsys, "usage", "--by", "key")[1:])
    code, out, said = freehold(capsys, "usage", "--key", "0123abcd")
    assert (code, out) == (0, "") and said.startswith("Nothing was asked in that time.\n")


def test_a_key_that_nobody_has_is_no_key_that_asked_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = [KeyBook(load().home).create(owner)[0] for owner in ("ada", "bob", "bob")]
    asyncio.run(fill(home / "ledger", 4, keys=(keys[0].id,)))
    code, out, said = freehold(capsys, "usage", "--key", "adda")
    assert (code, out) == (1, "") and "There is no key named 'adda'. Nearest: ada" in said
    code, out, said = freehold(capsys, "usage", "--key", "bob")
    assert (code, out) == (2, "") and f"bob has 2 keys: {keys[1].id}, {keys[2].id}" in said


def test_a_wrong_question_is_told_how_to_ask(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert freehold(capsys, "usage")[0] == 1
    for words, said in ((("--by", "dya"), "Did you mean day?"), (("--since", "monday"), "2026-11-30")):
        code, _, err = freehold(capsys, "usage", *words)
        assert code == 2 and said in err


def test_a_time_that_ends_before_it_begins_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, said = freehold(capsys, "usage", "--since", "2025-11-20", "--until", "2025-11-10")
    assert (code, out) == (2, "") and "before it begins" in said and "since 2025-11-10, until 2025-11-20" in said
