"""A conversion that is given up, while it copies what it is to convert."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import pytest

from freehold.core.builds import HeldBuild, Stamp, WeightFacts
from freehold.core.settings import EngineOptions
from freehold.engines.openvino import installed
from freehold.engines.openvino.convert import Converter
from freehold.store.derived import Make, Making
from tests.processes import until

FACTS = WeightFacts("gguf", "llama", None, None, None, None, None, None, None, None, None)
LARGE_BYTES = 4 * 2**30


def _running() -> set[str]:
    """The functions that some thread is in."""
    frames = sys._current_frames().values()
    return {frame.f_code.co_qualname for top in frames for frame, _ in traceback.walk_stack(top)}


@pytest.mark.skipif(installed.version() is None, reason="openvino-genai is not installed")
async def test_given_up_while_it_copies_it_copies_no_further(home: Path, tmp_path: Path) -> None:
    gguf, out = tmp_path / "large.gguf", tmp_path / "out"
    with gguf.open("wb") as file:
        file.truncate(LARGE_BYTES)  # of which the disk has nothing

    async def derive(parent: HeldBuild, making: Making, make: Make, facts: WeightFacts) -> HeldBuild:
        stamps: Sequence[Stamp] = [Stamp.of(gguf.stat())]
        await make(out, stamps)
        return parent

    build = HeldBuild("large:q4_0", "large", f"sha256:{'a' * 64}", (gguf,), 1, FACTS)
    converter = Converter(home / "run", home / "logs", derive)
    converting = asyncio.create_task(converter.converted(build, EngineOptions(engine="openvino")))
    copy = out / "work" / "source.gguf"
    await until(lambda: copy.exists() and copy.stat().st_size)
    converting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await converting
    assert "_copy" not in _running()
