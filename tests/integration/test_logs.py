"""The house's log: one JSON object a line where that was asked for, and never a word of what people ask."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.core.errors import SettingsError
from freehold.core.log_settings import LogSettings
from freehold.core.settings import load
from freehold.server import logs
from tests.integration.house_process import RunningHouse, rest_of, running_house, until

SECRET = "xylophone-5417"
TOML = """
[server]
port = 0
[log]
format = "{form}"
level = "debug"
[endpoints]
small = "fake:small?tokens=3"
endless = "fake:endless?rate=50&tokens=100000&context=200000"
broken = "fake:broken?refuse-start"
angry = "fake:angry?http-500"
odd = "fake:odd?tokens=9&garbage-event=2"
"""
TEXT = f"Do not write down {SECRET}."
SAID = {"messages": [{"role": "user", "content": TEXT}]}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": SECRET}}}
TOOL = {"type": "function", "function": {"name": SECRET, "parameters": {"type": "object", "properties": SECRET}}}
ROUTES: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", SAID),
    ("/v1/chat/completions", {**SAID, "response_format": SCHEMA}),
    ("/v1/chat/completions", {**SAID, "tools": [TOOL]}),
    ("/v1/chat/completions", {"messages": SECRET}),
    ("/v1/completions", {"prompt": TEXT}),
    ("/v1/messages", {"max_tokens": 20, **SAID}),
    ("/v1/messages", {"max_tokens": SECRET, **SAID}),
    ("/v1/messages/count_tokens", SAID),
    ("/v1/responses", {"input": TEXT}),
    ("/v1/responses", {"input": {"odd": SECRET}}),
    ("/v1/embeddings", {"input": [TEXT]}),
    ("/v1/tokenize", {"prompt": TEXT}),
    ("/v1/detokenize", {"tokens": [SECRET]}),
    (f"/v1/{SECRET}", SAID),
]
STREAMED = ["/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses"]


def _ask_everything(house: RunningHouse) -> set[int]:
    statuses = set()
    for path, body in ROUTES:
        for model in ("small", "broken", "angry", "odd", f"no-{SECRET}"):
            statuses.add(house.ask("POST", path, {"model": model, **body}).status)
    for path in STREAMED:
        body = next(said for route, said in ROUTES if route == path)
        rest_of(house.open_stream(path, {"model": "small", **body}))
    for raw in (f'{{"messages": "{SECRET}', f'["{SECRET}"]', f'{{"a": {SECRET}}}'):
        statuses.add(house.ask("POST", "/v1/chat/completions", raw=raw).status)
    for method, path in (("GET", f"/v1/models/{SECRET}"), ("GET", f"/?{SECRET}"), ("DELETE", f"/health?{SECRET}")):
        statuses.add(house.ask(method, path, headers={"x-odd": SECRET}).status)
    return statuses


def _break_things(house: RunningHouse) -> None:
    lost = house.open_stream("/v1/chat/completions", {"model": "endless", **SAID})
    for worker in house.workers():
        worker.kill()
    rest_of(lost)
    until(lambda: house.chat("endless", max_tokens=2).status == 200)
    house.open_stream("/v1/chat/completions", {"model": "endless", **SAID}).close()
    until(lambda: house.busy() == 0)


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_log_has_a_word_of_what_was_asked_also_where_it_failed(tmp_path: Path, home: Path, form: str) -> None:
    said = tmp_path / "said"
    with running_house(tmp_path, TOML.format(form=form), stderr=said) as house:
        statuses = _ask_everything(house)
        assert {200, 400, 404, 405, 502, 503} <= statuses and 500 not in statuses, statuses
        _break_things(house)
    log = said.read_text()
    assert log.count("answered") > 40, "each answer has a line at this level"
    assert SECRET not in log
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" for path in files) and any("records-" in path.name for path in files)
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    if form == "json":
        rows = [json.loads(line) for line in log.splitlines()]
        assert all({"time", "level", "logger", "message"} <= row.keys() for row in rows)
        answered = [row for row in rows if row["message"] == "answered"]
        assert {row["route"] for row in answered} >= {path for path, _ in ROUTES if SECRET not in path}
        assert any("died" in row["message"] or "worker" in row["message"] for row in rows if row["level"] == "warning")


@pytest.fixture
def caught() -> Iterator[io.StringIO]:
    root, own = logging.getLogger(), logging.getLogger("freehold")
    before = (root.handlers, root.level, own.level)
    stream = io.StringIO()
    logs.set_up(LogSettings("json", "info"), stream)
    yield stream
    root.handlers = before[0]
    root.setLevel(before[1])
    own.setLevel(before[2])


def test_a_trace_has_types_and_places_and_nothing_that_was_worked_on(caught: io.StringIO) -> None:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(f"cannot use {SECRET}") from error
    except ValueError:
        logging.getLogger("freehold.server").exception("request %s failed", "req_1")
    row = json.loads(caught.getvalue())
    assert row["message"] == "request req_1 failed"
    assert [line for line in row["trace"] if ":" not in line] == ["ValueError", "KeyError"]
    assert any(line.startswith(f"{__file__}:") for line in row["trace"])
    assert SECRET not in caught.getvalue()


def test_of_what_a_library_says_only_its_own_words_are_kept(caught: io.StringIO) -> None:
    library = logging.getLogger("asyncio")
    library.error("Task exception was never retrieved\nfuture: <Task exception=ValueError('" + SECRET + "')>")
    library.error("socket.send() raised for %s", SECRET)
    first, second = (json.loads(line)["message"] for line in caught.getvalue().splitlines())
    assert first == "asyncio said something that may hold a part of a request, and is left out"
    assert second == "socket.send() raised for %s"


def test_a_line_stays_one_line(caught: io.StringIO) -> None:
    logging.getLogger("freehold.x").warning("one\ntwo %s", "three\r\nfour")
    assert json.loads(caught.getvalue())["message"] == "one two three four"


def test_the_log_is_set_by_file_and_environment_and_a_wrong_word_is_named(tmp_path: Path) -> None:
    (tmp_path / "freehold.toml").write_text('[log]\nformat = "json"\n')
    assert load(folder=tmp_path).log == LogSettings("json", "warning")
    assert load(folder=tmp_path, environment={"FREEHOLD_LOG_LEVEL": "info"}).log == LogSettings("json", "info")
    with pytest.raises(SettingsError, match="FREEHOLD_LOG_FORMAT must be one of text, json, not 'xml'"):
        load(folder=tmp_path, environment={"FREEHOLD_LOG_FORMAT": "xml"})
    (tmp_path / "freehold.toml").write_text('[log]\nlevle = "info"\n')
    with pytest.raises(SettingsError, match="did you mean 'level'"):
        load(folder=tmp_path)
