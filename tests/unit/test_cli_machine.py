"""`freehold machine` as people and programs call it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from freehold.cli.main import main
from freehold.engines.llamacpp.identity import engine_id
from freehold.hardware.calibration import encoded, kept_at
from tests.calibrations import calibration


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = main(["machine", *arguments, "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out or captured.err)


def test_this_machine_is_said_with_the_kind_of_every_figure(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    code, found = called(capsys)
    assert (code, found["here"]) == (0, True)
    assert 0 < found["processor"]["usable_cores"] <= found["processor"]["logical_cores"]
    assert found["memory"]["total_bytes"]["kind"] == "exact"
    assert 0 < found["memory"]["available_bytes"]["value"] <= found["memory"]["total_bytes"]["value"]
    assert found["fingerprint"]
    assert found["disk"]["folder"] == str(home)
    assert found["disk"]["read_bytes_per_s"]["kind"] in {"measured", "unknown"}
    host = found["places"][-1]
    assert host["memory_bytes"]["value"] == found["memory"]["total_bytes"]["value"]
    assert host["bandwidth_bytes_per_s"]["kind"] in {"measured", "unknown", "estimated"}
    assert not home.exists()


def test_what_was_measured_of_this_machine_is_shown_with_it(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    _, bare = called(capsys)
    assert "`freehold machine --measure`" in bare["measured"]["unknown"]
    assert bare["places"][-1]["bandwidth_bytes_per_s"]["reason"] == bare["measured"]["unknown"]
    record = dataclasses.replace(calibration(fingerprint=bare["fingerprint"]), engine=engine_id())
    path = kept_at(home, record.fingerprint)
    path.parent.mkdir(parents=True)
    path.write_bytes(encoded(record))
    _, found = called(capsys)
    assert found["measured"]["threads"] == 2
    bandwidth = found["places"][-1]["bandwidth_bytes_per_s"]
    assert (bandwidth["kind"], bandwidth["value"]) == ("measured", 20e9)
    assert main(["machine"]) == 0
    page = capsys.readouterr().out
    assert "2 are fastest" in page and "Q4_0" in page
    assert "1.0 read for one token, 0.0 for 128 at once" in page


def test_a_description_is_shown_as_it_was_understood(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = called(capsys, "--on", "2x rtx-4090, 64GB ddr5-6000 x2")
    assert (code, found["here"], found["fingerprint"]) == (0, False, None)
    card, _, host = found["places"]
    assert card["memory_bytes"] == {"kind": "exact", "value": 24564 * 2**20}
    assert card["bandwidth_bytes_per_s"]["high"] == 1008e9
    assert "NVIDIA" in card["bandwidth_bytes_per_s"]["basis"]
    assert host["bandwidth_bytes_per_s"]["high"] == 96e9
    assert host["usable_bytes"]["kind"] == "estimated"
    assert main(["machine", "--on", "8x h100, 1TB"]) == 0
    page = capsys.readouterr().out
    assert "NVIDIA H100 SXM5 80GB 1 to 8, each" in page
    assert "there are also h100-pcie" in page


def test_a_description_that_is_not_understood_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = called(capsys, "--on", "2x rtx-409o, 64GB")
    assert code == 2
    assert found["error"]["code"] == "invalid_description"
    assert found["error"]["data"]["word"] == "rtx-409o"
    assert "rtx-4090" in found["error"]["data"]["nearest"]


def test_the_table_is_listed_and_each_fact_has_its_source_and_date(capsys: pytest.CaptureFixture[str]) -> None:
    code, rows = called(capsys, "--devices")
    assert (code, len(rows) >= 80) == (0, True)
    facts = [offer["bandwidth_gb_per_s"] for row in rows for offer in row["offers"]]
    assert all(fact["source"] and fact["date"] for fact in facts)
    code, some = called(capsys, "--devices", "rtx", "40")
    assert 0 < len(some) < len(rows)
    assert main(["machine", "--devices", "l40s"]) == 0
    assert "864" in capsys.readouterr().out
    assert main(["machine", "--devices", "no such thing"]) == 1


def test_words_alone_are_asked_what_they_are_meant_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = called(capsys, "rtx-4090")
    assert code == 2
    assert '--on "rtx-4090"' in found["error"]["hint"]
