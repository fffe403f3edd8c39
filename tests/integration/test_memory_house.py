"""Models that share memory, over real processes of the fake engine that really take theirs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from freehold.core.errors import (
    FreeholdError,
    HouseClosingError,
    LoadingError,
    MemoryHeldError,
    WorkerGivenUpError,
    WorkerLostError,
    WorkerStartError,
)
from freehold.gateway.exchange import Exchange
from freehold.gateway.gateway import Gateway
from tests.integration.gateways import chat, gateway_of, settings_of
from tests.processes import OwnProcesses, until

MIB = 1 << 20
# Of 200 MiB and a program of at most 80 each, two fit.
TWO = '[memory]\nlimit = "700MB"\n'
THREE = "".join(f'{name} = "fake:{name}?memory=200&tokens=3"\n' for name in "abc")


def _states(gateway: Gateway) -> dict[str, str]:
    return {info.name: info.state for info in gateway.endpoints()}


def _events(gateway: Gateway, what: str) -> list[str]:
    return [event.build for event in gateway.life.kept if event.what == what]


async def _ask(gateway: Gateway, model: str) -> int:
    return int((await gateway.answer("chat", chat(model))).body["usage"]["completion_tokens"])


async def _stream(gateway: Gateway, model: str) -> Exchange:
    exchange = await gateway.open("chat", chat(model, stream=True))
    await anext(aiter(exchange))
    return exchange


async def test_three_models_where_two_fit_all_answer_and_the_longest_unused_goes(tmp_path: Path) -> None:
    own = OwnProcesses()
    async with gateway_of(tmp_path, f"{TWO}[endpoints]\n{THREE}") as gateway:
        for name in "abcabc":
            assert await _ask(gateway, name) == 3
            assert len(own.now()) <= 2
            assert gateway.memory().reserved_bytes <= gateway.memory().most_bytes == 700_000_000
        assert _states(gateway) == {"a": "stopped", "b": "ready", "c": "ready"}
        assert [event.partition(":")[2][0] for event in _events(gateway, "evicted")] == ["a", "b", "c", "a"]


async def test_requests_to_three_at_once_where_two_fit_are_all_answered(tmp_path: Path) -> None:
    async with gateway_of(tmp_path, f"{TWO}[endpoints]\n{THREE}") as gateway:
        assert await asyncio.gather(*(_ask(gateway, name) for name in "abc" * 8)) == [3] * 24
        assert _events(gateway, "evicted")


async def test_one_that_is_pinned_stays_and_one_that_is_kept_so_long_goes(tmp_path: Path) -> None:
    rows = (
        'a = { ref = "fake:a?memory=200&tokens=3", pinned = true }\n'
        'b = "fake:b?memory=200&tokens=3"\nc = { ref = "fake:c?memory=200&tokens=3", keep = "200ms" }'
    )
    async with gateway_of(tmp_path, f"{TWO}[endpoints]\n{rows}") as gateway:
        for name in "abcb":
            assert await _ask(gateway, name) == 3
        assert not [event for event in _events(gateway, "evicted") if event.startswith("fake:a")]
        assert await _ask(gateway, "c") == 3
        await until(lambda: _states(gateway)["c"] == "stopped")
        assert _events(gateway, "idle")[-1:] == ["fake:c?memory=200&tokens=3"]
        assert await _ask(gateway, "c") == 3
        assert _states(gateway)["a"] == "ready"


async def test_what_a_worker_really_takes_replaces_what_was_said_of_it(tmp_path: Path) -> None:
    async with gateway_of(tmp_path, f'{TWO}[endpoints]\na = "fake:a?memory=300&says=50"') as gateway:
        await gateway.ready("a")
        (report,) = gateway.workers()
        assert report.memory_bytes is not None and report.memory_bytes > 300 * MIB
        assert 300 * MIB < report.reserved_bytes < 400 * MIB


async def test_a_model_larger_than_everything_is_refused_at_once_with_figures(tmp_path: Path) -> None:
    rows = '[endpoints]\na = { ref = "fake:a?memory=300&tokens=3", preload = false }'
    async with gateway_of(tmp_path, f'[memory]\nlimit = "200MB"\n{rows}') as gateway:
        for _ in range(2):
            with pytest.raises(WorkerStartError, match=r"needs 346\.0 MB of memory \(computed\).* may take 200\.0 MB"):
                await _ask(gateway, "a")
        assert not _events(gateway, "loaded")
        await gateway.reload(settings_of(tmp_path, f"{TWO}{rows}"))
        assert await _ask(gateway, "a") == 3, "more is allowed now"


async def test_who_may_not_wait_for_memory_gets_what_is_free_and_is_told_where_none_is(tmp_path: Path) -> None:
    rows = 'a = "fake:a?memory=500&rate=20&tokens=5000"\nb = "fake:b?memory=500&tokens=3"'
    async with gateway_of(tmp_path, f'[memory]\nlimit = "700MB"\nwait = "0s"\n[endpoints]\n{rows}') as gateway:
        exchange = await _stream(gateway, "a")
        with pytest.raises(MemoryHeldError):
            await _ask(gateway, "b")
        await exchange.aclose()


async def test_memory_that_stays_in_use_is_waited_for_so_long_and_the_answer_says_who_holds_it(tmp_path: Path) -> None:
    rows = 'a = "fake:a?memory=500&rate=20&tokens=5000"\nb = "fake:b?memory=500&tokens=3"'
    async with gateway_of(tmp_path, f'[memory]\nlimit = "700MB"\nwait = "300ms"\n[endpoints]\n{rows}') as gateway:
        exchange = await _stream(gateway, "a")
        with pytest.raises(MemoryHeldError, match=r"fake:a\?\S+ \([\d.]+ MB, 1 request at work\)") as error:
            await _ask(gateway, "b")
        assert error.value.http_status == 503 and error.value.retryable and error.value.data["retry_after"] == "10"
        await exchange.aclose()
        assert await _ask(gateway, "b") == 3, "once it is let go the next request gets it"


async def test_a_request_waits_for_one_in_use_and_comes_in_when_that_ends(tmp_path: Path) -> None:
    rows = 'a = "fake:a?memory=500&rate=20&tokens=5000"\nb = "fake:b?memory=500&tokens=3"'
    async with gateway_of(tmp_path, f'[memory]\nlimit = "700MB"\n[endpoints]\n{rows}') as gateway:
        exchange = await _stream(gateway, "a")
        waiting = asyncio.create_task(_ask(gateway, "b"))
        await until(lambda: any(info.note and "waits for" in info.note for info in gateway.endpoints()))
        assert _states(gateway)["a"] == "ready"
        await exchange.aclose()
        assert await waiting == 3


async def test_only_so_many_wait_for_a_model_to_load(tmp_path: Path) -> None:
    rows = 'a = { ref = "fake:a?slow-start=500&tokens=3", preload = false }'
    async with gateway_of(tmp_path, f"[memory]\nwaiting = 2\n[endpoints]\n{rows}") as gateway:
        ended: list[Any] = await asyncio.gather(*(_ask(gateway, "a") for _ in range(5)), return_exceptions=True)
        refused = [error for error in ended if isinstance(error, LoadingError)]
        assert [end for end in ended if not isinstance(end, BaseException)] == [3, 3] and len(refused) == 3
        assert "2 requests wait for it already" in refused[0].message and refused[0].data["retry_after"] == "5"


async def test_the_request_that_began_a_load_may_leave_and_the_others_get_it(tmp_path: Path) -> None:
    rows = 'a = { ref = "fake:a?slow-start=500&tokens=3", preload = false }'
    own = OwnProcesses()
    async with gateway_of(tmp_path, f"[endpoints]\n{rows}") as gateway:
        first = asyncio.create_task(_ask(gateway, "a"))
        await until(lambda: len(own.now()) == 1)
        others = [asyncio.create_task(_ask(gateway, "a")) for _ in range(3)]
        first.cancel()
        assert await asyncio.gather(*others) == [3, 3, 3]
        assert _events(gateway, "loaded") == ["fake:a?slow-start=500&tokens=3"]


async def test_a_load_that_nobody_waits_for_any_more_goes_on_for_the_next(tmp_path: Path) -> None:
    rows = 'a = { ref = "fake:a?slow-start=500&tokens=3", preload = false }'
    own = OwnProcesses()
    async with gateway_of(tmp_path, f"[endpoints]\n{rows}") as gateway:
        only = asyncio.create_task(_ask(gateway, "a"))
        await until(lambda: len(own.now()) == 1)
        only.cancel()
        await until(lambda: _states(gateway)["a"] == "ready")


async def test_a_house_that_closes_tells_those_who_wait_for_a_load(tmp_path: Path) -> None:
    rows = 'a = { ref = "fake:a?slow-start=60000", preload = false }'
    own = OwnProcesses()
    async with gateway_of(tmp_path, f"[endpoints]\n{rows}") as gateway:
        waiting = asyncio.create_task(_ask(gateway, "a"))
        await until(lambda: len(own.now()) == 1)
        await gateway.close(drain_s=0)
        with pytest.raises(HouseClosingError):
            await waiting
        assert not own.now()


async def test_a_start_that_failed_is_tried_again_when_somebody_says_so(tmp_path: Path) -> None:
    rows = 'a = { ref = "fake:a?tokens=3", preload = false }'
    async with gateway_of(tmp_path, f"[endpoints]\n{rows}") as gateway:
        folder = gateway.settings.runtime_dir
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.write_text("in the way")
        for _ in range(2):
            with pytest.raises(WorkerStartError):
                await _ask(gateway, "a")
        assert len(_events(gateway, "failed")) == 1, "not every request tries it"
        assert any("did not start" in (info.note or "") for info in gateway.endpoints())
        folder.unlink()
        assert (await gateway.load("a")).state == "ready"
        assert await _ask(gateway, "a") == 3


async def test_a_worker_that_keeps_ending_is_set_aside_and_comes_back_when_it_is_told_to(tmp_path: Path) -> None:
    async with gateway_of(tmp_path, '[endpoints]\na = "fake:a?die-after=1"') as gateway:
        error: FreeholdError | None = None
        while not isinstance(error, WorkerGivenUpError):
            with pytest.raises((WorkerLostError, WorkerGivenUpError)) as raised:
                await _ask(gateway, "a")
            error = raised.value
        assert "5 times in a row" in error.message
        assert "freehold load" in error.hint and "Its log is at" in error.hint
        (info,) = gateway.endpoints()
        assert info.note is not None and info.note.startswith("set aside: ")
        with pytest.raises(WorkerGivenUpError):
            await _ask(gateway, "a")
        assert (await gateway.load("a")).state == "ready"
        await gateway.reload(settings_of(tmp_path, '[endpoints]\na = "fake:a?tokens=3"'))
        assert await _ask(gateway, "a") == 3


async def test_a_model_is_unloaded_by_hand_after_its_last_request(tmp_path: Path) -> None:
    rows = 'a = { ref = "fake:a?rate=20&tokens=5000", pinned = true }'
    async with gateway_of(tmp_path, f"[endpoints]\n{rows}") as gateway:
        exchange = await _stream(gateway, "a")
        going = asyncio.create_task(gateway.unload("a"))
        await until(lambda: any("takes no new requests" in (info.note or "") for info in gateway.endpoints()))
        assert not going.done()
        await exchange.aclose()
        assert (await going).state == "stopped"
        assert gateway.memory().reserved_bytes == 0


ONE = '[memory]\nlimit = "700MB"\nwait = "20s"\n[endpoints]\n'
OLD = 'house = "fake:old?memory=500&rate=50&tokens=30"\n'


async def _moving(gateway: Gateway) -> None:
    await until(lambda: any("requests wait for that" in (info.note or "") for info in gateway.endpoints()))


@pytest.mark.parametrize("stay", ["", ", pinned = true"], ids=["", "pinned"])
async def test_a_swap_without_room_for_both_drops_no_request(tmp_path: Path, stay: str) -> None:
    own = OwnProcesses()
    rows = [
        f'{{ ref = "{ref}"{stay} }}'
        for ref in ("fake:old?memory=500&rate=50&tokens=30", "fake:new?memory=500&tokens=3")
    ]
    before, after = (f"house = {row}\nother = {row}\n" for row in rows)
    async with gateway_of(tmp_path, ONE + before) as gateway:
        exchange = await _stream(gateway, "house")
        new = settings_of(tmp_path, ONE + after)
        swap = asyncio.create_task(gateway.reload(new))
        await _moving(gateway)
        waiting = [asyncio.create_task(_ask(gateway, name)) for name in ("house", "other") * 4]
        rest = [chunk async for chunk in exchange]
        await exchange.aclose()
        assert rest[-1]["timings"]["predicted_n"] == 30, "what was under way came to its end"
        moved = "fake:old?memory=500&rate=50&tokens=30 -> fake:new?memory=500&tokens=3"
        assert await swap == (f"house: {moved}", f"other: {moved}")
        assert await asyncio.gather(*waiting) == [3] * 8
        assert len(own.now()) == 1


async def test_a_swap_to_what_does_not_start_goes_back_and_those_who_waited_are_answered(tmp_path: Path) -> None:
    async with gateway_of(tmp_path, ONE + OLD) as gateway:
        exchange = await _stream(gateway, "house")
        new = settings_of(tmp_path, ONE + 'house = "fake:new?memory=500&refuse-start"')
        swap = asyncio.create_task(gateway.reload(new))
        await _moving(gateway)
        waiting = [asyncio.create_task(_ask(gateway, "house")) for _ in range(4)]
        await exchange.aclose()
        with pytest.raises(WorkerStartError, match="refuses to start"):
            await swap
        assert await asyncio.gather(*waiting) == [30] * 4
        (info,) = gateway.endpoints()
        assert (info.target, info.state, info.note) == ("fake:old?memory=500&rate=50&tokens=30", "ready", None)


async def test_a_limit_that_is_lowered_is_in_force_at_once(tmp_path: Path) -> None:
    async with gateway_of(tmp_path, f"{TWO}[endpoints]\n{THREE}") as gateway:
        for name in "ab":
            assert await _ask(gateway, name) == 3
        lowered = TWO.replace("700MB", "400MB")
        lines = await gateway.reload(settings_of(tmp_path, f"{lowered}[endpoints]\n{THREE}"))
        assert lines == ("[memory]: models may take 400.0 MB together",)
        await until(lambda: _states(gateway)["a"] == "stopped")
        assert _states(gateway)["b"] == "ready"
        assert [event.why for event in gateway.life.kept if event.what == "evicted"] == ["more is taken than there is"]
