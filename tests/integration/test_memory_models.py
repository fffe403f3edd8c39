"""Three endpoints of real models on a machine that may hold two of them: all answer, and who went is seen."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from freehold import control
from freehold.app import House, build_house
from freehold.core.ports import Room
from freehold.core.refs import parse
from freehold.core.settings import EngineOptions, load
from freehold.gateway.memory.charge import before_start
from freehold.python.opening import pull_into
from tests.integration.house_process import RunningHouse, running_house

pytestmark = pytest.mark.engine

SHAPE = "slots = 1, batch_tokens = 64, prompt_cache_mib = 16"
ROWS = {
    "small": f'{{ ref = "small:q4_1", context_tokens = 512, {SHAPE} }}',
    "longer": f'{{ ref = "small:q4_1", context_tokens = 1024, {SHAPE} }}',
    "gemma": f'{{ ref = "gemma:q4_k_m", context_tokens = 512, {SHAPE} }}',
}
BUILDS = {"small": ("small:q4_1", 512), "longer": ("small:q4_1", 1024), "gemma": ("gemma:q4_k_m", 512)}
ALL_THERE_IS = 1 << 40


async def _needed_bytes(house: House) -> dict[str, int]:
    """What each endpoint's worker says that it needs for its start."""
    found = {}
    for name, (build, context) in BUILDS.items():
        options = EngineOptions(context_tokens=context, slots=1, batch_tokens=64, prompt_cache_mib=16)
        worker = house.engines.llamacpp.worker(house.store.find(parse(build)), options)
        found[name] = before_start(await worker.plan(Room(ALL_THERE_IS, ALL_THERE_IS)), ALL_THERE_IS)
    return found


@pytest.fixture
def needed(smollm2_gguf: Path, gemma3_gguf: Path) -> dict[str, int]:
    house = build_house(load())
    asyncio.run(pull_into(house, parse(str(smollm2_gguf)), copy=False, name="small:q4_1"))
    asyncio.run(pull_into(house, parse(str(gemma3_gguf)), copy=False, name="gemma:q4_k_m"))
    return asyncio.run(_needed_bytes(house))


@pytest.fixture
def house(tmp_path: Path, needed: dict[str, int]) -> Iterator[RunningHouse]:
    sizes = sorted(needed.values())
    assert sizes[0] > 50_000_000
    limit_mb = (sizes[1] + sizes[2]) // 1_000_000 + 1
    rows = "".join(f"{name} = {row}\n" for name, row in ROWS.items())
    toml = f'[server]\nport = 0\n[memory]\nlimit = "{limit_mb}MB"\nwait = "10m"\n[endpoints]\n{rows}'
    with running_house(tmp_path, toml) as running:
        yield running


def _here(house: RunningHouse) -> set[str]:
    return {row["name"] for row in control.ps(house.settings)["endpoints"] if row["state"] == "ready"}


def test_all_three_answer_where_two_fit_and_evictions_are_seen(house: RunningHouse, needed: dict[str, int]) -> None:
    for name in ("small", "longer", "gemma", "small"):
        assert _complete(house, name) == 200
        report = control.ps(house.settings)
        assert name in _here(house)
        assert report["memory"]["reserved_bytes"] <= report["memory"]["most_bytes"] < sum(needed.values())
        for worker in report["workers"]:
            if worker["state"] == "ready":
                assert worker["reserved_bytes"] <= max(needed.values())
                assert worker["memory_bytes"] > 50_000_000
    evicted = [event for event in control.ps(house.settings)["events"] if event["what"] == "evicted"]
    assert evicted and all(event["why"].endswith(" needed its memory") and event["bytes"] for event in evicted)
    counted = sum(
        house.metric(f'freehold_model_evictions_total{{build="{build}",reason="memory"}}')
        for build in ("small:q4_1", "gemma:q4_k_m")
    )
    assert counted == len(evicted)
    assert house.metric('freehold_model_loads_total{build="gemma:q4_k_m",outcome="loaded"}') == 1
    assert house.metric('freehold_model_loading_seconds_count{build="gemma:q4_k_m"}') == 1


def test_two_workers_of_one_build_are_charged_its_weights_once_which_is_how_the_kernel_keeps_them(
    tmp_path: Path, needed: dict[str, int]
) -> None:
    rows = "".join(f"{name} = {ROWS[name]}\n" for name in ("small", "longer"))
    with running_house(tmp_path, f"[server]\nport = 0\n[endpoints]\n{rows}") as house:
        assert [_complete(house, name) for name in ("small", "longer")] == [200, 200]
        report = control.ps(house.settings)
        reserved_bytes = [worker["reserved_bytes"] for worker in report["workers"]]
        (mapped_bytes,) = {worker["mapped_bytes"] for worker in report["workers"]}
        assert mapped_bytes > 50_000_000
        assert report["memory"]["counted_once_bytes"] == mapped_bytes
        assert report["memory"]["reserved_bytes"] == sum(reserved_bytes) - mapped_bytes < sum(needed.values())
        told = house.metric('freehold_model_reserved_bytes{build="small:q4_1"}')
        assert told < sum(reserved_bytes) - mapped_bytes / 2
        command = [sys.executable, "-m", "freehold", "ps"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        for text in (shown, house.ask("GET", "/ui/admin").raw.decode()):
            assert "One by one it would be" in text and "have its weights mapped together" in text
        if os.geteuid() == 0:  # nobody else may look into a locked process
            seen = [psutil.Process(worker["pid"]).memory_full_info() for worker in report["workers"]]
            # What several processes have of one page is told in equal parts (proc(5), Pss): two have the weights once.
            assert sum(each.rss - each.pss for each in seen) > 0.9 * mapped_bytes


def test_requests_to_all_three_at_once_are_all_answered(house: RunningHouse) -> None:
    names = ("small", "longer", "gemma") * 3
    with ThreadPoolExecutor(len(names)) as pool:
        assert list(pool.map(lambda name: _complete(house, name), names)) == [200] * len(names)
    assert [event for event in control.ps(house.settings)["events"] if event["what"] == "evicted"]


def _complete(house: RunningHouse, name: str) -> int:
    """The status of one answer. Models that take turns on a busy machine take longer than one answer does elsewhere."""
    body = json.dumps({"model": name, "prompt": "Once upon a time", "max_tokens": 4})
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", house.port, timeout=900)) as connection:
        connection.request("POST", "/v1/completions", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
