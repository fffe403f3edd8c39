"""A home that cannot be written answers where what it answers can be recorded elsewhere; pulling needs more."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.ledger.verify import verify
from freehold.store.store import Store
from tests.unit.test_store import take_in, weights

# Root may write everywhere by CAP_DAC_OVERRIDE (1, capabilities(7)), and read by CAP_DAC_READ_SEARCH (2); out of the
# bounding set, an exec takes them away.
WITHOUT_OVERRIDE = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
    if os.geteuid() == 0 and ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
        sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.executable, [sys.executable, "-m", "freehold", *sys.argv[1:]])
"""


@pytest.fixture
def read_only(home: Path) -> Iterator[Path]:
    home.mkdir()
    home.chmod(0o555)
    yield home
    home.chmod(0o755)


def freehold(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_OVERRIDE, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("read_only")
def test_a_worker_answers_from_a_read_only_home_and_is_recorded_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "freehold.toml").write_text(f'[ledger]\nfolder = "{tmp_path}/audit"\n')
    done = freehold("run", "fake:demo?tokens=3", "hello")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.split()) == 3
    verdict = verify(tmp_path / "audit" / "local" / "1")
    assert (verdict.findings, verdict.requests, verdict.open) == ([], 1, 0)


@pytest.mark.parametrize("toml", ["", '[ledger]\nmode = "off"\n'])
@pytest.mark.usefixtures("read_only")
def test_nobody_is_answered_who_cannot_be_recorded_unless_somebody_said_so(tmp_path: Path, toml: str) -> None:
    (tmp_path / "freehold.toml").write_text(toml)
    done = freehold("run", "fake:demo?tokens=3", "hello")
    if toml:
        assert (done.returncode, len(done.stdout.split())) == (0, 3)
    else:
        assert (done.returncode, done.stdout) == (3, "")
        assert "The ledger cannot be written" in done.stderr and "[ledger]" in done.stderr


@pytest.mark.parametrize("rights", [0o000, 0o500])
def test_where_a_chain_is_another_accounts_the_next_one_is_gone_on_with(home: Path, rights: int) -> None:
    place = home / "ledger" / "local" / "1"
    place.mkdir(parents=True)
    place.chmod(rights)
    done = freehold("run", "fake:demo?tokens=3", "hello")
    place.chmod(0o700)
    assert (done.returncode, done.stderr, len(done.stdout.split())) == (0, "", 3)
    verdict = verify(place.with_name("2"))
    assert (verdict.findings, verdict.requests, verdict.open) == ([], 1, 0)


@pytest.mark.parametrize("rights", [0o000, 0o500])
def test_where_all_chains_are_another_accounts_it_is_said_where_and_what_to_do(home: Path, rights: int) -> None:
    local = home / "ledger" / "local"
    local.mkdir(parents=True)
    local.chmod(rights)
    done = freehold("run", "fake:demo?tokens=3", "hello")
    local.chmod(0o700)
    assert (done.returncode, done.stdout) == (3, "")
    assert str(local) in done.stderr and "[ledger]" in done.stderr and 'mode = "off"' in done.stderr


def test_removing_from_a_read_only_store_asks_for_what_was_meant(home: Path, tmp_path: Path) -> None:
    take_in(Store(home), weights(tmp_path / "t.gguf"), name="t:q4_1")
    folders = [home, *(path for path in home.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        done = freehold("rm", "t", "--yes")
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert done.returncode == 3
    assert "cannot be written" in done.stderr and "FREEHOLD_HOME" in done.stderr and "pull" not in done.stderr


@pytest.mark.usefixtures("read_only")
def test_doctor_warns_of_a_read_only_home_and_does_not_fail_it() -> None:
    done = freehold("doctor", "--json")
    (home,) = [finding for finding in json.loads(done.stdout) if finding["name"] == "home"]
    assert home["level"] == "warn"
    assert "what is held can be used" in home["seen"]
    assert "FREEHOLD_HOME" in home["mend"]


@pytest.mark.usefixtures("read_only")
def test_a_house_serves_from_a_read_only_home_and_records_elsewhere(tmp_path: Path) -> None:
    toml = f'[ledger]\nfolder = "{tmp_path}/audit"\n[endpoints]\nsmall = "fake:small?tokens=3"\n'
    (tmp_path / "freehold.toml").write_text(toml)
    command = [sys.executable, "-c", WITHOUT_OVERRIDE, "up", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as house:
        assert house.stdout is not None and house.stderr is not None
        line = house.stdout.readline()
        assert line, house.stderr.read()
        body = json.dumps({"model": "small", "messages": [{"role": "user", "content": "Hello!"}]}).encode()
        url = f"{json.loads(line)['address']}/v1/chat/completions"
        asked = urllib.request.Request(url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert answer.status == 200
        house.send_signal(signal.SIGTERM)
        assert house.wait(timeout=60) == 0
    verdict = verify(tmp_path / "audit")
    assert (verdict.findings, verdict.requests, verdict.open) == ([], 1, 0)
