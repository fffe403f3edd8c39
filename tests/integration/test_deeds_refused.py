"""The door before the engine, on the real model: a byte flipped in a build, in a deed, in a signature; a swapped deed.

Every refusal has its own sentence, and no worker was started: the engine's log folder stays empty.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from freehold.app import build_house
from freehold.core.builds import HeldBuild, Stamp
from freehold.core.errors import WorkerStartError
from freehold.core.refs import parse
from freehold.core.settings import EngineOptions, load
from freehold.engines.llamacpp.engine import LlamaCpp
from freehold.store.store import Store
from tests.gguf_bytes import gguf
from tests.integration.commands import freehold

pytestmark = pytest.mark.engine
NAME = "smollm2-135m-instruct"


def answered() -> subprocess.CompletedProcess[str]:
    return freehold("run", NAME, "The capital of France?", "--max-tokens", "3", "--temperature", "0")


@pytest.fixture
def held(home: Path, smollm2_gguf: Path) -> Path:
    """The folder of the real build, copied into a house with a key."""
    assert freehold("signing", "create").returncode == 0
    done = freehold("pull", str(smollm2_gguf), "--quiet")
    assert (done.returncode, done.stdout) == (0, f"{NAME}:q4_1\n"), done.stderr
    return Store(home).layout.build(Store(home).find(parse(NAME)).digest)


@pytest.fixture
def weights(held: Path) -> Path:
    """The weight file of the real build."""
    (path,) = held.glob("*.gguf")
    return path


@contextmanager
def flipped(path: Path, at: int) -> Iterator[None]:
    """One bit of the file is another one, its times set back; afterwards it is as it was."""
    before, mode = path.stat(), path.stat().st_mode & 0o777
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.chmod(mode)
    yield
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([byte]))
    path.chmod(mode)


def test_three_flipped_bytes_are_three_refusals_before_the_engine_starts(held: Path, weights: Path, home: Path) -> None:
    deed = held / "deed.json"
    text = deed.read_bytes()
    in_license = text.index(b'"license":"apache-2.0"') + len(b'"license":"a')
    in_signature = text.index(b'"value":"') + len(b'"value":"')
    sentences = []
    for path, at in ((weights, 90_000_000), (deed, in_license), (deed, in_signature)):
        with flipped(path, at):
            done = answered()
            assert (done.returncode, done.stdout) == (3, ""), done.stderr
            sentences.append(done.stderr.splitlines()[0])
            assert freehold("deed", "verify", NAME).returncode == 1
    patterns = (
        rf"error: {re.escape(str(weights))}, which {NAME}:q4_1 is made of, was changed: its sha256 is \w+ now, \w+ was",
        rf"error: {re.escape(str(deed))} was changed after it was written. The sha256 of its statement is \w+, and",
        rf"error: The signature on the deed of {NAME}:q4_1 is not what ed25519:\w+ made of this statement",
    )
    for pattern, sentence in zip(patterns, sentences, strict=True):
        assert re.match(pattern, sentence), sentence
    assert not list((home / "logs").glob("*")), "no worker was started"
    done = answered()
    assert done.returncode == 0 and done.stdout.strip(), done.stderr


def test_a_swapped_deed_and_a_missing_signature_start_no_engine(held: Path, home: Path, tmp_path: Path) -> None:
    (tmp_path / "other.gguf").write_bytes(gguf())
    assert freehold("pull", "./other.gguf").returncode == 0
    other = Store(home).layout.build(Store(home).find(parse("other")).digest)
    kept = (held / "deed.json").read_bytes()
    shutil.copyfile(other / "deed.json", held / "deed.json")
    for done in (answered(), freehold("deed", "show", NAME)):
        assert (done.returncode, done.stdout) == (3, "")
        sentence = rf"error: {re.escape(str(held / 'deed.json'))} is the deed of another build, sha256:\w+: it was put"
        assert re.match(sentence, done.stderr), done.stderr
    checked = freehold("deed", "verify", NAME)
    assert checked.returncode == 1 and "is the deed of another build" in checked.stdout
    (held / "deed.json").write_bytes(re.sub(rb'"signature":\{[^}]*\}', b'"signature":null', kept))
    done = answered()
    assert (
        done.returncode == 3 and f"The deed of {NAME}:q4_1 has no signature, and this house wants one." in done.stderr
    )
    assert f"`freehold deed sign {NAME}:q4_1`" in done.stderr
    assert freehold("deed", "sign", NAME).returncode == 0
    assert answered().returncode == 0


def racing(store: Store, act: Callable[[Path], None]) -> Callable[[HeldBuild], Sequence[Stamp]]:
    """The store's own check, and somebody who acts on the file at the worst moment: right after it."""

    def confirm(build: HeldBuild) -> Sequence[Stamp]:
        stamps = store.confirm(build)
        act(build.files[0])
        return stamps

    return confirm


