"""A backup of a house that keeps what it is asked: sealed in the file, without the key that opens it unless asked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from freehold.ledger.content.house_key import FILE, HouseKey, KeyRing
from freehold.ledger.content.note import ERASING
from freehold.ledger.content.requests import Sought, kept_requests
from freehold.ledger.content.spans import spans
from freehold.ledger.content.turns import left_alone
from freehold.python.alone import account
from tests.integration.house_process import RunningHouse, running_house, until
from tests.integration.test_backup import members
from tests.integration.test_content_house import CANARY, CHAT, HELLO, toml, verdict
from tests.unit.test_deeds_cli import Terminal

freehold = pytest.fixture(lambda capsys: Terminal(capsys))


@pytest.fixture
def house(home: Path, tmp_path: Path) -> Iterator[RunningHouse]:
    with running_house(tmp_path, toml()) as running:
        for number in range(5):
            asked = running.ask("POST", CHAT, {"model": "small", **HELLO}, headers={"x-request-id": f"req-{number}"})
            assert asked.status == 200
        yield running


def test_what_is_kept_comes_back_and_opens_once_the_key_is_put_beside_it(
    house: RunningHouse, freehold: Terminal, far: Callable[[], Path], home: Path
) -> None:
    assert freehold("ledger", "erase", "req-1", "--reason", "asked", "--yes")[0] == 0
    code, told = freehold.json("backup", "house.tar")
    assert code == 0 and told["content_key"] is False
    assert any("keys/content.key" in line for line in told["left_out"])
    kept = members(Path("house.tar"))
    assert any(name.startswith("ledger/content/") for name in kept) and str(FILE) not in kept
    (key,) = KeyRing(home / FILE).read()
    raw = Path("house.tar").read_bytes()
    assert key.value.hex().encode() not in raw and CANARY.encode() not in raw
    secret = (home / FILE).read_bytes()

    new = far()
    code, said, err = freehold("restore", "house.tar", "--json")
    told = json.loads(said)
    assert (code, told["sealed_otherwise"], told["former_content_keys"]) == (0, {key.name: 8}, None)
    found = verdict(new)
    assert (found.findings, found.sealed_otherwise) == ([], {key.name: 8})
    assert freehold("ledger", "verify")[0] == 0
    code, _, err = freehold("ledger", "show", "req-2")
    assert code == 3 and key.name in err
    (new / FILE).write_bytes(secret)
    (new / FILE).chmod(0o600)
    code, out, _ = freehold("ledger", "show", "req-2")
    assert code == 0 and CANARY in out
    assert freehold("ledger", "show", "req-1")[0] == 1


def test_with_the_key_it_says_so_and_opens(house: RunningHouse, freehold: Terminal, far: Callable[[], Path]) -> None:
    code, _, err = freehold("backup", "house.tar", "--content-key")
    assert code == 0 and "It holds the key that opens what was kept of requests" in err
    new = far()
    assert freehold("restore", "house.tar")[0] == 0
    assert (new / FILE).stat().st_mode & 0o777 == 0o600
    assert verdict(new).sealed_otherwise == {}
    code, out, _ = freehold("ledger", "show", "req-2")
    assert code == 0 and CANARY in json.dumps(json.loads(out)["calls"])


def test_without_the_key_it_says_which_one_opens_it_and_whether_the_home_of_before_has_it(
    house: RunningHouse, freehold: Terminal, far: Callable[[], Path], home: Path
) -> None:
    assert freehold("backup", "house.tar")[0] == 0
    (key,) = KeyRing(home / FILE).read()
    new = far()
    code, _, err = freehold("restore", "house.tar")
    assert code == 0 and f"10 contents of requests came sealed, without the key {key.name}, which alone" in err
    assert f"put your copy of it in {new / FILE}, with mode 0600" in err
    KeyRing(new / FILE).write([HouseKey(bytes(32))])
    code, _, err = freehold("restore", "house.tar", "--replace")
    (aside,) = new.parent.glob(f"{new.name}.before-*")
    assert code == 0 and f"it is not in {aside / FILE} either: put your copy" in err
    shutil.rmtree(aside)
    KeyRing(new / FILE).write([key])
    code, said, _ = freehold("restore", "house.tar", "--replace", "--json")
    (aside,) = new.parent.glob(f"{new.name}.before-*")
    assert json.loads(said)["former_content_keys"] == {"path": str(aside / FILE), "names": [key.name]}
    shutil.copy(aside / FILE, new / FILE.parent)
    shutil.rmtree(aside)
    assert CANARY in freehold("ledger", "show", "req-2")[1]
    assert freehold("backup", "house.tar", "--content-key", "--force")[0] == 0
    code, said, err = freehold("restore", "house.tar", "--replace", "--json")
    assert json.loads(said)["sealed_otherwise"] == {} and "came sealed" not in err


def test_after_an_exchange_of_the_keys_it_holds_the_valid_ones(
    house: RunningHouse, freehold: Terminal, far: Callable[[], Path], home: Path
) -> None:
    assert freehold("ledger", "new-key")[0] == 0
    assert [each.by for each in verdict(home).rekeyings] == [account()], "the house that runs recorded it"
    (former,) = (home / "ledger" / "content").glob("*.1.keys")
    former.with_name(former.name.replace(".1.", ".7.")).write_bytes(former.read_bytes())  # as one that was cut off
    asked = house.ask("POST", CHAT, {"model": "small", **HELLO}, headers={"x-request-id": "after"})
    assert asked.status == 200
    assert freehold.json("backup", "house.tar", "--content-key")[1]["content_findings"] == []
    assert [name for name in members(Path("house.tar")) if name.endswith(".7.keys")] == []
    new = far()
    assert freehold("restore", "house.tar")[0] == 0
    assert (verdict(new).findings, verdict(new).sealed_otherwise) == ([], {})
    for request in ("req-2", "after"):
        assert CANARY in freehold("ledger", "show", request)[1]
    assert freehold("ledger", "new-key")[0] == 0 and CANARY in freehold("ledger", "show", "req-2")[1]


def test_while_one_is_made_nothing_is_erased(house: RunningHouse, freehold: Terminal, home: Path) -> None:
    with left_alone(home / "ledger" / "content"):
        code, _, err = freehold("ledger", "erase", "req-1", "--reason", "asked", "--yes")
        assert code == 3 and "being copied" in err
        assert (home / "ledger" / "content" / "erasing.room").exists()
        code, _, err = freehold("ledger", "new-key")
        assert code == 3 and "being copied" in err
    assert freehold("ledger", "erase", "req-1", "--reason", "asked", "--yes")[0] == 0


def _change_a_byte(content: Path) -> None:
    (sealed,) = content.glob("*.sealed")
    sealed.write_bytes(bytes([sealed.read_bytes()[0] ^ 1]) + sealed.read_bytes()[1:])


def _lose_a_file(content: Path) -> None:
    next(content.glob("*.keys")).unlink()


@pytest.mark.parametrize(
    ("spoil", "kind"), [(_change_a_byte, "content changed"), (_lose_a_file, "content missing")], ids=["byte", "file"]
)
def test_content_that_is_not_what_the_ledger_names_is_told_and_does_not_cost_the_home(
    house: RunningHouse,
    freehold: Terminal,
    far: Callable[[], Path],
    home: Path,
    spoil: Callable[[Path], None],
    kind: str,
) -> None:
    spoil(home / "ledger" / "content")
    code, told = freehold.json("backup", "house.tar")
    assert (code, told["content_findings"][0]["kind"]) == (0, kind)
    code, _, err = freehold("backup", "house.tar", "--force")
    assert code == 0 and f"({kind}: record " in err
    new = far()
    code, _, err = freehold("restore", "house.tar")
    assert code == 0 and f"({kind}: record " in err
    assert verdict(new).findings[0].kind == kind and freehold("ledger", "verify")[0] == 1


def test_an_erasure_that_was_cut_off_comes_along_and_is_carried_out_by_the_next_start(
    house: RunningHouse, freehold: Terminal, far: Callable[[], Path], home: Path, tmp_path: Path
) -> None:
    request = kept_requests(home / "ledger", Sought(request="req-1"))[0]
    note = {"by": "ada", "cause": "asked", "contents": [list(each) for each in spans(request.names)], "reason": "asked"}
    (home / "ledger" / "content" / ERASING).write_text(json.dumps(note))
    code, told = freehold.json("backup", "house.tar", "--content-key")
    assert (code, told["content_findings"]) == (0, [])
    new = far()
    assert freehold("restore", "house.tar")[0] == 0
    assert verdict(new).findings == []
    with running_house(new.parent, toml()):
        until(lambda: not (new / "ledger" / "content" / ERASING).exists())
    assert verdict(new).findings == [] and freehold("ledger", "show", "req-1")[0] == 1


def test_a_segment_whose_number_ran_ahead_of_the_records_comes_along(
    tmp_path: Path, freehold: Terminal, far: Callable[[], Path], home: Path
) -> None:
    ahead = home / "ledger" / "content" / "content-000000000900.keys"  # as after many writes that the disk refused
    ahead.parent.mkdir(parents=True)
    with running_house(tmp_path, toml()) as house:
        ahead.touch()
        assert house.ask("POST", CHAT, {"model": "small", **HELLO}, headers={"x-request-id": "mine"}).status == 200
        assert freehold.json("backup", "house.tar", "--content-key")[1]["content_findings"] == []
    new = far()
    assert freehold("restore", "house.tar")[0] == 0
    assert verdict(new).findings == [] and CANARY in freehold("ledger", "show", "mine")[1]
