"""A backup of a house that keeps what it is asked: sealed in the file, without the key that opens it unless asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from freehold.ledger.content.house_key import FILE, KeyRing
from freehold.ledger.content.places import left_alone
from tests.integration.house_process import RunningHouse, running_house
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


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Turns this environment into the one of another, empty home."""

    def go() -> Path:
        monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "far" / "home"))
        (tmp_path / "freehold.toml").unlink(missing_ok=True)
        return tmp_path / "far" / "home"

    return go


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
    assert freehold("restore", "house.tar")[0] == 0
    found = verdict(new)
    assert (found.findings, found.sealed_otherwise) == ([], {key.name: 8})
    assert freehold("ledger", "verify")[0] == 0
    code, _, err = freehold("ledger", "show", "req-2")
    assert code == 3 and key.name in err
    (new / FILE).parent.mkdir(exist_ok=True)
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


def test_while_one_is_made_nothing_is_erased(house: RunningHouse, freehold: Terminal, home: Path) -> None:
    with left_alone(home / "ledger" / "content"):
        code, _, err = freehold("ledger", "erase", "req-1", "--reason", "asked", "--yes")
        assert code == 3 and "being copied" in err
    assert freehold("ledger", "erase", "req-1", "--reason", "asked", "--yes")[0] == 0


def test_content_that_is_not_what_the_ledger_names_is_put_back_by_nobody(
    house: RunningHouse, freehold: Terminal, far: Callable[[], Path], home: Path
) -> None:
    (sealed,) = (home / "ledger" / "content").glob("*.sealed")
    data = bytearray(sealed.read_bytes())
    data[0] ^= 1
    sealed.write_bytes(data)
    assert freehold("backup", "house.tar")[0] == 0
    far()
    code, _, err = freehold("restore", "house.tar")
    assert code == 3 and "ledger/ in the backup is not what its checkpoint saw: content changed" in err
