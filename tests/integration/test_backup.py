"""A backup of a running house, and a home made of it: what is in it, what is not, and what is refused."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from freehold.core.builds import HeldBuild
from freehold.core.refs import parse
from freehold.gateway.access.book import KeyBook
from freehold.ledger.segments import segments
from freehold.ledger.verify import verify
from freehold.store.overrides import Override, Overrides
from freehold.store.store import Store
from tests.bundles import flipped
from tests.integration.house_process import RunningHouse, running_house
from tests.unit.test_deeds_cli import Terminal
from tests.unit.test_ledger_verify import write
from tests.unit.test_store import take_in, weights

TOML = """
[server]
port = 0
[endpoints]
small = "fake:small?tokens=3"
slow = "fake:slow?rate=20&tokens=100000&context=200000"
"""
SAID = Override(
    subject="m", by="Ada", reason="We asked.", grounds=("g",), reasons=("r",), date="2026-11-01", freehold="0.1.0"
)
freehold = pytest.fixture(lambda capsys: Terminal(capsys))


@pytest.fixture
def build(home: Path, tmp_path: Path) -> HeldBuild:
    return take_in(Store(home), weights(tmp_path / "Tiny.Q4_1.gguf"))


@pytest.fixture
def house(build: HeldBuild, home: Path, tmp_path: Path) -> Iterator[RunningHouse]:
    Overrides(home).add(SAID)
    with running_house(tmp_path, TOML) as running:
        yield running


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        found = {info.name: tar.extractfile(info) for info in tar}
        return {name: file.read() if file is not None else b"" for name, file in found.items()}


def _made(freehold: Terminal, *words: str) -> tuple[Path, dict[str, Any]]:
    code, told = freehold.json("backup", "house.tar", *words)
    assert code == 0
    return Path("house.tar"), told


def test_a_house_under_load_is_backed_up_and_comes_back_as_it_was(
    house: RunningHouse, freehold: Terminal, far: Callable[[], Path], build: HeldBuild, home: Path
) -> None:
    key, text = KeyBook(home).create("ada")
    assert freehold("signing", "create")[0] == freehold("deed", "sign", "--all")[0] == 0
    open_stream = house.open_stream("/v1/chat/completions", {"model": "slow", "messages": [_user("Hello!")]})
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(house.chat, "small") for _ in range(200)]
        path, told = _made(freehold)
        assert all(each.result().status == 200 for each in asking)
    open_stream.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert told["signed_by"] == Store(home).keys.own()
    kept = members(path)
    assert "keys/house.key" not in kept and not any(name.endswith(".gguf") for name in kept)
    assert text.encode() not in path.read_bytes(), "a key is kept as its hash"
    house.process.terminate()
    house.process.wait()

    new = far()
    code, said = freehold.json("restore", str(path), "--signed-by", told["signed_by"])
    assert (code, said["home"], said["ledger_record"]) == (0, str(new), told["ledger_record"])
    assert said["without_weights"] == [build.name] and said["former_key"] == told["signed_by"]
    verdict = verify(new / "ledger")
    assert (verdict.findings, verdict.last) == ([], told["ledger_record"])
    assert "ledger/egress/records-000000000001.jsonl" in kept and verify(new / "ledger" / "egress").findings == []
    assert freehold("ledger", "verify", "--checkpoint", str(new / "restored" / "checkpoint.txt"))[0] == 0
    (restored_key,) = KeyBook(new).read()
    assert restored_key == key and restored_key.opens(text.encode(), 0)
    assert Overrides(new).every() == (SAID,)
    assert (new / "restored" / "freehold.toml").read_text() == TOML
    assert Store(new).builds() == ()
    assert (new / "deeds" / build.digest[7:] / "deed.json").read_bytes() == (
        home / "builds" / build.digest[7:] / "deed.json"
    ).read_bytes()

    with running_house(new.parent, TOML) as again:
        bearer = {"authorization": f"Bearer {text}"}
        body = {"model": "small", "messages": [_user("Hello!")]}
        assert again.ask("POST", "/v1/chat/completions", body, headers=bearer).status == 200
        assert verify(new / "ledger").interrupted == verdict.open >= 1


def test_the_chains_of_models_that_ran_without_a_house_come_back_and_are_held_to_checkpoints_of_their_own(
    build: HeldBuild, freehold: Terminal, far: Callable[[], Path], home: Path
) -> None:
    asyncio.run(write(home / "ledger" / "local" / "1", 5, alone=True))
    path, told = _made(freehold)
    assert told["ledger_record"] is None, "no house wrote one"
    assert {"ledger/local/1/records-000000000001.jsonl", "restored/local-1-checkpoint.txt"} <= members(path).keys()
    new = far()
    assert freehold("restore", str(path))[0] == 0
    assert verify(new / "ledger" / "local" / "1").requests == 5
    assert freehold("ledger", "verify", "--checkpoint", str(new / "restored" / "local-1-checkpoint.txt"))[0] == 0


def test_with_weights_and_the_private_key_it_is_the_same_house(
    build: HeldBuild, freehold: Terminal, far: Callable[[], Path], home: Path
) -> None:
    assert freehold("signing", "create")[0] == freehold("deed", "sign", "--all")[0] == 0
    path, told = _made(freehold, "--weights", "--private-key")
    assert (told["private_key"], told["ledger_record"]) == (True, None)
    new = far()
    code, said = freehold.json("restore", str(path))
    assert (code, said["builds"], said["former_key"]) == (0, [build.name], None)
    store = Store(new)
    assert store.find(parse(build.name)).digest == build.digest
    assert store.keys.own() == Store(home).keys.own()
    store.keys.require_own()
    assert freehold("deed", "verify", build.name)[0] == 0


def test_a_build_in_place_travels_with_its_bytes(
    home: Path, tmp_path: Path, freehold: Terminal, far: Callable[[], Path]
) -> None:
    build = take_in(Store(home), weights(tmp_path / "elsewhere" / "Tiny.Q4_1.gguf"), copy=False)
    path, _ = _made(freehold, "--weights")
    shutil.rmtree(tmp_path / "elsewhere")
    new = far()
    (new.parent / "home.restoring-1" / "of one that was killed").mkdir(parents=True)
    assert freehold("restore", str(path))[0] == 0
    assert [each.name for each in new.parent.iterdir()] == ["home"]
    assert Store(new).find(parse(build.name)).files[0].is_relative_to(new)


def test_a_home_that_is_there_is_left_or_moved_aside_whole(
    build: HeldBuild, freehold: Terminal, home: Path, tmp_path: Path
) -> None:
    path, _ = _made(freehold, "--weights")
    before = sorted(each.relative_to(home) for each in home.rglob("*"))
    code, _, said = freehold("restore", str(path))
    assert code == 2 and "is not empty" in said and "--replace" in said
    assert sorted(each.relative_to(home) for each in home.rglob("*")) == before
    code, told = freehold.json("restore", str(path), "--replace")
    (aside,) = (Path(each) for each in told["moved_aside"])
    assert sorted(each.relative_to(aside) for each in aside.rglob("*")) == before
    assert Store(home).find(parse(build.name)).digest == build.digest


def test_a_home_where_a_house_runs_is_not_replaced(house: RunningHouse, freehold: Terminal) -> None:
    path, _ = _made(freehold)
    code, _, said = freehold("restore", str(path), "--replace")
    assert code != 0 and "already running" in said
    assert house.chat("small").status == 200


def test_any_byte_that_changed_is_refused_and_leaves_nothing(
    house: RunningHouse, freehold: Terminal, far: Callable[[], Path], tmp_path: Path
) -> None:
    assert house.chat("small").status == 200
    path, _ = _made(freehold, "--weights")
    whole = path.read_bytes()
    new = far()
    step = len(whole) // 40
    for position in range(step // 2, len(whole), step):
        path.write_bytes(whole)
        flipped(path, position)
        code, _, said = freehold("restore", str(path))
        assert code == 3 and "Nothing of it was put back" in said, (position, said)
        assert not new.exists() and list(new.parent.iterdir()) == []
    path.write_bytes(whole[: len(whole) // 2])
    assert freehold("restore", str(path))[0] == 3 and not new.exists()


def test_what_is_no_backup_is_called_what_it_is(
    build: HeldBuild, freehold: Terminal, far: Callable[[], Path], tmp_path: Path
) -> None:
    assert freehold("bundle", "make", build.name, "-o", "bundle.tar", "--no-wheels")[0] == 0
    path, _ = _made(freehold)
    code, _, said = freehold("bundle", "open", str(path))
    assert code == 3 and "is no bundle but something that calls itself 'backup'" in said
    far()
    code, _, said = freehold("restore", "bundle.tar")
    assert code == 3 and "is no backup but something that calls itself 'bundle'" in said
    (tmp_path / "x.tar").write_bytes(os.urandom(4096))
    assert "is no backup: it is not a tar" in freehold("restore", "x.tar")[2]


def test_a_backup_of_another_key_than_the_one_named_is_refused(
    build: HeldBuild, freehold: Terminal, far: Callable[[], Path]
) -> None:
    unsigned, _ = _made(freehold)
    new = far()
    wanted = "ed25519:" + "0" * 32
    code, _, said = freehold("restore", str(unsigned), "--signed-by", wanted)
    assert code == 3 and "is not signed" in said and not new.exists()
    assert freehold("restore", str(unsigned))[0] == 0


def test_of_a_ledger_that_is_not_whole_no_backup_is_made(
    house: RunningHouse, freehold: Terminal, far: Callable[[], Path]
) -> None:
    for _ in range(3):
        assert house.chat("small").status == 200
    (segment,) = segments(house.settings.ledger_folder)
    segment.write_bytes(segment.read_bytes().replace(b'"tokens_out":3', b'"tokens_out":1', 1))
    code, _, said = freehold("backup", "house.tar")
    assert code == 3 and "is not whole" in said and "--no-ledger" in said
    assert not Path("house.tar").exists()
    path, told = _made(freehold, "--no-ledger")
    assert told["ledger_record"] is None and not any(
        "ledger" in name for name in members(path) if "manifest" not in name
    )


def test_a_ledger_of_its_own_folder_comes_back_there(
    home: Path, tmp_path: Path, freehold: Terminal, far: Callable[[], Path]
) -> None:
    toml = TOML + f'[ledger]\nfolder = "{tmp_path}/audit"\n'
    with running_house(tmp_path, toml) as running:
        assert running.chat("small").status == 200
        path, told = _made(freehold)
    new = far()
    (tmp_path / "freehold.toml").write_text(f'[ledger]\nfolder = "{tmp_path}/far-audit"\n')
    assert freehold("restore", str(path))[0] == 0
    assert verify(tmp_path / "far-audit").last == told["ledger_record"]
    assert not (new / "ledger").exists()


@pytest.mark.parametrize("hindrance", ["no folder", "names taken"])
def test_a_restore_that_fails_on_its_last_steps_leaves_all_that_was_there(
    house: RunningHouse, home: Path, tmp_path: Path, freehold: Terminal, hindrance: str
) -> None:
    assert house.chat("small").status == 200
    path, _ = _made(freehold)
    house.process.terminate()
    house.process.wait()
    audit = tmp_path / "own" / "audit"
    if hindrance == "no folder":
        audit.parent.write_text("A file, where a folder would have to be.")
    else:
        audit.mkdir(parents=True)
        (audit / "old").touch()
        for second in range(300):  # every name that the old ledger could be given while this test runs
            taken = datetime.now(UTC) + timedelta(seconds=second)
            (audit.with_name(f"audit.before-{taken:%Y%m%dT%H%M%S}") / "in use").mkdir(parents=True, exist_ok=True)
    (tmp_path / "freehold.toml").write_text(f'[ledger]\nfolder = "{audit}"\n')
    before = sorted((*home.rglob("*"), *audit.rglob("*")))
    assert before and freehold("restore", str(path), "--replace")[0] == 3
    assert sorted((*home.rglob("*"), *audit.rglob("*"))) == before
    assert not [*tmp_path.glob("home.*"), *tmp_path.glob("own/*restoring*")]


def test_a_backup_that_is_there_is_left_unless_it_is_to_be_replaced(build: HeldBuild, freehold: Terminal) -> None:
    path, _ = _made(freehold)
    before = path.read_bytes()
    code, _, said = freehold("backup", "house.tar")
    assert code == 2 and "is there already" in said and path.read_bytes() == before
    assert freehold("backup", "house.tar", "--force")[0] == 0


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_the_manifest_names_what_is_in_it(build: HeldBuild, freehold: Terminal) -> None:
    path, _ = _made(freehold)
    kept = members(path)
    manifest = json.loads(kept["manifest.json"])["manifest"]
    assert [each["path"] for each in manifest["members"]] == [name for name in kept if name != "manifest.json"]
    assert manifest["builds"] == [{"name": build.name, "digest": build.digest}]
