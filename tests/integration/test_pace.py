"""A crowded house whose event loop cannot keep up: answers rest, events travel together, nothing of them is lost."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from freehold.gateway.gateway import Gateway
from freehold.gateway.pace import CROWD
from tests.integration.gateways import chat, gateway_of

EVENTS = 60
BLOCK_S = 0.033


async def test_answers_of_a_house_that_is_behind_come_whole_in_fewer_pieces(tmp_path: Path) -> None:
    async with _gateway(tmp_path) as gateway:
        blocking = asyncio.create_task(_block())
        found = await asyncio.gather(*(_read(gateway) for _ in range(CROWD + 1)))
        blocking.cancel()
    assert {words for words, _ in found} == {EVENTS}
    assert sum(pieces for _, pieces in found) < len(found) * EVENTS / 2


async def test_in_a_house_that_keeps_up_each_event_goes_on_alone(tmp_path: Path) -> None:
    async with _gateway(tmp_path) as gateway:
        words, pieces = await _read(gateway)
    assert words == EVENTS
    assert pieces > EVENTS * 0.8


async def test_a_client_that_goes_while_its_answer_rests_leaves_nothing_behind(tmp_path: Path) -> None:
    async with _gateway(tmp_path) as gateway:
        blocking = asyncio.create_task(_block())
        readers = [asyncio.create_task(_read(gateway)) for _ in range(CROWD + 1)]
        done, _ = await asyncio.wait(readers, timeout=0.5)
        assert not done
        for reader in readers:
            reader.cancel()
        ends = await asyncio.gather(*readers, return_exceptions=True)
        blocking.cancel()
        assert all(isinstance(end, asyncio.CancelledError) for end in ends)
        assert (await _read(gateway))[0] == EVENTS


def _gateway(folder: Path) -> AbstractAsyncContextManager[Gateway]:
    return gateway_of(folder, f'[endpoints]\nhouse = "fake:demo?tokens={EVENTS}&rate=40"\n')


async def _block() -> None:
    """Keep the loop from its work for the most of the time."""
    while True:
        time.sleep(BLOCK_S)  # noqa: ASYNC251  # this is what is wrong with the house
        await asyncio.sleep(0.001)


async def _read(gateway: Gateway) -> tuple[int, int]:
    """How many words an answer had, and in how many pieces they came."""
    exchange = await gateway.open("chat", chat("house", stream=True))
    words = pieces = 0
    try:
        async for chunk in exchange:
            together = [chunk, *exchange.arrived()]
            said = sum(1 for one in together for choice in one["choices"] if choice["delta"].get("content"))
            words += said
            pieces += bool(said)
    finally:
        await exchange.aclose()
    return words, pieces
