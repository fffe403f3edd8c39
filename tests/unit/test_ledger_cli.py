"""`freehold ledger`: what an auditor sees of a whole ledger, a changed one, and of the checkpoints they kept."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from freehold.cli.main import main
from freehold.ledger.segments import segments
from freehold.store.deeds.canonical import canonical, parsed
from tests.unit.test_ledger_verify import REQUESTS, write


@pytest.fixture
def folder(home: Path) -> Path:
    folder = home / "ledger"
    asyncio.run(write(folder))
    return folder


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["ledger", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def cut(folder: Path, count: int) -> None:
    (path,) = segments(folder)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-count]))


def checkpoint(capsys: pytest.CaptureFixture[str], path: Path) -> str:
    code, text, _ = run(capsys, "checkpoint")
    assert code == 0
    path.write_text(text)
    return text


def test_every_line_is_canonical_json(folder: Path) -> None:
    lines = [line for path in segments(folder) for line in path.read_bytes().splitlines()]
    assert len(lines) == 2 * REQUESTS + 3
    for line in lines:
        assert canonical(parsed(line)).encode() == line


def test_without_a_ledger_there_is_nothing_to_verify(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = run(capsys, "verify")
    assert code == 1 and "There is no ledger in" in said and "freehold up" in said


def test_a_whole_ledger_is_said_to_be_whole_and_what_that_does_not_show(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, said = run(capsys, "verify")
    assert (code, out) == (0, "43 records of 20 requests, each where it was written.\n")
    assert "missing at the end" in said and "last one was edited" in said and "freehold ledger checkpoint" in said


def test_a_cut_end_is_found_by_a_signed_checkpoint(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["signing", "create"]) == 0
    capsys.readouterr()
    kept = tmp_path / "monday.txt"
    text = checkpoint(capsys, kept)
    assert len(text.splitlines()) == 7 and max(map(len, text.splitlines())) < 140
    code, out, said = run(capsys, "verify", "--checkpoint", str(kept))
    assert code == 0 and "up to record 43 as the checkpoint saw it." in out and "After record 43 only the chain" in said
    cut(folder, 5)
    code, out, _ = run(capsys, "verify", "--checkpoint", str(kept))
    assert code == 1 and "truncated  39 to 43" in out
    code, out, _ = run(capsys, "verify", "--checkpoint", str(kept), "--json")
    assert [finding["kind"] for finding in json.loads(out)["findings"]] == ["truncated"]


def test_what_came_after_a_checkpoint_is_said_to_have_no_witness(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "monday.txt"
    checkpoint(capsys, kept)
    asyncio.run(write(folder, 1))
    code, out, said = run(capsys, "verify", "--checkpoint", str(kept))
    assert code == 0 and "up to record 43 as the checkpoint saw it; 4 after it have no witness." in out
    cut(folder, 3)
    code, out, said = run(capsys, "verify", "--checkpoint", str(kept))
    assert code == 0 and "; 1 after it has no witness." in out and "only the chain speaks" in said
    assert json.loads(run(capsys, "verify", "--checkpoint", str(kept), "--json")[1])["witnessed"] == 43


@pytest.fixture
def alone(folder: Path) -> Path:
    """A chain beside the house's own, as a process writes that answers without a house: of five requests."""
    asyncio.run(write(folder / "local" / "1", 5, alone=True))
    return folder / "local" / "1"


