"""A real house as a real process, opened once for all clients: the small model, and a fake that breaks mid-stream."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from freehold.engines.openvino import installed
from tests.integration.clients.open_house import KEY, OpenHouse

SETTINGS = """
[engine]
context_tokens = 1024
slots = 2

[endpoints]
small = "smollm2-135m-instruct"
breaking = "fake:demo?tokens=9&error-after=3"
"""

OPENVINO_SETTINGS = """
[endpoints]
small = {ref = "smollm2-135m-instruct", engine = "openvino", context_tokens = 1024, slots = 4}
"""


@pytest.fixture(scope="session")
def house(smollm2_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenHouse]:
    with _opened(SETTINGS, smollm2_gguf, tmp_path_factory.mktemp("house")) as url:
        yield OpenHouse(url)


@pytest.fixture(scope="session")
def openvino_house(smollm2_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenHouse]:
    """The same model under OpenVINO, which converts it when it is first asked."""
    if installed.version() is None:
        pytest.skip("openvino-genai is not installed: pip install 'freehold[openvino]'")
    with _opened(OPENVINO_SETTINGS, smollm2_gguf, tmp_path_factory.mktemp("openvino-house")) as url:
        yield OpenHouse(url)


@contextmanager
def _opened(settings: str, gguf: Path, folder: Path) -> Iterator[str]:
    """A house with these settings that holds the model; its address."""
    runtime = tempfile.mkdtemp(prefix="fh-")
    (folder / "freehold.toml").write_text(settings)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("FREEHOLD_", "HF_"))},
        "FREEHOLD_HOME": str(folder / "home"),
        "FREEHOLD_API_KEY": KEY,
        "XDG_RUNTIME_DIR": runtime,
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    command = [sys.executable, "-m", "freehold"]
    pull = [*command, "pull", str(gguf), "--in-place", "--quiet"]
    subprocess.run(pull, check=True, env=environment, cwd=folder, stdout=subprocess.DEVNULL)
    log = (folder / "house.log").open("w")
    up = [*command, "up", "--port", "0", "--json"]
    with log, subprocess.Popen(up, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=log) as process:
        try:
            yield _address(process, folder / "house.log")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
            shutil.rmtree(runtime, ignore_errors=True)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """What the house says of itself once it listens: one JSON value on its standard output."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line.decode()
        try:
            return str(json.loads(said)["address"])
        except ValueError:
            continue
    pytest.fail(f"The house did not open:\n{said}{log.read_text()}")
