"""`freehold fit` of builds that are held: what was measured of them here, and one among them that cannot be read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from freehold import control
from freehold.catalog import Catalog
from freehold.cli.main import main
from freehold.core.builds import HeldBuild, Stamp
from freehold.core.formats import TRIAL
from freehold.core.quantity import Measured
from freehold.core.refs import parse
from freehold.core.settings import load
from freehold.engines.llamacpp.identity import engine_id
from freehold.hardware import calibration, measured_speeds, probe
from freehold.hardware.calibration import Quiet
from freehold.hardware.fingerprint import fingerprint
from freehold.hardware.measured_speeds import MeasuredSpeed, Way
from freehold.python import fitting
from freehold.store.derived import Making, derive
from freehold.store.store import Store
from freehold.trials import record
from tests.calibrations import calibration as invented
from tests.gguf_bytes import KEYS, U32, gguf

ON = "2026-11-20"


@pytest.fixture
def held(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Path]:
    """Two builds of one model, in files of their own; one calls its weights F16."""
    files = {}
    for tag, file_type in (("q4_1", 3), ("f16", 1)):
        files[tag] = tmp_path / f"{tag}.gguf"
        files[tag].write_bytes(gguf({**KEYS, "general.file_type": (U32, file_type)}, rows=4000 + file_type))
        assert main(["pull", str(files[tag]), "--in-place", "--name", f"own:{tag}", "--quiet"]) == 0
    capsys.readouterr()
    return files


def digest(home: Path, tag: str) -> str:
    return Store(home).peek(parse(f"own:{tag}")).digest


def fitted(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, dict[str, Any]]:
    assert main(["fit", "own", *options, "--json"]) == 0
    return {each["tag"]: each for each in json.loads(capsys.readouterr().out)["builds"]}


def test_one_that_cannot_be_read_says_why_and_the_others_stand(
    held: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    held["q4_1"].write_bytes(b"GGUF" + bytes(100))
    rows = fitted(capsys)
    assert rows["q4_1"]["fits"] is None
    assert rows["q4_1"]["why_not"].startswith("its header cannot be read: ")
    assert rows["q4_1"]["total_bytes"]["kind"] == "unknown"
    assert rows["f16"]["fits"] is True
    assert main(["fit", "own:q4_1"]) == 3, "the one that was asked for is refused by what is wrong with it"


def test_what_it_did_here_stands_beside_what_is_estimated(
    held: dict[str, Path], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = fingerprint(probe.machine())
    speed = Measured(138.0, 130.0, 141.0, 3, ON)
    way = Way(machine, digest(home, "q4_1"), engine_id(), 768, 1, ("cache=f16", "threads=2"))
    other_engine = Way(machine, digest(home, "q4_1"), "llama.cpp of last year", 768, 1)
    path = measured_speeds.kept_at(home, machine)
    path.parent.mkdir(parents=True)
    path.write_bytes(measured_speeds.encoded([MeasuredSpeed(way, speed), MeasuredSpeed(other_engine, speed)]))
    rows = fitted(capsys)
    (row,) = rows["q4_1"]["measured_speeds"]
    assert row["generation_tokens_per_s"] == {
        **{"kind": "measured", "value": 138.0, "low": 130.0, "high": 141.0},
        **{"runs": 3, "on": ON},
    }
    assert (row["used_tokens"], row["concurrency"], row["prompt_tokens_per_s"]) == (768, 1, None)
    assert rows["q4_1"]["measured_nearest"] == row, "half of its context of 2,048 is near enough"
    assert rows["q4_1"]["generation_tokens_per_s"]["kind"] != "measured"
    assert (rows["f16"]["measured_speeds"], rows["f16"]["measured_nearest"]) == ([], None)
    assert main(["fit", "own:q4_1"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "MEASURED q4_1" in shown and "138 at 768" in shown
    assert "wrote 138 tokens/s measured (130-141 tokens/s in 3 runs, 2026-11-20) with 768 tokens" in shown
    assert "(cache=f16, threads=2)" in shown
    assert fitted(capsys, "--cache-type", "bf16")["q4_1"]["measured_nearest"] is None, "that was another cache"


def benched(home: Path, against: str, **of: dict[str, Any]) -> None:
    """A record of a bench of `against`, in which builds were as far from its weights as `of` says by tag."""
    arms = [
        {"engine": "llama.cpp", "digest": digest(home, tag), "settings": {}, "fidelity": fidelity}
        for tag, fidelity in of.items()
    ]
    report = {
        "format": TRIAL.newest,
        "machine": fingerprint(probe.machine()),
        "workload": "chat",
        "taken_on": f"{ON}T10",
    }
    record.write(home, {**report, "build": f"own:{against}", "digest": digest(home, against), "arms": arms})


def test_a_loss_that_was_measured_from_whole_weights_takes_the_place_of_the_expected(
    held: dict[str, Path], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benched(home, "f16", q4_1={"nats": 0.25, "error": 0.02}, f16={"nats": 0.001, "error": float("inf")})
    rows = fitted(capsys)
    assert rows["q4_1"]["loss_nats_per_token"] == {
        **{"kind": "measured", "value": 0.25, "low": 0.23, "high": 0.27},
        **{"runs": 1, "on": ON},
    }
    assert rows["f16"]["measured_distance"] is None, "an error without end measures nothing"
    assert main(["fit", "own:q4_1"]) == 0
    assert "0.25 measured (0.23-0.27 in 1 run, 2026-11-20) from own:f16 in 32 bits" in " ".join(
        capsys.readouterr().out.split()
    )


def test_from_weights_that_had_lost_before_it_is_shown_and_is_not_the_loss(
    held: dict[str, Path], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benched(home, "q4_1", q4_1={"nats": 0.003, "error": 0.001})
    row = fitted(capsys)["q4_1"]
    assert row["loss_nats_per_token"]["kind"] == "estimated"
    assert row["measured_distance"]["from"] == "own:q4_1"
    assert row["measured_distance"]["nats_per_token"]["value"] == 0.003


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[" * 100_000, b"[]", b'{"format": 9}', b'{"format": 2, "machine": "M", "arms": [{"engine": 3}]}'],
    ids=("empty", "cut", "deep", "list", "newer", "strange"),
)
def test_a_damaged_record_measures_nothing(
    held: dict[str, Path], home: Path, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    machine = fingerprint(probe.machine())
    folder = record.folder(home, machine)
    folder.mkdir(parents=True)
    (folder / "x.chat.json").write_bytes(data.replace(b"M", machine.encode()))
    assert fitted(capsys)["q4_1"]["measured_distance"] is None


def test_the_engine_is_asked_about_this_machine_and_one_model_alone(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("--ask-engine",), ("llama-3.1-8b-instruct", "--on", "1x l40s", "--ask-engine")):
        assert main(["fit", *words]) == 2
        assert "freehold fit MODEL --ask-engine" in capsys.readouterr().err


def test_of_what_is_not_here_the_engine_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    main(["fit", "smollm2-135m-instruct:q8_0", "--ask-engine", "--json"])
    (build,) = json.loads(capsys.readouterr().out)["builds"]
    said = build["asked_of_engine"]
    assert said["unknown"] == said["weights_bytes"]["reason"] == "no header of it is here: `freehold pull` brings one"
    assert set(said["difference_bytes"].values()) == {None}


async def _repack(folder: Path, stamps: Sequence[Stamp]) -> Sequence[str]:
    (folder / "made.gguf").write_bytes(gguf({**KEYS, "general.file_type": (U32, 7)}, rows=4002))
    return ["made.gguf"]


def test_what_was_made_here_has_lost_what_its_parent_had_and_hides_nothing(
    held: dict[str, Path], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, making = Store(home), Making("small", "repacked", "packer", "1.0")
    parent = store.peek(parse("own:q4_1"))
    asyncio.run(derive(parent, making, _repack, store=store, catalog=Catalog.load()))
    rows = fitted(capsys)
    before, after = (rows[tag]["loss_nats_per_token"] for tag in ("q4_1", "q4_1-small"))
    assert after["low"] >= before["low"] > 0
    assert after["high"] > before["high"]
    benched(home, "q4_1", **{"q4_1-small": {"nats": 0.25, "error": 0.0}})
    measured = fitted(capsys)["q4_1-small"]["loss_nats_per_token"]
    assert measured["kind"] == "estimated", "it was not measured from weights that had lost nothing"
    assert measured["low"] == 0.25
    assert measured["high"] == pytest.approx((before["high"] ** 0.5 + 0.5) ** 2)


def test_the_deeds_are_read_once_for_a_plan_of_what_was_measured(
    held: dict[str, Path], home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    benched(home, "f16", q4_1={"nats": 0.25, "error": 0.02})
    scans: list[Store] = []
    builds = Store.builds

    def counted(store: Store) -> tuple[HeldBuild, ...]:
        scans.append(store)
        return builds(store)

    monkeypatch.setattr(Store, "builds", counted)
    assert fitted(capsys)["q4_1"]["loss_nats_per_token"]["kind"] == "measured"
    assert len(scans) == 1


def test_weights_that_two_workers_map_together_are_taken_once(
    held: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = [{"build": "own:f16", "pid": 7}, {"build": "own:f16", "pid": 8}, {"build": "own:q4_1", "pid": None}]
    monkeypatch.setattr(control, "ps", lambda _: {"workers": workers})
    assert fitting._taken_bytes(load()) == held["f16"].stat().st_size


@pytest.mark.parametrize("noisy", ["other programs had the processor during 40% of the timings", None])
def test_a_measurement_that_was_disturbed_is_said_beside_what_follows_from_it(
    noisy: str | None, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = fingerprint(probe.machine())
    found = replace(invented(fingerprint=machine), engine=engine_id(), quiet=Quiet(1.0, 1.0, 0.4, 0.2, noisy))
    path = calibration.kept_at(home, machine)
    path.parent.mkdir(parents=True)
    path.write_bytes(calibration.encoded(found))
    assert main(["fit", "llama-3.1-8b-instruct", "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["machine"]["notes"]
    assert any("40% of the timings" in note and "to be doubted" in note for note in notes) == (noisy is not None)
