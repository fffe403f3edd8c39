"""The processes that a test itself started: other suites' session fixtures keep some of this program's too. And waiting
for what has no event: a process, a file, a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psutil

DEADLINE_S = 60


class OwnProcesses:
    """What came after this was made. Ended ones are not counted."""

    def __init__(self) -> None:
        self._before = {child.pid for child in psutil.Process().children(recursive=True)}

    def now(self) -> set[int]:
        return {child.pid for child in psutil.Process().children(recursive=True)} - self._before


async def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds; fails where it does not within DEADLINE_S."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - nothing sets an event
            await asyncio.sleep(0.01)
