"""SmolLM2 in OpenVINO's form, converted once a session through the house's own way; and engines that run it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild, WeightFacts
from freehold.core.refs import parse
from freehold.core.settings import EngineOptions, load
from freehold.engines.openvino import installed
from freehold.engines.openvino.convert import Converter
from freehold.engines.openvino.engine import OpenVino
from freehold.store.derived import Make, Making, derive
from freehold.store.pull import pull
from freehold.store.sources.disk import DiskSource
from freehold.store.store import Store
from tests.recorder import Recorder


@dataclass(frozen=True)
class Converted:
    """A store with the GGUF build and what was made from it."""

    store: Store
    parent: HeldBuild
    build: HeldBuild


def deriving(store: Store) -> Callable[[HeldBuild, Making, Make, WeightFacts], Awaitable[HeldBuild]]:
    """`derive` with a store."""

    async def made(build: HeldBuild, making: Making, make: Make, facts: WeightFacts) -> HeldBuild:
        return await derive(build, making, make, store=store, catalog=Catalog.load(), facts=facts)

    return made


def engine(store: Store) -> OpenVino:
    settings = load()
    return OpenVino(
        runtime_dir=settings.runtime_dir, log_dir=settings.home / "logs", confirm=store.confirm, derive=deriving(store)
    )


async def held(store: Store, gguf: Path) -> HeldBuild:
    """The GGUF file at `gguf`, pulled."""
    ref = parse(f"file:{gguf}")
    return await pull(ref, store=store, catalog=Catalog.load(), sources={"file": DiskSource()}, progress=Recorder())


async def _convert(folder: Path, gguf: Path, runtime: Path) -> Converted:
    store = Store(folder / "home")
    parent = await held(store, gguf)
    converter = Converter(runtime, folder / "logs", deriving(store))
    return Converted(store, parent, await converter.converted(parent, EngineOptions(engine="openvino")))


@pytest.fixture(scope="session")
def openvino_build(smollm2_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Converted]:
    if installed.version() is None:
        pytest.skip("openvino-genai is not installed: pip install 'freehold[openvino]'")
    folder = tmp_path_factory.mktemp("converted")
    with tempfile.TemporaryDirectory(prefix="fh-") as runtime, ThreadPoolExecutor(1) as beside:
        # A loop of its own: the test that asks first may be in one.
        yield beside.submit(asyncio.run, _convert(folder, smollm2_gguf, Path(runtime))).result()
