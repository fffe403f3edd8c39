"""What a bench remembered is used only where it is whole, this machine's and this build's; else a sentence says why."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from freehold.core.builds import HeldBuild
from freehold.core.formats import TRIAL
from freehold.core.settings import EngineOptions
from freehold.trials.applying import Remembered
from freehold.trials.record import Ignored, Winner, place, read, write
from tests.unit.test_trials_choice import BUILD

MACHINE = "amd-epyc-2c-24g-0123456789"
VERSIONS = {"llama.cpp": "1", "openvino": "2"}
REPACKED = replace(BUILD, name="m:q4_1-q8_0", digest="sha256:" + "b" * 64)
REASON = "measured 4.6 requests/s against 0.96 of llama.cpp as it is on 2026-11-29"


def report(**changed: Any) -> dict[str, Any]:
    winner = {"engine": "llama.cpp", "layout": "q8_0", "digest": REPACKED.digest, "settings": {"threads": 2}}
    return {
        "format": TRIAL.newest,
        "machine": MACHINE,
        "digest": BUILD.digest,
        "workload": "batch",
        "engines": {"llama.cpp": "1"},
        "winner": {**winner, "reason": REASON},
        "taken_on": "2026-11-29T12:00:00+00:00",
        **changed,
    }


def remembered(home: Path, *held: HeldBuild, versions: dict[str, str] = VERSIONS) -> Remembered:
    by_digest = {build.digest: build for build in held}
    return Remembered(home, versions, lambda: MACHINE, by_digest.get)


def test_the_winner_is_read_back_as_it_was_written(home: Path) -> None:
    write(home, report())
    found = read(home, MACHINE, BUILD.digest, "batch", VERSIONS)
    assert found == Winner("llama.cpp", "q8_0", REPACKED.digest, {"threads": 2}, REASON, "2026-11-29")
    assert read(home, MACHINE, BUILD.digest, "chat", VERSIONS) is None


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"machine": "another"}, "its machine is 'another'"),
        ({"digest": "sha256:" + "c" * 64}, "its digest is"),
        ({"format": 99}, "was written by a newer Freehold"),
        ({"winner": None}, "cannot be used"),
        ({"winner": {**report()["winner"], "settings": {"threads": 0}}}, "its threads is '0'"),
        ({"winner": {**report()["winner"], "settings": {"threads": True}}}, "its threads is 'True'"),
        ({"winner": {**report()["winner"], "settings": {"lock": "off"}}}, "it sets 'lock'"),
        ({"winner": {**report()["winner"], "settings": {"slots": 10**9}}}, "its slots is"),
        ({"winner": {**report()["winner"], "reason": 7}}, "a text of it is not one"),
        ({"engines": []}, "its engines are no table"),
        ({"engines": {"llama.cpp": "0"}}, "another release of llama.cpp"),
    ],
)
def test_a_record_that_is_wrong_is_not_used_and_says_why(home: Path, changed: dict[str, Any], says: str) -> None:
    path = place(home, MACHINE, BUILD.digest, "batch")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(report(**changed)))
    found = read(home, MACHINE, BUILD.digest, "batch", VERSIONS)
    assert isinstance(found, Ignored)
    assert says in found.reason


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 200_000, '{"form": 1}', "\x00"])
def test_a_damaged_record_is_not_used(home: Path, text: str) -> None:
    path = place(home, MACHINE, BUILD.digest, "batch")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert isinstance(read(home, MACHINE, BUILD.digest, "batch", VERSIONS), Ignored)


def test_the_winner_is_run_with_its_settings_and_its_reason(home: Path) -> None:
    write(home, report())
    found = remembered(home, BUILD, REPACKED).apply(BUILD, EngineOptions(workload="batch"))
    assert (found.arm.build, found.arm.options(found.options).threads) == (REPACKED, 2)
    assert (found.why.value, found.why.origin, found.why.reason) == ("llama.cpp q8_0", "chosen", REASON)


def test_what_a_person_set_wins(home: Path) -> None:
    write(home, report())
    kept = remembered(home, BUILD, REPACKED)
    found = kept.apply(BUILD, EngineOptions(workload="batch", threads=1))
    assert found.arm.options(found.options).threads == 1
    assert found.arm.build == REPACKED
    set_engine = kept.apply(BUILD, EngineOptions(workload="batch", engine="llama.cpp"))
    assert (set_engine.arm.build, set_engine.arm.settings, set_engine.why.origin) == (BUILD, {}, "set")


def test_without_a_record_the_reason_says_how_to_get_one(home: Path) -> None:
    found = remembered(home, BUILD).apply(BUILD, EngineOptions())
    assert found.arm.build == BUILD
    assert found.why.reason == "not measured for chat here: `freehold bench m:q4_1` does"


def test_a_winner_whose_build_or_engine_is_gone_gives_way_and_says_so(home: Path) -> None:
    write(home, report())
    options = EngineOptions(workload="batch")
    found = remembered(home, BUILD).apply(BUILD, options)
    assert (found.arm.build, found.arm.settings) == (BUILD, {})
    assert "in q8_0 that won on 2026-11-29 is not held any more" in found.why.reason
    gone = {**report()["winner"], "engine": "openvino"}
    write(home, report(winner=gone, engines=VERSIONS))
    found = remembered(home, BUILD, REPACKED, versions={"llama.cpp": "1"}).apply(BUILD, options)
    assert found.arm.engine == "llama.cpp"
    assert found.why.reason == "openvino was the fastest on 2026-11-29 and is not installed any more"
