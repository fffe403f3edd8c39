"""Every engine, started: the fake, llama.cpp and OpenVINO on the real small model, and a remote one (the fake behind a
key)."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from freehold.core.builds import HeldBuild
from freehold.core.ports import Upstream, Worker
from freehold.core.refs import FakeRef, RemoteRef, parse
from freehold.core.settings import EngineOptions, Secret, load
from freehold.engines.fake.engine import Fake
from freehold.engines.llamacpp.engine import LlamaCpp
from freehold.engines.remote.engine import Remote
from freehold.weights.gguf import read_facts
from tests.conftest import SMOLLM2_SHA256
from tests.contract import calls
from tests.contract.bridge import Bridge
from tests.openvino_builds import Converted
from tests.openvino_builds import engine as openvino_engine

# The folders of src/freehold/engines that hold an engine, in the order of the suite.
ENGINES = ("fake", "llamacpp", "openvino", "remote")
REAL = {"llamacpp", "openvino"}
CONTEXT_TOKENS = 512
KEY = "key-of-the-contract-suite"
# Slow enough that an answer of a thousand tokens would outlast every wait of the suite.
FAKE = f"fake:contract?tokens=1000&rate=30&context={CONTEXT_TOKENS}"


@dataclass
class Case:
    """One engine under test. `behind` answers /slots: the worker itself, or the one behind a remote address."""

    name: str
    worker: Worker
    behind: Worker

    @property
    def upstream(self) -> Upstream:
        return self.worker.upstream

    @property
    def is_local(self) -> bool:
        return self.worker is self.behind

    async def busy_slots(self) -> int:
        _, slots = await calls.call(self.behind.upstream, "//slots")
        return sum(slot["is_processing"] for slot in slots)


def make_fake(reference: str = FAKE) -> Worker:
    ref = parse(reference)
    assert isinstance(ref, FakeRef)
    settings = load()
    return Fake(runtime_dir=settings.runtime_dir, log_dir=settings.home / "logs").worker(ref)


def make_openvino(converted: Converted) -> Worker:
    return openvino_engine(converted.store).worker(
        converted.build, EngineOptions(context_tokens=CONTEXT_TOKENS, slots=2)
    )


def make_llamacpp(gguf: Path) -> Worker:
    settings = load()
    engine = LlamaCpp(runtime_dir=settings.runtime_dir, log_dir=settings.home / "logs")
    build = HeldBuild(
        name="smollm2-135m-instruct:q4_1",
        model="smollm2-135m-instruct",
        digest=f"sha256:{SMOLLM2_SHA256}",
        files=(gguf,),
        size_bytes=gguf.stat().st_size,
        facts=read_facts(gguf),
    )
    return engine.worker(build, EngineOptions(context_tokens=CONTEXT_TOKENS, slots=2))


_EVERY = [pytest.param(name, marks=pytest.mark.engine if name in REAL else ()) for name in ENGINES]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A worker belongs to the loop that it was started in: those that share one run in one."""
    for item in items:
        shared = item.path.parent == Path(__file__).parent and "case" in getattr(item, "fixturenames", ())
        if shared and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest_asyncio.fixture(params=_EVERY, scope="module", loop_scope="module")
async def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Case]:
    """A started engine, for all tests that leave it running."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="fh-") as runtime:
        patch.setenv("FREEHOLD_HOME", str(tmp_path_factory.mktemp("contract")))
        patch.setenv("XDG_RUNTIME_DIR", runtime)
        async with _started(request) as found:
            yield found


@pytest.fixture(params=_EVERY)
async def own_case(request: pytest.FixtureRequest, home: Path) -> AsyncIterator[Case]:
    """A started engine of this test's own, which may end it."""
    async with _started(request) as found:
        yield found


@asynccontextmanager
async def _started(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    """Stopped whatever the tests do."""
    async with AsyncExitStack() as stack:
        worker = _make(request)
        stack.push_async_callback(worker.stop)
        await worker.start()
        if request.param != "remote":
            yield Case(request.param, worker, worker)
            return
        bridge = Bridge(worker.upstream.socket_path or "", KEY)
        address = await bridge.open()
        stack.push_async_callback(bridge.close)
        yield Case("remote", await _remote(address, worker), worker)


def _make(request: pytest.FixtureRequest) -> Worker:
    if request.param == "llamacpp":
        return make_llamacpp(request.getfixturevalue("smollm2_gguf"))
    if request.param == "openvino":
        return make_openvino(request.getfixturevalue("openvino_build"))
    return make_fake()


async def _remote(address: str, behind: Worker) -> Worker:
    ref = parse(f"openai+{address}:{behind.upstream.model}")
    assert isinstance(ref, RemoteRef)
    remote: Worker = Remote().worker(ref, Secret(KEY))
    await remote.start()
    return remote