def test_a_change_in_a_chain_beside_the_houses_own_is_found_and_named(
    folder: Path, alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, said = run(capsys, "verify")
    assert code == 0
    assert out.splitlines() == [
        "43 records of 20 requests, each where it was written.",
        "local/1: 13 records of 5 requests, each where it was written.",
    ]
    assert said.count("Without a checkpoint") == 1
    (path,) = segments(alone)
    path.write_bytes(path.read_bytes().replace(b'"tokens_out":12', b'"tokens_out":99', 1))
    code, out, _ = run(capsys, "verify")
    assert code == 1 and "local/1  edited  4" in out and "43 records of 20 requests, each where" in out
    code, out, _ = run(capsys, "verify", "--json")
    told = json.loads(out)
    assert (told["clean"], told["findings"]) == (False, [])
    assert [(each["clean"], [found["first"] for found in each["findings"]]) for each in told["local"]] == [(False, [4])]


def test_a_checkpoint_holds_every_chain_and_finds_the_end_of_one_cut_off_or_all_of_it_gone(
    folder: Path, alone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["signing", "create"]) == 0
    capsys.readouterr()
    kept = tmp_path / "monday.txt"
    assert len([line for line in checkpoint(capsys, kept).splitlines() if line]) == 14
    code, out, _ = run(capsys, "verify", "--checkpoint", str(kept))
    assert (
        code == 0 and "local/1: 13 records of 5 requests" in out and "up to record 13 as the checkpoint saw it" in out
    )
    whole = segments(alone)[0].read_bytes()
    cut(alone, 3)
    code, out, _ = run(capsys, "verify", "--checkpoint", str(kept))
    assert code == 1 and "local/1  truncated  11 to 13" in out
    shutil.rmtree(alone)
    code, out, _ = run(capsys, "verify", "--checkpoint", str(kept))
    assert code == 1 and "chain missing" in out
    alone.mkdir(parents=True)
    (alone / "records-000000000001.jsonl").write_bytes(whole)
    assert run(capsys, "verify", "--checkpoint", str(kept))[0] == 0


def test_a_chain_that_no_checkpoint_saw_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "monday.txt"
    checkpoint(capsys, kept)
    asyncio.run(write(folder / "local" / "1", 1, alone=True))
    code, _, said = run(capsys, "verify", "--checkpoint", str(kept))
    assert code == 0 and "No checkpoint saw local/1: there only the chain speaks." in said


def test_a_copy_of_a_chain_takes_no_witness_from_the_one_that_was_cut(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "monday.txt"
    checkpoint(capsys, kept)
    shutil.copytree(folder, tmp_path / "copy")
    (folder / "local").mkdir()
    shutil.copytree(tmp_path / "copy", folder / "local" / "1")
    cut(folder, 3)
    code, out, _ = run(capsys, "verify", "--checkpoint", str(kept))
    assert code == 1 and "the house's own  truncated  41 to 43" in out


def test_one_open_request_is_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut(folder, 2)
    assert "Note: 1 request is open: in flight" in run(capsys, "verify")[2]


def test_a_house_that_starts_on_a_changed_ledger_warns_and_usage_says_that_it_does_not_verify(
    folder: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(write(folder, 1))
    assert caplog.messages == []
    (path,) = segments(folder)
    path.write_bytes(path.read_bytes().replace(b'"tokens_out":12', b'"tokens_out":99', 1))
    asyncio.run(write(folder, 1))
    (warned,) = caplog.messages
    assert f"The record in {folder} was changed or is damaged before its number 5." in warned
    assert main(["usage"]) == 0
    assert "does not verify: freehold ledger verify" in capsys.readouterr().err


def test_a_checkpoint_typed_from_paper_is_read_and_a_forged_one_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["signing", "create"]) == 0
    capsys.readouterr()
    kept = tmp_path / "c.txt"
    text = checkpoint(capsys, kept)
    head = text.split("head ")[1][:64]
    kept.write_text("\n" + text.replace(head, f"{head[:32]}  {head[32:]} ").replace("\n", "\r\n"))
    assert run(capsys, "verify", "--checkpoint", str(kept))[0] == 0
    kept.write_text(text.replace("record 43", "record 42"))
    code, out, said = run(capsys, "verify", "--checkpoint", str(kept))
    assert code == 1 and "forged or damaged" in said and "Without a checkpoint" in said
    assert "by the chain alone." in out and "checkpoint" not in out
    for wrong in ("", "nonsense", text.replace("head ", "tail "), text.replace("chain ", "chain x")):
        kept.write_text(wrong)
        code, _, said = run(capsys, "verify", "--checkpoint", str(kept))
        assert code == 2 and "is no checkpoint" in said, wrong
    kept.write_text(text + text)
    code, _, said = run(capsys, "verify", "--checkpoint", str(kept))
    assert code == 2 and "two checkpoints of one chain" in said


def test_without_a_key_a_checkpoint_works_and_says_that_nobody_signed_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, said = run(capsys, "checkpoint")
    assert code == 0 and "no key" in said and len(text.splitlines()) == 5
    kept = tmp_path / "c.txt"
    kept.write_text(text)
    code, _, said = run(capsys, "verify", "--checkpoint", str(kept))
    assert code == 0 and "is not signed" in said


def test_nobody_signs_a_ledger_that_is_not_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = segments(folder)
    path.write_bytes(path.read_bytes().replace(b'"tokens_out":12', b'"tokens_out":99', 1))
    code, text, said = run(capsys, "checkpoint")
    assert (code, text) == (3, "") and "freehold ledger verify" in said
    code, out, _ = run(capsys, "verify")
    assert code == 1 and "edited  4       is not the record that number 5 was written after" in out


def test_an_export_has_one_line_for_each_request(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "export")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and len(rows) == REQUESTS
    assert {row["outcome"] for row in rows} == {"done"}
    assert (rows[3]["request"], rows[3]["key"], rows[3]["tokens_out"], rows[3]["energy_uj"]) == (
        "req_3",
        "k_ada",
        12,
        None,
    )
