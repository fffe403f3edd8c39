"""The Parquet form of the ledger, read back by another reader than the one that is meant by it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from freehold.cli.main import main
from freehold.ledger import parquet
from freehold.ledger.parquet import write_parquet
from freehold.ledger.requests import requests
from tests.unit.test_ledger_verify import write


@pytest.fixture
async def ledger(home: Path) -> Path:
    await write(home / "ledger")
    return home / "ledger"


def _rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet

    return list(pyarrow.parquet.read_table(path).to_pylist())


def test_every_request_is_a_row_with_what_the_lines_say(ledger: Path, tmp_path: Path) -> None:
    out = tmp_path / "requests.parquet"
    assert main(["ledger", "export", "--format", "parquet", "-o", str(out), "--quiet"]) == 0
    lines, rows = list(requests(ledger)), _rows(out)
    assert len(rows) == len(lines) == 20
    for line, row in zip(lines, rows, strict=True):
        assert row.pop("at") == datetime.fromtimestamp(line.pop("at_ms") / 1000, UTC)
        assert row.pop("ended") == datetime.fromtimestamp(line.pop("ended_ms") / 1000, UTC)
        del line["at"]
        assert row == line
    assert list(tmp_path.glob("*.unfinished")) == []


def test_unknown_stays_unknown_and_what_is_of_another_kind_is_unknown(tmp_path: Path) -> None:
    row = {"admission": 1, "at_ms": "yesterday", "request": 7, "tokens_in": None, "tokens_out": 2**60, "endpoint": "x"}
    assert write_parquet([row], tmp_path / "x.parquet") == 1
    (read,) = _rows(tmp_path / "x.parquet")
    assert {name for name, value in read.items() if value is not None} == {"admission", "endpoint"}


def test_more_rows_than_are_held_at_once_are_all_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_ROWS_AT_ONCE", 7)
    rows = [{"admission": number, "endpoint": f"e{number % 3}"} for number in range(50)]
    assert write_parquet(rows, tmp_path / "x.parquet") == 50
    assert [row["admission"] for row in _rows(tmp_path / "x.parquet")] == [*range(50)]


def test_a_wrong_call_says_what_to_call(ledger: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["ledger", "export", "--format", "parquet"]) == 2
    assert "-o requests.parquet" in capsys.readouterr().err
    assert main(["ledger", "export", "-o", "x.jsonl"]) == 2
    assert "> x.jsonl" in capsys.readouterr().err
    assert main(["ledger", "export", "--format", "parquet", "-o", str(tmp_path / "no" / "x")]) == 3
    assert "cannot be written" in capsys.readouterr().err


def test_without_the_extra_the_way_to_it_is_said(
    ledger: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert main(["ledger", "export", "--format", "parquet", "-o", str(tmp_path / "x.parquet")]) == 2
    assert "freehold[parquet]" in capsys.readouterr().err
