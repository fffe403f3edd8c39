"""Predicted memory against real workers, and the engine's own word through `freehold fit --ask-engine`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from freehold.cli.main import main
from freehold.core import settings
from freehold.core.builds import HeldBuild
from freehold.core.quantity import likeliest
from freehold.engines.llamacpp.engine import LlamaCpp
from freehold.engines.llamacpp.gauge.cells import peak_bytes
from freehold.fit.blueprint import RunShape
from freehold.fit.memory import need
from freehold.fit.read_gguf import blueprint_of_gguf
from freehold.weights.gguf import read_facts
from tests.shapes.states import LFM2, MAMBA2

pytestmark = pytest.mark.engine

MIB = 1 << 20


@pytest.mark.parametrize("run", [RunShape(512, batch_tokens=128), RunShape(512, 4, 64, "q8_0", "q8_0")], ids=str)
async def test_a_real_worker_takes_what_was_predicted(home: Path, smollm2_gguf: Path, run: RunShape) -> None:
    held = HeldBuild("m:q4_1", "m", "sha256:0", (smollm2_gguf,), 98_000_000, read_facts(smollm2_gguf))
    engine = LlamaCpp(runtime_dir=settings.load().runtime_dir, log_dir=home / "logs")
    real = await peak_bytes(engine, held, run, threads=1)
    predicted = likeliest(need(blueprint_of_gguf((smollm2_gguf,)), run).peak_bytes)
    assert real is not None and predicted is not None
    # Never short by more than was promised; what is too much depends on how the C library keeps freed memory.
    assert 0.97 <= predicted / real <= 1.2


def test_the_engine_and_the_arithmetic_stand_side_by_side(
    smollm2_gguf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", str(smollm2_gguf), "--context", "2048", "--slots", "8", "--ask-engine"]
    assert main([*words, "--json"]) == 0
    (build,) = json.loads(capsys.readouterr().out)["builds"]
    said = build["asked_of_engine"]
    assert said["unknown"] is None and said["engine"].startswith("llama.cpp (xllamacpp ")
    assert said["weights_bytes"] == build["weights_bytes"] == {"kind": "exact", "value": 96_576_768}
    assert said["kv_cache_bytes"]["kind"] == "measured", "it was asked, not computed"
    assert said["kv_cache_bytes"]["value"] == build["kv_cache_bytes"]["value"] == 360 * MIB
    assert said["difference_bytes"]["kv_cache_bytes"] == 0
    assert abs(said["difference_bytes"]["compute_bytes"]) < 8 * MIB
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert f"ASKED OF {said['engine']}" in shown
    assert "cache" in shown and "377.5 MB, as computed" in shown


def test_what_the_engine_refuses_does_not_fit_and_its_words_say_why(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = [each for each in LFM2.tensors if each[0] != "blk.3.ffn_up.weight"]
    words = ["fit", str(replace(LFM2, tensors=tensors).write(tmp_path)), "--context", "512"]
    assert main([*words, "--json"]) == 0, "by arithmetic alone nothing is wrong with it"
    capsys.readouterr()
    assert main([*words, "--ask-engine", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    (build,) = found["builds"]
    assert (found["fits"], build["fits"], build["places"]) == (False, False, [])
    said = build["asked_of_engine"]
    assert found["reason"] == build["why_not"] == said["refused"] == said["unknown"]
    assert said["refused"].startswith("llama.cpp refuses it: ") and "blk.3.ffn_up.weight" in said["refused"]
    assert main([*words, "--ask-engine"]) == 1
    shown = capsys.readouterr().out
    assert " yes " not in shown and "blk.3.ffn_up.weight" in shown


def test_of_an_architecture_that_no_arithmetic_knows_the_engine_still_has_a_word(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from freehold.fit import architectures, layers

    known = {name: rules for name, rules in architectures.ARCHITECTURES.items() if name != "mamba2"}
    monkeypatch.setattr(layers, "ARCHITECTURES", known)
    path = MAMBA2.write(tmp_path)
    assert main(["fit", str(path), "--ask-engine", "--json"]) == 4
    (build,) = json.loads(capsys.readouterr().out)["builds"]
    assert build["state_bytes"]["kind"] == "unknown"
    assert build["asked_of_engine"]["state_bytes"]["value"] > 0
    assert build["asked_of_engine"]["difference_bytes"]["state_bytes"] is None
