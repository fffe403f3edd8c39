"""Freehold's own wheel: the same bytes every time, and put together again from an installed copy."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from freehold.store.bundles.own_wheel import checkout, make_own_wheel

AGAIN = "import sys, pathlib; from freehold.store.bundles.own_wheel import checkout, make_own_wheel; "
MAKE = f"{AGAIN}assert checkout() is None; print(make_own_wheel(pathlib.Path(sys.argv[1])))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_own_wheel(tmp_path_factory.mktemp("built"))


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """A folder that Freehold was installed into from its wheel."""
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(target)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    return target


def run(installed: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(installed)!r}); {MAKE}", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("RECORD")}


def test_a_checkout_builds_the_same_wheel_twice_with_the_lock_in_it(wheel: Path, tmp_path: Path) -> None:
    root = checkout()
    assert root is not None
    assert make_own_wheel(tmp_path).read_bytes() == wheel.read_bytes()
    assert contents(wheel)["freehold/requirements.lock"] == (root / "requirements.lock").read_bytes()


def test_an_installed_copy_gives_the_wheel_it_was_installed_from(wheel: Path, installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path / "again")
    assert done.returncode == 0, done.stderr
    again = Path(done.stdout.strip())
    assert again.name == wheel.name
    assert contents(again) == contents(wheel)
    assert run(installed, tmp_path / "third").returncode == 0
    assert (tmp_path / "third" / wheel.name).read_bytes() == again.read_bytes()


def test_a_changed_program_is_not_passed_on(installed: Path, tmp_path: Path) -> None:
    (installed / "freehold" / "cli" / "run.py").write_text("print('mine')\n")
    done = run(installed, tmp_path / "again")
    assert done.returncode != 0
    assert "freehold/cli/run.py of this Freehold was changed after it was installed" in done.stderr
