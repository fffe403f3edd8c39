"""What the command line puts over the settings, and how far a pull says it is."""

from __future__ import annotations

import dataclasses
import io
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest

from freehold.cli.output import Output
from freehold.cli.progress import Lines, display_for
from freehold.cli.up import Place, announce, endpoint_name, open_hosts, with_arguments
from freehold.core.errors import CallError
from freehold.core.refs import parse
from freehold.core.settings import EndpointSettings, ServerSettings, Settings

SETTINGS = Settings(Path("/home"), Path("/run"), endpoints={"a": EndpointSettings("a", parse("fake:a"))})


def test_host_and_port_are_put_over_the_file_and_the_rest_stays() -> None:
    changed = with_arguments(SETTINGS, [], Place(host="::1", port=0))
    assert (changed.server.host, changed.server.port) == ("::1", 0)
    assert changed.endpoints == SETTINGS.endpoints and changed.server.drain_s == SETTINGS.server.drain_s


def test_references_are_the_endpoints_instead_of_the_files() -> None:
    refs = [parse("smollm2-135m-instruct:q4_1"), parse("openai:gpt-5"), parse("fake:demo?rate=4")]
    endpoints = with_arguments(SETTINGS, refs, Place()).endpoints
    assert endpoints is not None
    assert {name: str(row.ref) for name, row in endpoints.items()} == {
        "smollm2-135m-instruct": "smollm2-135m-instruct:q4_1",
        "gpt-5": "openai:gpt-5",
        "demo": "fake:demo?rate=4",
    }


def test_an_endpoint_of_the_file_can_be_picked_by_its_name() -> None:
    endpoints = with_arguments(SETTINGS, [parse("a")], Place()).endpoints
    assert endpoints == {"a": EndpointSettings("a", parse("fake:a"))}


def test_two_endpoints_of_one_name_are_refused() -> None:
    with pytest.raises(CallError) as caught:
        with_arguments(SETTINGS, [parse("fake:x"), parse("openai:x")], Place())
    assert "'x'" in caught.value.message and "freehold.toml" in caught.value.hint


def test_an_engine_is_put_over_the_file_and_one_that_there_is_not_is_refused() -> None:
    changed = with_arguments(SETTINGS, [], Place(), engine="openvino")
    assert changed.engine == dataclasses.replace(SETTINGS.engine, engine="openvino")
    with pytest.raises(CallError) as caught:
        with_arguments(SETTINGS, [], Place(), engine="openvin")
    assert "'openvin'" in caught.value.message and "llama.cpp, openvino" in caught.value.hint


def test_a_file_is_named_by_its_stem() -> None:
    assert endpoint_name(parse("./models/own-model.gguf")) == "own-model"


def _announced(**server: Any) -> str:
    stdout = io.StringIO()
    settings = dataclasses.replace(SETTINGS, server=ServerSettings(**server))
    hosts = open_hosts(settings.server.host)
    announce("http://127.0.0.1:8300", settings, Output(stdout=stdout, stderr=io.StringIO()), hosts)
    return stdout.getvalue()


def test_a_house_that_listens_everywhere_says_where_other_machines_reach_it() -> None:
    told = _announced(host="0.0.0.0", hosts=("models.example.org",))
    rows = [row for rows in psutil.net_if_addrs().values() for row in rows if row.family == socket.AF_INET]
    others = [row.address for row in rows if not row.address.startswith(("127.", "169.254."))]
    assert "Other machines can reach it too" in told and "hosts in [server]" in told
    assert "and as models.example.org." in told
    assert all(f"http://{address}:8300" in told for address in others)


def test_a_house_of_this_machine_alone_speaks_of_no_other() -> None:
    assert "machines" not in _announced()


def test_a_pull_in_a_pipe_says_sizes_speed_and_time_left_or_unknown() -> None:
    stderr = io.StringIO()
    display = display_for(Output(stdout=io.StringIO(), stderr=stderr))
    assert isinstance(display, Lines)
    with display:
        display.start("a.gguf", total_bytes=2_000_000, done_bytes=500_000)
        display.advance("a.gguf", 1_500_000)
        display.finish("a.gguf")
        display.start("b.gguf", total_bytes=None)
        display.advance("b.gguf", 1000)
        display.finish("b.gguf")
        display.note("resumed")
    lines = stderr.getvalue().splitlines()
    assert lines[0] == "a.gguf: 2.0 MB, 500.0 kB already here"
    assert lines[1].startswith("a.gguf: 2.0 MB of 2.0 MB, ") and lines[1].endswith("/s, time left 0 s, done")
    assert lines[2] == "b.gguf: unknown size"
    assert "time left unknown" in lines[3] and lines[4] == "resumed"


def test_a_part_that_is_here_already_is_said_to_be_and_nothing_else() -> None:
    stderr = io.StringIO()
    with display_for(Output(stdout=io.StringIO(), stderr=stderr)) as display:
        display.start("a.gguf", total_bytes=56_634_990, done_bytes=56_634_990)
        display.finish("a.gguf")
    assert stderr.getvalue() == "a.gguf: 56.6 MB, already here\n"


def test_a_quiet_pull_says_nothing() -> None:
    stderr = io.StringIO()
    with display_for(Output(quiet=True, stdout=io.StringIO(), stderr=stderr)) as display:
        display.start("a.gguf", total_bytes=1)
        display.advance("a.gguf", 1)
        display.finish("a.gguf")
    assert stderr.getvalue() == ""
