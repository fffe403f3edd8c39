"""A gateway in this process over real worker processes, with what a test wants in its freehold.toml."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from freehold.app import build_house
from freehold.core.settings import Settings, load
from freehold.gateway.gateway import Gateway
from tests.processes import OwnProcesses

HELLO = [{"role": "user", "content": "hello there"}]


def settings_of(folder: Path, toml: str) -> Settings:
    (folder / "freehold.toml").write_text(toml)
    return load(folder=folder)


@asynccontextmanager
async def gateway_of(folder: Path, toml: str) -> AsyncIterator[Gateway]:
    """Started, and closed without a process left behind."""
    own = OwnProcesses()
    gateway = build_house(settings_of(folder, toml)).gateway
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.close(drain_s=0)
        assert not own.now(), "closing the gateway leaves no process"


def chat(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": HELLO, **fields}
