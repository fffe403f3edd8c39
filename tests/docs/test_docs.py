"""Every code block of README.md and docs/ is executed, page by page, in the order a reader would.

`sh` blocks run in one shell session per page, in a copy of the reader's folder; a line that starts the house
(`make run`, `freehold up`) is left running until the page ends. `python` blocks run as programs, `toml` blocks are
read as settings, `json` blocks must parse. A `text` block is what a program prints and is not run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.core.settings import load
from tests.docs.blocks import PAGES, ROOT, Block, blocks

STARTS = re.compile(r"^(?:make run|freehold up\b.*)$")
NOT_HERE = re.compile(r"^(?:git clone|cd freehold|make test|make check|make bench|sudo |apt-get |\.venv/bin/pip|pip )")
PORT = "8300"


class Reader:
    """A reader's folder, home and house, on a port of their own."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.houses: list[subprocess.Popen[bytes]] = []
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.env = {**os.environ, "PATH": path, "FREEHOLD_HOME": str(home), "FREEHOLD_PORT": str(self.port)}

    def run(self, block: Block) -> None:
        code = block.code.replace(PORT, str(self.port))
        if block.language == "sh":
            self._shell(block, code)
        elif block.language == "python":
            self._check(block, [sys.executable, "-c", code])
        elif block.language == "toml":
            (self.folder / "freehold.toml").write_text(code)
            load(environment={**self.env, "OPENAI_API_KEY": "unused"}, folder=self.folder)
        elif block.language == "json":
            json.loads(code)
        else:
            pytest.fail(f"{block.name}: a block in {block.language or 'no language'!r} is never executed")

    def _shell(self, block: Block, code: str) -> None:
        lines: list[str] = []
        for line in code.replace("\\\n", "\\\0").splitlines():
            whole = line.replace("\\\0", "\\\n")
            if STARTS.match(whole):
                self._check(block, ["bash", "-euo", "pipefail", "-c", "\n".join(lines)])
                lines = []
                self._start(block, "freehold up --pull" if whole == "make run" else whole)
            elif not NOT_HERE.match(whole):
                lines.append(whole)
        self._check(block, ["bash", "-euo", "pipefail", "-c", "\n".join(lines)])

    def _check(self, block: Block, command: list[str]) -> None:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=1800,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{block.name}\n{command[-1]}\n{done.stdout}\n{done.stderr}"

    def _start(self, block: Block, command: str) -> None:
        self.close()
        house = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.env, stdout=subprocess.DEVNULL
        )
        self.houses.append(house)
        deadline = time.monotonic() + 120
        while not self._is_ready():
            assert house.poll() is None, f"{block.name}: {command} ended with {house.returncode}"
            assert time.monotonic() < deadline, f"{block.name}: {command} is not ready"
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def close(self) -> None:
        for house in self.houses:
            if house.poll() is None:
                house.send_signal(signal.SIGTERM)
                house.wait(timeout=60)
        self.houses.clear()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def reader(tmp_path: Path, home: Path) -> Iterator[Reader]:
    folder = tmp_path / "freehold"
    folder.mkdir()
    for name in ("docs", "README.md"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    someone = Reader(folder, home)
    yield someone
    someone.close()


@pytest.mark.engine
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_a_page_works_as_it_is_written(page: Path, reader: Reader) -> None:
    for block in blocks(page):
        if block.language != "text":
            reader.run(block)


def test_the_pages_are_there_and_have_blocks() -> None:
    assert len(PAGES) >= 7
    assert all(blocks(page) for page in PAGES), [page.name for page in PAGES if not blocks(page)]


LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")


def test_every_link_between_the_documents_leads_somewhere() -> None:
    documents = [*PAGES, *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"))]
    broken = [
        f"{document.name}: {target}"
        for document in documents
        for target in LINK.findall(document.read_text())
        if not (document.parent / target).exists()
    ]
    assert not broken, broken
