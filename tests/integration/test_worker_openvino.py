"""OpenVINO, in its lock, on the real small model: how exactly it is converted, what it answers, what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from freehold.core.errors import BuildChangedError, WorkerStartError
from freehold.core.ports import Worker
from freehold.core.settings import EngineOptions
from freehold.engines.openvino import installed
from freehold.engines.openvino.files import FILES
from freehold.store.store import Store
from tests.contract import calls
from tests.contract.conftest import make_llamacpp
from tests.gguf_bytes import gguf
from tests.openvino_builds import Converted, engine, held

pytestmark = pytest.mark.engine

OPTIONS = EngineOptions(engine="openvino", context_tokens=2048, slots=4, lock="require")
SECRET = "xylophone-secret"
TEXTS = (
    "Hello, people of the house: naïve, 42 %, 🙂",
    "<|im_start|>user\nWhat is 1234567?<|im_end|>\n",
    "  two  spaces\n\n\tand a tab; don't, I'll, ÄÖÜ 東京",
)


@pytest.fixture
async def worker(home: Path, openvino_build: Converted) -> AsyncIterator[Worker]:
    one = engine(openvino_build.store).worker(openvino_build.parent, OPTIONS)
    try:
        await one.start()
        yield one
    finally:
        await one.stop()


def test_the_converted_build_has_a_deed_that_names_its_parent_and_was_looked_at(openvino_build: Converted) -> None:
    said = openvino_build.store.deed(openvino_build.build).statement
    assert openvino_build.build.name == f"{openvino_build.parent.name}-openvino"
    assert tuple(file.name for file in said.files) == FILES
    assert said.made_from is not None
    assert (said.made_from.parent, said.made_from.tool) == (openvino_build.parent.digest, "openvino")
    assert said.made_from.tool_version == installed.version()
    assert said.license == openvino_build.store.deed(openvino_build.parent).license
    assert said.verification is not None and said.verification.verdict == "clean"
    assert {"openvino.constant", "template.exec.private"} <= set(said.verification.checks)
    assert said.facts.format == "openvino" and said.facts.chat_template == openvino_build.parent.facts.chat_template
    assert len(openvino_build.store.confirm(openvino_build.build)) == len(FILES)


async def test_it_runs_in_the_whole_lock_keeps_nothing_in_its_home_and_has_no_socket_but_its_own(
    worker: Worker, home: Path
) -> None:
    report, socket_path = worker.report(), worker.upstream.socket_path
    assert report.lock.startswith("seccomp + landlock") and "missing" not in report.lock
    assert report.choices["weights"].value.endswith("-openvino")
    assert (report.choices["engine"].value, report.choices["engine"].origin) == (
        f"OpenVINO {installed.version()}",
        "set",
    )
    await calls.stream(worker.upstream, "/chat/completions", {"messages": [_said(SECRET)], "max_tokens": 4})
    assert socket_path is not None and report.pid is not None and report.log_path is not None
    scratch = Path(socket_path).parent.parent / "t"
    assert [path.name for path in scratch.rglob("*")] == [], "telemetry would keep an identifier here"
    assert psutil.Process(report.pid).net_connections(kind="inet") == []
    assert SECRET not in await asyncio.to_thread(Path(report.log_path).read_text)


async def test_its_tokens_and_their_log_probabilities_are_llama_cpps(
    worker: Worker, smollm2_gguf: Path, home: Path
) -> None:
    """An independent engine on the same file. It keeps activations in 8 bits, so they differ in the second digit; one
    with the weights as the reader rounds them takes another token first."""
    other = make_llamacpp(smollm2_gguf)
    try:
        await other.start()
        for text in TEXTS:
            said = {"content": text}
            ours, theirs = [await calls.call(each.upstream, "//tokenize", said) for each in (worker, other)]
            assert ours == theirs, text
        asked: dict[str, Any] = {"messages": [_said("Name three rivers.")], "max_tokens": 6}
        asked |= {"temperature": 0, "logprobs": True}
        ours, theirs = [(await calls.call(each.upstream, "/chat/completions", asked))[1] for each in (worker, other)]
        assert ours["usage"]["prompt_tokens"] == theirs["usage"]["prompt_tokens"]
        pairs = list(zip(*(each["choices"][0]["logprobs"]["content"] for each in (ours, theirs)), strict=True))
        assert pairs[0][0]["id"] == pairs[0][1]["id"]
        for own, same in pairs:
            if own["id"] != same["id"]:
                break
            assert own["logprob"] == pytest.approx(same["logprob"], abs=0.5), (own["token"], same["token"])
    finally:
        await other.stop()


async def test_a_long_text_is_counted_to_its_end(worker: Worker) -> None:
    _, found = await calls.call(worker.upstream, "//tokenize", {"content": "word " * 12_000})
    assert len(found["tokens"]) > 12_000
    status, body = await calls.call(worker.upstream, "/completions", {"prompt": "word " * 12_000})
    assert (status, body["error"]["n_ctx"]) == (400, 2048)
    assert body["error"]["n_prompt_tokens"] == len(found["tokens"])


async def test_a_schema_that_nothing_can_follow_disturbs_nobody(worker: Worker) -> None:
    asked = {"messages": [_said("Tell a story.")], "max_tokens": 40, "ignore_eos": True}
    story = asyncio.create_task(calls.stream(worker.upstream, "/chat/completions", asked))
    bad = [{"type": "nonsense"}, {"type": "string", "pattern": "^(?=a)b$"}, {"$ref": "#/nope"}, False]
    for schema in bad:
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        status, body = await calls.call(worker.upstream, "/chat/completions", {**asked, "response_format": form})
        assert (status, "JSON schema error" in body["error"]["message"]) == (400, True), schema
    assert calls.choices(await story)[-1]["finish_reason"] == "length"
    assert worker.report().restarts == 0


async def test_many_at_once_with_little_room_are_all_answered_in_full(worker: Worker) -> None:
    asked = {"messages": [_said("Count to ten.")], "max_tokens": 12, "ignore_eos": True}
    answers = await asyncio.gather(*(calls.call(worker.upstream, "/chat/completions", asked) for _ in range(12)))
    assert [(status, body["usage"]["completion_tokens"]) for status, body in answers] == [(200, 12)] * 12


@pytest.mark.parametrize("field", ["tools", "logit_bias", "no_such_field"])
async def test_a_field_it_would_disregard_is_refused_by_name(worker: Worker, field: str) -> None:
    asked = {"messages": [_said("Hello.")], field: [{"type": "function", "function": {"name": "f"}}]}
    status, body = await calls.call(worker.upstream, "/chat/completions", asked)
    assert (status, field in body["error"]["message"]) == (501, True)


async def test_a_converted_file_that_was_changed_is_not_opened(home: Path, openvino_build: Converted) -> None:
    path = openvino_build.build.files[0]
    original = path.read_bytes()
    path.chmod(0o644)
    try:
        path.write_bytes(original.replace(b"</net>", b"<!--x--></net>"))
        one = engine(openvino_build.store).worker(openvino_build.parent, OPTIONS)
        with pytest.raises(WorkerStartError, match=r"openvino_model\.xml.* has .* bytes"):
            await one.start()
        with pytest.raises(BuildChangedError):
            openvino_build.store.confirm(openvino_build.build)
    finally:
        path.write_bytes(original)
        path.chmod(0o444)


async def test_what_its_reader_does_not_take_is_refused_in_words_and_leaves_nothing(
    home: Path, gemma3_gguf: Path, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    gemma = await held(store, gemma3_gguf)
    (tmp_path / "Odd.Q4_1.gguf").write_bytes(gguf())
    odd = await held(store, tmp_path / "Odd.Q4_1.gguf")
    for build, reason in ((gemma, "does not know the architecture 'gemma3'"), (odd, "GGUF reader does not take it")):
        one = engine(store).worker(build, OPTIONS)
        with pytest.raises(WorkerStartError, match=reason) as refused:
            await one.start()
        assert "llama.cpp" in refused.value.hint
        await one.stop()
    assert {build.digest for build in store.builds()} == {gemma.digest, odd.digest}
    assert [path for path in (tmp_path / "store" / "partial").iterdir() if path.is_dir()] == []


async def test_where_it_is_not_installed_the_start_says_how_to_install_it(
    home: Path, smollm2_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "MODULE", "no_module_of_this_name")
    store = Store(tmp_path / "store")
    (tmp_path / "t.gguf").write_bytes(gguf())
    one = engine(store).worker(await held(store, tmp_path / "t.gguf"), OPTIONS)
    with pytest.raises(WorkerStartError, match="OpenVINO, which is not installed") as refused:
        await one.start()
    assert "pip install 'freehold[openvino]'" in refused.value.hint


def test_every_weight_is_the_files_own(openvino_build: Converted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader alone rounds them: the weights of a block are then off by up to half a step."""
    import sys

    monkeypatch.setitem(sys.modules, "openvino_telemetry", None)
    import openvino

    from freehold.engines.openvino.gguf_parts import GgufParts
    from freehold.engines.openvino.mend import mend

    model = openvino.Core().read_model(openvino_build.build.files[0])
    before = [node.get_friendly_name() for node in model.get_ordered_ops()]
    assert mend(model, GgufParts(openvino_build.parent.files[0])) == 211
    assert [node.get_friendly_name() for node in model.get_ordered_ops()] == before, "there was nothing left to mend"


def _said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}
