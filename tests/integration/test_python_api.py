"""The Python API on the real engine and the real small model, and on the fake: what a program may rely on."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import freehold
from freehold.core.settings import load

pytestmark = pytest.mark.engine
NAME = "smollm2-135m-instruct"
CITY = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "large": {"type": "boolean"}},
    "required": ["name", "large"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[freehold.Settings]:
    """A home for the one model that the tests of this file share."""
    runtime = tempfile.mkdtemp(prefix="fh-")
    environment = {"FREEHOLD_HOME": str(tmp_path_factory.mktemp("home")), "XDG_RUNTIME_DIR": runtime}
    yield load(environment=environment)
    shutil.rmtree(runtime)


@pytest.fixture(scope="module")
def model(smollm2_gguf: Path, settings: freehold.Settings) -> Iterator[freehold.Model]:
    with freehold.open(str(smollm2_gguf), slots=2, context_tokens=1024, settings=settings) as opened:
        yield opened


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_a_file_is_opened_where_it_lies_and_answers(model: freehold.Model, settings: freehold.Settings) -> None:
    answer = model.chat("What is the capital of France?", max_tokens=20, temperature=0)
    assert answer.text == model.chat("What is the capital of France?", max_tokens=20, temperature=0).text != ""
    assert answer.usage.prompt_tokens is not None and answer.usage.prompt_tokens > 10
    assert answer.usage.completion_tokens is not None and answer.usage.completion_tokens <= 20
    assert answer.digest is not None and answer.digest.startswith("sha256:")
    assert answer.timings is not None and answer.timings["predicted_per_second"] > 0
    copies = [file for file in settings.home.rglob("*.gguf") if not file.is_symlink() and file.stat().st_nlink == 1]
    assert copies == []


def test_what_is_held_opens_by_its_name(model: freehold.Model, settings: freehold.Settings) -> None:
    assert [build.model for build in freehold.builds(settings)] == [NAME]
    with freehold.open(NAME, slots=1, context_tokens=512, settings=settings) as by_name:
        asked: dict[str, Any] = {"max_tokens": 8, "temperature": 0}
        assert by_name.chat("Say hello.", **asked).text == model.chat("Say hello.", **asked).text


def test_a_stream_says_what_the_answer_says(model: freehold.Model) -> None:
    with model.stream("Count to five.", max_tokens=24, temperature=0) as stream:
        said = "".join(delta.text for delta in stream)
    assert said == stream.answer.text == model.chat("Count to five.", max_tokens=24, temperature=0).text
    assert stream.answer.usage.completion_tokens == 24 or stream.answer.finish_reason == "stop"


def test_a_stream_that_is_left_early_keeps_what_was_said_and_frees_the_model(model: freehold.Model) -> None:
    with model.stream("Tell a very long story.", max_tokens=900) as stream:
        first = next(stream).text
    assert stream.answer.text.startswith(first) and stream.answer.finish_reason is None
    with pytest.raises(StopIteration):
        next(stream)
    assert model.chat("Hi", max_tokens=2).usage.completion_tokens is not None


def test_a_schema_shapes_the_answer(model: freehold.Model) -> None:
    city = model.chat("Describe Paris.", schema=CITY, max_tokens=80, temperature=0).json()
    assert set(city) == {"name", "large"} and isinstance(city["large"], bool)


def test_text_goes_on_without_a_template(model: freehold.Model) -> None:
    assert model.complete("The capital of France is", max_tokens=3, temperature=0).text.strip().startswith("Paris")


def test_embeddings_keep_order_and_are_of_unit_length(model: freehold.Model) -> None:
    got = model.embed(["a river", "a stream", "an invoice"]).vectors
    assert len(got) == 3 and {len(vector) for vector in got} == {576}
    assert all(abs(sum(x * x for x in vector) - 1) < 1e-3 for vector in got)
    assert model.embed("a stream").vectors[0] == pytest.approx(got[1], abs=1e-3)


def test_tokens_are_the_engines_own(model: freehold.Model) -> None:
    tokens = model.tokenize("hello world")
    assert model.detokenize(tokens).strip() == "hello world"
    counted = model.count("hello world")
    assert counted == model.chat("hello world", max_tokens=1).usage.prompt_tokens


def test_a_prompt_over_the_context_is_refused_with_both_counts(model: freehold.Model) -> None:
    with pytest.raises(freehold.errors.ContextLengthError) as caught:
        model.chat("word " * 3000)
    assert caught.value.data["prompt_tokens"] > caught.value.data["context_tokens"] > 0


def test_several_threads_ask_at_once(model: freehold.Model) -> None:
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.append(model.chat("Say yes.", max_tokens=4, temperature=0).text))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4 and len(set(answers)) == 1


async def test_the_synchronous_call_works_under_a_running_loop(smollm2_gguf: Path) -> None:
    with freehold.open(str(smollm2_gguf), slots=1, context_tokens=512) as model:
        assert model.chat("Hi", max_tokens=2).text


async def test_the_asynchronous_twin_answers_many_at_once(smollm2_gguf: Path) -> None:
    async with await freehold.open_async(str(smollm2_gguf), slots=2, context_tokens=1024) as model:
        answers = await asyncio.gather(*(model.chat(text, max_tokens=4) for text in ("a", "b", "c")))
        assert all(answer.text for answer in answers)
        async with model.stream("Count.", max_tokens=8) as stream:
            assert "".join([delta.text async for delta in stream]) == stream.answer.text


def test_closing_leaves_no_process(smollm2_gguf: Path) -> None:
    before = _children()
    model = freehold.open(str(smollm2_gguf), slots=1, context_tokens=512)
    assert len(_children() - before) >= 1
    model.close()
    assert _children() <= before
    model.close()
    with pytest.raises(freehold.errors.CallError) as caught:
        model.chat("Hi")
    assert "closed" in caught.value.message


def test_swapping_is_one_line(smollm2_gguf: Path) -> None:
    for ref in (str(smollm2_gguf), NAME, "fake:demo"):
        with freehold.open(ref) as model:
            answer = model.chat("Hello!", max_tokens=5)
            assert type(model) is freehold.Model and type(answer) is freehold.Answer
            assert answer.text and answer.endpoint == model.ref


def test_what_is_not_held_names_the_command_that_pulls_it() -> None:
    with pytest.raises(freehold.errors.NotFoundError) as caught:
        freehold.open(NAME)
    assert f"freehold pull {NAME}" in caught.value.hint


def test_a_file_that_is_no_model_is_said_and_leaves_no_process(tmp_path: Path) -> None:
    bad = tmp_path / "page.gguf"
    bad.write_text("<!DOCTYPE html><html>login</html>")
    before = _children()
    with pytest.raises(freehold.errors.WeightsError):
        freehold.open(str(bad))
    assert _children() <= before


OPENED = """
import os, sys, psutil, freehold
model = freehold.open(sys.argv[1], slots=1, context_tokens=512)
print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
"""


def _program(after: str, ref: str) -> subprocess.Popen[str]:
    script = OPENED + textwrap.dedent(after)
    return subprocess.Popen(
        [sys.executable, "-c", script, ref], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _gone(pids: list[int]) -> bool:
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=20)
    return not alive


def test_a_program_that_forgets_to_close_ends_cleanly_and_leaves_no_process(smollm2_gguf: Path) -> None:
    program = _program("", str(smollm2_gguf))
    out, err = program.communicate(timeout=60)
    assert (program.returncode, err) == (0, "")
    workers = [int(pid) for pid in out.split()]
    assert workers and _gone(workers)


def test_a_program_that_is_killed_leaves_no_worker(smollm2_gguf: Path) -> None:
    program = _program("sys.stdin.read()", str(smollm2_gguf))
    assert program.stdout is not None
    workers = [int(pid) for pid in program.stdout.readline().split()]
    assert workers
    os.kill(program.pid, signal.SIGKILL)
    program.communicate(timeout=20)
    assert _gone(workers)
