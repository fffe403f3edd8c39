"""The chains of a home beside each other: one that cannot be read, was moved, copied or taken away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import freehold
from freehold.ledger.segments import segments
from tests.integration.house_process import running_house
from tests.integration.test_ledger_alone import FAKE, TOML, command


def ask(times: int = 1) -> None:
    for _ in range(times):
        assert command("run", FAKE, "Hello!").returncode == 0


def checkpoint(tmp_path: Path) -> Path:
    out = tmp_path / "monday.txt"
    out.write_text(command("ledger", "checkpoint").stdout)
    return out


def verified(*words: str) -> tuple[int, dict[str, object]]:
    done = command("ledger", "verify", "--json", *words)
    return done.returncode, json.loads(done.stdout)


def only(document: dict[str, object]) -> dict[str, object]:
    """The one chain beside the house's own."""
    (found,) = document["local"]  # type: ignore[misc]
    return found  # type: ignore[has-type, no-any-return]


def kinds(document: dict[str, object]) -> list[str]:
    return [finding["kind"] for finding in document["findings"]]  # type: ignore[attr-defined]


@pytest.fixture
def house_and_own(home: Path, tmp_path: Path) -> Path:
    """The home's ledger, with a request of a house and one that was asked without it."""
    with running_house(tmp_path, TOML) as house:
        assert house.chat("small").status == 200
    ask()
    return home / "ledger"


@pytest.mark.parametrize("spoilt", ["a file", "a newer format", "an edited record"])
def test_a_chain_that_cannot_be_read_or_is_not_whole_costs_the_house_nothing_of_its_own(
    house_and_own: Path, tmp_path: Path, spoilt: str
) -> None:
    local = house_and_own / "local" / "1"
    if spoilt == "a file":
        shutil.rmtree(local)
        local.write_text("no chain")
    else:
        path = segments(local)[0]
        old, new = (b'"format":1', b'"format":99') if spoilt == "a newer format" else (b'"fake"', b'"fale"')
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new, 1))
    code, document = verified()
    assert (code, document["clean"], kinds(document)) == (1, False, [])
    there = only(document)
    assert there["number"] == "1" and kinds(there) == ["edited" if spoilt == "an edited record" else "unreadable"]
    made = command("ledger", "checkpoint", "--json")
    assert made.returncode == 1 and "local/1" in made.stderr
    assert json.loads(made.stdout)["record"] == document["last"] and json.loads(made.stdout)["local"] == []
    used = json.loads(command("usage", "--by", "endpoint", "--json").stdout)
    assert "small" in {row["endpoint"] for row in used}
    assert "small" in command("ledger", "export").stdout
    backed = command("backup", str(tmp_path / "house.fhb"), "--json")
    assert backed.returncode == 0, backed.stderr
    assert [str(local) in line for line in json.loads(backed.stdout)["left_out"]] == [True]


def test_a_home_that_is_called_local_has_a_house_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "local"))
    kept = '[server]\nport = 0\n[endpoints]\nsmall = { ref = "fake:small?tokens=3", keep_content = "5y" }\n'
    with running_house(tmp_path, kept) as house:
        assert house.chat("small").status == 200
    for path in (tmp_path / "local" / "ledger" / "content").glob("*.sealed"):
        path.unlink()
    code, document = verified()
    assert code == 1 and set(kinds(document)) == {"content changed"} and document["local"] == []


def test_a_house_s_chain_that_was_moved_away_is_found_though_its_checkpoint_still_finds_it(
    house_and_own: Path, tmp_path: Path
) -> None:
    seen = checkpoint(tmp_path)
    moved = house_and_own / "local" / "9"
    moved.mkdir()
    for path in segments(house_and_own):
        path.rename(moved / path.name)
    for path in segments(house_and_own / "local" / "1"):
        path.rename(house_and_own / path.name)
    code, document = verified("--checkpoint", str(seen))
    there = only(document)
    assert code == 1 and kinds(document) == kinds(there) == ["misplaced"]
    for words in (["usage"], ["ledger", "export"]):
        said = command(*words).stderr
        assert "the house's own holds a chain of a process without a house: somebody put that there" in said
        assert "local/9 holds a chain of a house: somebody put that there. It is counted" in said
        assert "does not verify: freehold ledger verify" in said


def test_files_of_another_chain_in_the_same_folder_are_counted_and_said(house_and_own: Path) -> None:
    (other,) = segments(house_and_own / "local" / "1")
    other.rename(house_and_own / "records-000000000999.jsonl")
    assert verified()[0] == 1
    used = command("usage", "--by", "endpoint", "--json")
    assert {row["endpoint"]: row["requests"] for row in json.loads(used.stdout)} == {"small": 1, FAKE: 1}
    assert "the house's own holds files of 2 chains: somebody put that there. It is counted" in used.stderr


def test_a_chain_that_lies_there_twice_is_found(house_and_own: Path) -> None:
    shutil.copytree(house_and_own / "local" / "1", house_and_own / "local" / "2")
    code, document = verified()
    assert code == 1 and [kinds(each) for each in document["local"]] == [[], ["misplaced"]]  # type: ignore[attr-defined]
    used = command("usage", "--by", "endpoint", "--json")
    assert {row["endpoint"]: row["requests"] for row in json.loads(used.stdout)} == {"small": 1, FAKE: 1}
    assert "local/2 is left out: it is a copy" in used.stderr


def test_a_chain_that_was_taken_away_is_missed_and_no_other_is_accused(house_and_own: Path, tmp_path: Path) -> None:
    seen = checkpoint(tmp_path)
    shutil.rmtree(house_and_own / "local")
    code, document = verified("--checkpoint", str(seen))
    assert code == 1 and kinds(document) == ["chain missing"]
    assert len(document["checkpoints"]) == 1  # type: ignore[arg-type]


def test_a_house_whose_chain_was_taken_away_is_accused(house_and_own: Path, tmp_path: Path) -> None:
    seen = checkpoint(tmp_path)
    for path in segments(house_and_own):
        path.unlink()
    code, document = verified("--checkpoint", str(seen))
    assert code == 1 and kinds(document) == ["chain missing"]


def test_a_chain_that_was_taken_from_a_home_without_a_house_is_missed(home: Path, tmp_path: Path) -> None:
    ask()
    seen = checkpoint(tmp_path)
    shutil.rmtree(home / "ledger" / "local")
    code, document = verified("--checkpoint", str(seen))
    assert (code, document["chain"], kinds(document)) == (1, None, ["chain missing"])


def test_where_no_house_was_the_documents_say_so(home: Path) -> None:
    ask()
    code, document = verified()
    assert (code, document["chain"]) == (0, None) and document["local"][0]["requests"] == 1  # type: ignore[index]
    made = json.loads(command("ledger", "checkpoint", "--json").stdout)
    assert made["chain"] is None and made["local"][0]["number"] == "1"


def test_the_running_house_that_is_asked_by_its_address_is_counted_once(home: Path, tmp_path: Path) -> None:
    with running_house(tmp_path, TOML) as house:
        with freehold.open(f"openai+http://127.0.0.1:{house.port}/v1:small") as model:
            assert model.chat("Hello!").text
        rows = house.ask("GET", "/api/usage?by=endpoint").json["rows"]
    assert [(row["endpoint"], row["requests"]) for row in rows] == [("small", 1)]
    assert not (home / "ledger" / "local").exists()
