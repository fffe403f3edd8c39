"""A whole bench on the real engine and the real small model, and what it leaves for the next start of an endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from freehold.app import House, build_house
from freehold.cli.main import main
from freehold.core.builds import HeldBuild
from freehold.core.refs import parse
from freehold.core.settings import EngineOptions, load
from freehold.engines.openvino import installed
from freehold.python.opening import pull_into
from freehold.trials import record
from freehold.trials.bar import Bar
from freehold.trials.bench import Asked, Bench, Effort
from freehold.trials.report import Report
from freehold.trials.workloads import WORKLOADS

pytestmark = pytest.mark.engine

# One thread: see test_worker_llamacpp. Everything is run, and next to nothing of it.
LEAST = Effort(try_share=0.1, repetitions=2, final_share=0.1, passages=1, finals_s=1)
OPTIONS = EngineOptions(threads=1, context_tokens=1024, slots=2, lock="require")
CHAT = replace(WORKLOADS["chat"], turns=2, prompt_words=20, answer_tokens=16)


@pytest.fixture
def house(home: Path, smollm2_gguf: Path) -> House:
    found = build_house(load())
    asyncio.run(pull_into(found, parse(str(smollm2_gguf)), copy=False, name="small:q4_1"))
    return found


def held(house: House) -> HeldBuild:
    return house.store.find(parse("small:q4_1"))


def bench(house: House, note: Callable[[str], None] = lambda _: None, *, alone: bool = True, **asked: Any) -> Report:
    """`alone`: llama.cpp by itself."""
    entrants = [each for each in house.entrants if each.name == "llama.cpp" or not alone]
    folders = {"runtime_dir": house.settings.runtime_dir, "log_dir": house.settings.home / "logs"}
    whole = Asked(CHAT, effort=LEAST, options=OPTIONS, **asked)
    return asyncio.run(Bench(held(house), whole, entrants, house.store, folders, note).run())


def test_every_layout_is_measured_with_its_fidelity_and_the_winner_is_used_and_explained(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    report = bench(house, said.append, alone=False, repack=True)
    assert any(line.startswith("About ") for line in said)
    by_layout = {row.standing.arm.layout: row for row in report.rows if not row.standing.arm.settings}
    others = {"converted"} if installed.version() else set()
    assert by_layout.keys() == {"as it is", "q4_0", "q8_0"} | others
    own, smaller = by_layout["as it is"].fidelity, by_layout["q4_0"].fidelity
    assert own is not None
    assert smaller is not None
    # Packing Q4_1 into Q4_0 loses the offsets of its blocks: several times what 8-bit activations lose.
    assert 0.0005 < own.nats < 0.01
    assert smaller.nats > 4 * own.nats
    assert by_layout["q4_0"].unfit is not None
    assert own.served is not None, "the server gives log probabilities"
    assert own.served < 0.1
    assert not list(house.settings.runtime_dir.glob("w-*")), "no folder of a process is left"
    winner = report.winner
    assert winner is not None
    assert report.share < 1 and f" with {report.share:.0%} of the workload on 20" in report.reason
    record.write(house.settings.home, report.as_json())
    applied = house.remembered.apply(held(house), EngineOptions())
    assert (applied.arm, applied.why.reason) == (winner.standing.arm, report.reason)
    _ps_tells(report.reason, capsys)


def _ps_tells(reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def ask() -> dict[str, Any]:
        gateway = build_house(load()).gateway
        await gateway.start()
        try:
            await gateway.ready("small:q4_1")
            (report,) = gateway.workers()
            return {"choices": report.choices}
        finally:
            await gateway.close(drain_s=0)

    assert asyncio.run(ask())["choices"]["engine"].reason == reason


def test_where_nothing_is_as_faithful_as_asked_nothing_is_chosen(house: House) -> None:
    report = bench(house, bar=Bar.read("0.0000001"))
    assert report.winner is None
    assert report.verdict.why == "nothing is as faithful as asked"
    assert all(row.unfit is not None for row in report.rows)


def test_a_build_too_large_for_float32_is_run_as_it_is_and_says_why(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freehold.engines.llamacpp.metered.BESIDE_BYTES", 10**15)
    report = bench(house)
    assert "in float32 it takes" in report.reference
    assert report.winner is not None
    assert report.winner.fidelity is None
    assert report.winner.unfit is None


def test_what_cannot_be_asked_is_said_before_anything_starts(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, code, says in [
        (["small:q4_1", "--for", "poetry"], 2, "There are chat, documents, batch."),
        (["small:q4_1", "--engines", "lama.cpp"], 2, "There is no engine 'lama.cpp' here."),
        (["smal:q4_1"], 2, "There is no build named 'smal:q4_1'"),
        (["small:q4_1", "--faithful", "very"], 2, "does not say how faithful"),
    ]:
        assert main(["bench", *arguments, "--json"]) == code
        assert says in json.dumps(json.loads(capsys.readouterr().err))