def replaced(path: Path) -> None:
    """Another file under the same name, its times those of the first."""
    other = path.with_name("other")
    shutil.copyfile(path, other)
    shutil.copystat(path, other)
    other.replace(path)


def written_to(path: Path) -> None:
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(90_000_000)
        file.write(b"?")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("act", "what"),
    [(replaced, "changed or replaced"), (written_to, "changed or replaced"), (removed, "cannot be opened")],
)
@pytest.mark.parametrize("lock", ["prefer", "off"])
async def test_a_file_that_another_hand_takes_after_the_check_is_not_loaded(
    held: Path, weights: Path, home: Path, act: Callable[[Path], None], what: str, lock: Any
) -> None:
    store = Store(home)
    engine = LlamaCpp(runtime_dir=load().runtime_dir, log_dir=home / "logs", confirm=racing(store, act))
    worker = engine.worker(store.find(parse(NAME)), EngineOptions(context_tokens=256, lock=lock))
    with pytest.raises(WorkerStartError, match=f"did not start: {re.escape(str(weights))} .*{what}") as caught:
        await worker.start()
    assert "freehold deed verify" in caught.value.hint
    assert worker.report().pid is None
    (log,) = (home / "logs").iterdir()
    assert "llama" not in log.read_text(), "the engine was not asked to open anything"


@pytest.fixture
def contents(weights: Path, tmp_path: Path) -> Path:
    """A folder with the bytes of the build, twice, and a symbolic link to the first in their place."""
    folder = tmp_path / "contents"
    folder.mkdir()
    weights.rename(folder / "0001")
    shutil.copyfile(folder / "0001", folder / "0002")
    weights.symlink_to(folder / "0001")
    return folder


async def test_a_build_behind_symbolic_links_is_opened_and_only_while_they_point_at_what_was_hashed(
    contents: Path, home: Path
) -> None:
    store = Store(home)

    def redirected(path: Path) -> None:
        path.unlink()
        path.symlink_to(contents / "0002")

    for act, opens in ((lambda _: None, True), (redirected, False)):
        engine = LlamaCpp(runtime_dir=load().runtime_dir, log_dir=home / "logs", confirm=racing(store, act))
        worker = engine.worker(store.find(parse(NAME)), EngineOptions(context_tokens=256))
        if opens:
            await worker.start()
            await worker.stop()
        else:
            with pytest.raises(WorkerStartError, match="changed or replaced after its hash was taken"):
                await worker.start()


async def test_a_worker_that_ended_is_not_started_again_on_a_build_that_changed(held: Path, weights: Path) -> None:
    """Endpoints are read once, and by their deeds alone; every start of a process passes the door anew."""
    house = build_house(load())
    await house.gateway.start()
    try:
        await house.gateway.ready(NAME)
        (worker,) = house.gateway.workers()
        assert worker.pid is not None
        with flipped(weights, 90_000_000):
            os.kill(worker.pid, signal.SIGKILL)
            with pytest.raises(WorkerStartError, match=r"did not start: .*, which .* is made of, was changed") as bad:
                while True:  # until its end has been noticed
                    await house.gateway.ready(NAME)
                    await asyncio.sleep(0.01)
            assert "freehold rm" in bad.value.hint
    finally:
        await house.gateway.close(drain_s=0)
