"""Fixtures that several of these suites share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kept_requests import REQUESTS, Place, ask


@pytest.fixture
async def place(home: Path) -> Place:
    """A ledger of 6 requests, all kept for an hour: 1 segment, 2 start, then 6 pairs, then the stop, 15."""
    place = Place(home)
    async with place.running() as ledger:
        for number in range(REQUESTS):
            await ask(ledger, number)
    return place
