"""The micro-benchmark's arithmetic: files that the house's own reader accepts, and costs that are found again."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from freehold.core.quantity import Measured
from freehold.engines.llamacpp.gauge import plan, solve
from freehold.engines.llamacpp.gauge.disturbance import Window, timed
from freehold.engines.llamacpp.gauge.plan import Pass
from freehold.engines.llamacpp.gauge.program import Bench
from freehold.engines.llamacpp.gauge.shapes import Shape, written
from freehold.fit.read_gguf import blueprint_of_gguf
from freehold.weights.gguf import check_gguf, read_facts

CACHE_BYTES = 32 << 20
THREADS = 2
PASS_S, NODE_S, WIDTH_S, SEQUENCE_S, SAMPLING_S = 1e-4, 2e-6, 3e-10, 5e-5, 6e-9
VOCABULARY_S = 8e-9
LOOK_S = {1: 4e-8, 2: 4e-8, 4: 4e-8, 8: 4e-8, 32: 4e-8, 128: 9e-9}
WEIGHT_S = {1: 7e-11, 2: 1e-10, 4: 2e-10, 8: 3e-10, 32: 9e-10, 128: 3e-9}


@pytest.mark.parametrize("cache_mib", [1, 32, 96, 180, 480, 1152])  # the last: AMD's EPYC 9684X
def test_no_model_has_more_layers_than_the_engine_takes_nor_less_than_the_caches_ask_for(cache_mib: int) -> None:
    cache_bytes = cache_mib << 20
    wanted = min(max(plan.LEAST_BYTES, plan.CACHES * cache_bytes), plan.LARGEST_BYTES)
    for shape in (plan.narrow(cache_bytes), *(plan.wide(kind, cache_bytes) for kind in plan.TYPES)):
        assert shape.layers <= plan.MOST_LAYERS
        assert wanted <= shape.layers * shape.layer_bytes < wanted + shape.layer_bytes


def test_what_native_code_prints_is_no_line_of_the_micro_benchmark() -> None:
    script = (
        "import os; from freehold.engines.llamacpp.gauge import program; program.keep_stdout();"
        "os.write(1, b'[New LWP 1]'); program._say({'tried': True})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert (json.loads(done.stdout), done.stderr) == ({"tried": True}, "[New LWP 1]")


@pytest.mark.parametrize("words", [False, True])
def test_a_made_model_is_a_whole_file_of_the_shape_it_was_asked_for(tmp_path: Path, words: bool) -> None:
    shape = Shape("Q4_0", 3, 256, 512, vocabulary=512)
    path = tmp_path / "made.gguf"
    written(path, shape, {"Q4_0": bytes(range(180)), "F32": bytes(4096)}, words=words)
    assert not check_gguf(path).findings
    assert read_facts(path).parameters == 3 * (shape.layer_weights + 512) + 2 * shape.output_weights + 256
    found = blueprint_of_gguf([path])
    assert (len(found.layers), found.hidden, found.vocabulary) == (3, 256, 512)
    assert sum(each.size_bytes for each in found.tensors or () if each.layer == 0 and each.type == "Q4_0") == (
        shape.layer_bytes
    )


def exactly(seconds: float) -> Measured:
    return Measured(seconds, seconds, seconds, 5, "2026-11-20")


def passed(shape: Shape, tokens: int, held: int = 0) -> Measured:
    """What a pass takes on a machine of those costs; written apart from the solver."""
    total = PASS_S
    for _ in range(shape.layers):
        total += 19 * NODE_S + (tokens - 1) * shape.widths * WIDTH_S + shape.layer_weights * WEIGHT_S[tokens]
        total += shape.heads * tokens * (held + (tokens + 1) / 2) * LOOK_S[tokens]
    return exactly(total)


def test_the_costs_of_an_invented_machine_are_found_again() -> None:
    wide, narrow = plan.wide(plan.BASE, CACHE_BYTES), plan.narrow(CACHE_BYTES)
    found = {(f"weights {plan.BASE}", count, 0): passed(wide, count) for count in plan.AT_ONCE}
    looking = plan.looking(64)
    for count in (1, plan.MANY):
        found["look f16 64", count, 0] = passed(looking, count)
        found["look f16 64", count, plan.LOOKED_AT] = passed(looking, count, plan.LOOKED_AT)
        found["narrow", count, 0] = passed(narrow, count)
    looks = solve.attention(found, THREADS)
    assert looks["f16"][128][1].value == pytest.approx(LOOK_S[1], rel=1e-6)
    assert looks["f16"][128][plan.MANY].value == pytest.approx(LOOK_S[plan.MANY], rel=1e-6)
    found = solve.bare(found, looks["f16"][128], CACHE_BYTES, THREADS)
    parts = solve.parts(
        exactly(PASS_S),
        {count: found["narrow", count, 0] for count in (1, plan.MANY)},
        {count: found[f"weights {plan.BASE}", count, 0] for count in (1, plan.MANY)},
        narrow_shape=narrow,
        wide_shape=wide,
    )
    assert parts.node_s.value == pytest.approx(NODE_S, rel=1e-6)
    assert parts.width_s.value == pytest.approx(WIDTH_S, rel=1e-6)
    weights = solve.weights(found, parts, CACHE_BYTES)
    assert weights.keys() == {plan.BASE}
    assert {count: each.value for count, each in weights[plan.BASE].items()} == pytest.approx(WEIGHT_S, rel=1e-6)


def test_the_types_of_what_is_held_are_timed_before_others() -> None:
    found = plan.ordered(["Q4_1", "F32", "a type that is not timed"])
    assert found[:3] == (plan.BASE, "Q4_1", "F32")
    assert sorted(found) == sorted(plan.TYPES)
    assert plan.ordered(()) == plan.TYPES


def test_what_the_server_takes_is_told_from_what_the_engine_computes() -> None:
    parts = solve.Parts(exactly(PASS_S), exactly(NODE_S), exactly(WIDTH_S))
    base = {count: exactly(each) for count, each in WEIGHT_S.items()}
    found = {}
    for vocabulary, shape in plan.SPOKEN.items():
        for together in plan.SPOKEN_TOGETHER:
            matrices = (shape.layer_weights + shape.output_weights) * WEIGHT_S[together]
            seconds = (
                PASS_S
                + 19 * NODE_S
                + matrices
                + VOCABULARY_S * vocabulary
                + together * (SEQUENCE_S + SAMPLING_S * vocabulary)
            )
            found[f"spoken {vocabulary}", together, 0] = exactly(seconds)
    server = solve.server(found, parts, base)
    assert server.pass_s.value == pytest.approx(PASS_S, rel=1e-6)
    assert server.vocabulary_s.value == pytest.approx(VOCABULARY_S, rel=1e-6)
    assert server.sequence_s.value == pytest.approx(SEQUENCE_S, rel=1e-6)
    assert server.sampling_s.value == pytest.approx(SAMPLING_S, rel=1e-6)


class Model:
    """In the place of a loaded model: keeps how many tokens it holds, and what it was asked."""

    def __init__(self) -> None:
        self.held = 64
        self.asked: list[tuple[int, int, int]] = []

    def forget(self, start: int = 0) -> None:
        self.held = min(self.held, start)

    def decode(self, tokens: int, *, start: int) -> None:
        self.asked.append((tokens, start, self.held))
        self.held = start + tokens


def test_passes_are_timed_in_turn_and_each_finds_the_same_tokens_held(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Model()
    bench = Bench(None, tmp_path, 0.0, cache_bytes=1024)
    bench._rounds("look", model, [Pass(1, 64), Pass(8, 64)], cold=True)  # type: ignore[arg-type]
    assert model.asked[:2] == [(1, 64, 64), (8, 64, 64)], "what fills a window is not known before"
    assert {(start, held) for _, start, held in model.asked} == {(64, 64)}
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(each["probe"], each["tokens"], each["held"]) for each in told} == {("look", 1, 64), ("look", 8, 64)}
    in_turn = [tokens for tokens, _ in groupby(tokens for tokens, _, _ in model.asked)]
    assert [tokens for tokens, _ in groupby(each["tokens"] for each in told)] == in_turn[2:], "the first round warms up"


def test_disturbed_windows_do_not_count_where_enough_are_quiet() -> None:
    quiet = [Window(seconds, 0.0) for seconds in (1.0, 1.1, 1.2)]
    loud = [Window(seconds, 0.5) for seconds in (9.0, 9.1, 9.2, 9.3)]
    found = solve.middle([*loud, *quiet], "2026-11-20")
    assert (found.value, found.low, found.high, found.runs) == (1.1, 1.0, 1.2, 3)
    assert solve.middle([*loud, *quiet[:2]], "2026-11-20").runs == 3


def test_a_timing_says_what_share_of_it_others_had_the_processor(tmp_path: Path) -> None:
    threads = [tmp_path / "task" / name / "schedstat" for name in ("1", "2")]
    for thread in threads:
        thread.parent.mkdir(parents=True)
        thread.write_text("100 2000 3\n")

    def put_aside() -> None:
        threads[0].write_text("200 9000002000 4\n")

    def another_that_hardly_works() -> None:
        threads[1].write_text("200 3000 4\n")

    assert timed(put_aside, process=tmp_path).disturbed
    assert not timed(another_that_hardly_works, process=tmp_path).disturbed
    assert not timed(another_that_hardly_works, process=tmp_path / "gone").disturbed
