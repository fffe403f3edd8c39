"""Turns at a worker, without a server: the house's own work, and budgets of energy on a counter that was recorded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from freehold.app import build_house
from freehold.core.errors import BusyError, LimitError
from freehold.gateway.access.book import KeyBook
from freehold.gateway.access.key import Limits
from freehold.gateway.admission.ticket import Wish
from freehold.gateway.asking import Local
from freehold.gateway.gateway import Gateway
from freehold.ledger.energy import Meter, packages
from freehold.ledger.ledger import opened
from freehold.ledger.usage import UJ_PER_WH, spent
from tests.integration.gateways import chat, settings_of

FULL = '[admission]\nqueue = 0\n[endpoints]\none = { ref = "fake:one?rate=100&tokens=2", slots = 1 }\n'


@asynccontextmanager
async def _running(gateway: Gateway) -> AsyncIterator[Gateway]:
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.close(drain_s=0)


def _chat(**fields: Any) -> dict[str, Any]:
    return chat("one", **fields)


async def test_work_of_this_process_itself_waits_however_long_the_line_is_and_is_never_turned_away(
    tmp_path: Path,
) -> None:
    async with _running(build_house(settings_of(tmp_path, FULL)).gateway) as gateway:
        answers = await asyncio.gather(*(gateway.answer("chat", _chat()) for _ in range(30)))
        assert len(answers) == 30
        line = gateway.lines()["one"]
        assert (line.slots, line.taken, line.waiting, line.turned_away) == (1, 0, 0, 0)
        assert line.waited >= 28


async def test_several_answers_to_one_request_take_a_slot_each_as_far_as_there_are_slots(tmp_path: Path) -> None:
    toml = '[endpoints]\none = { ref = "fake:one?rate=100&tokens=2", slots = 3 }\n'
    async with _running(build_house(settings_of(tmp_path, toml)).gateway) as gateway:
        first = await gateway.open("chat", _chat(stream=True, n=2))
        assert gateway.lines()["one"].taken == 2
        second = asyncio.create_task(gateway.open("chat", _chat(stream=True, n=5)))
        third = asyncio.create_task(gateway.open("chat", _chat(stream=True)))
        while gateway.lines()["one"].waiting < 2:  # noqa: ASYNC110  # tasks that have to come this far
            await asyncio.sleep(0)
        await first.aclose()
        held = await second
        assert (gateway.lines()["one"].taken, third.done()) == (3, False)
        await held.aclose()
        await (await third).aclose()
        assert gateway.lines()["one"].taken == 0


async def test_a_request_that_fails_before_it_is_sent_gives_its_turn_back(tmp_path: Path) -> None:
    async with _running(build_house(settings_of(tmp_path, FULL)).gateway) as gateway:
        for _ in range(3):
            with pytest.raises(Exception, match="functions"):
                await gateway.answer("chat", _chat(functions=[{"name": "x"}]))
        assert gateway.lines()["one"].taken == 0
        served = Local(wish=Wish())
        assert (await gateway.answer("chat", _chat(), served)).endpoint == "one"
        stream = await gateway.open("chat", _chat(stream=True), served)
        with pytest.raises(BusyError, match=r"one is asked more than it can answer: .* as may \(0\)"):
            await gateway.answer("chat", _chat(), served)
        await stream.aclose()


async def test_a_turn_that_does_not_come_in_time_is_not_waited_for(tmp_path: Path) -> None:
    toml = FULL.replace("queue = 0", "queue = 9\nwait_s = 0.05")
    async with _running(build_house(settings_of(tmp_path, toml)).gateway) as gateway:
        served = Local(wish=Wish())
        stream = await gateway.open("chat", _chat(stream=True), served)
        with pytest.raises(BusyError, match=r"the turn of this request did not come within 0\.05 s"):
            await gateway.answer("chat", _chat(), served)
        assert gateway.lines()["one"].waiting == 0
        await stream.aclose()


async def test_a_budget_of_energy_ends_with_what_the_counter_says_and_a_restart_does_not_forget_it(
    tmp_path: Path,
) -> None:
    counter, ledger = tmp_path / "powercap" / "intel-rapl:0", tmp_path / "ledger"
    counter.mkdir(parents=True)
    for name, text in (("name", "package-0"), ("max_energy_range_uj", f"{2**60}"), ("energy_uj", "0")):
        (counter / name).write_text(text)
    house = build_house(settings_of(tmp_path, FULL))
    now = {"ns": 0}

    def meter() -> Meter:
        return Meter(packages(counter.parent), steady_ns=lambda: now["ns"])

    gateway = Gateway(
        house.settings,
        held=house.store.builds,
        find=house.store.find,
        permit=house.permits.require_build,
        make_worker=lambda target: house.engines.fake.worker(target.fake),  # type: ignore[arg-type]  # it is one
        access=house.access,
        open_ledger=lambda: opened(ledger, "relaxed", version="test", meter=meter()),
    )
    ada, _ = KeyBook(house.settings.home).create("ada", limits=Limits(wh_per_day=3.0))
    async with _running(gateway):
        for used_wh in (2, 4):
            stream = await gateway.open("chat", _chat(stream=True), Local(key=ada))
            (counter / "energy_uj").write_text(str(round(used_wh * UJ_PER_WH)))
            now["ns"] += 10**9
            async for _ in stream:
                pass
            await stream.aclose()
        with pytest.raises(LimitError, match=r"has used its 3 Wh for today; it opens again at .*T00:00:00Z"):
            await gateway.open("chat", _chat(stream=True), Local(key=ada))
    found = spent(ledger, time.time())[ada.id]
    assert (found.wh_today, found.wh_this_month) == (4.0, 4.0)
