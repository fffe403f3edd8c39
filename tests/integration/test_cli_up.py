"""`freehold up` and the commands that speak to the running house, as real processes on the fake engine."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import freehold

FAKE = "fake:demo?rate=400"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "freehold", *arguments]


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )


class House:
    """A house in a process of its own; `address` is what it printed once it listened."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            command("up", *arguments, "--port", "0", "--json"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate()[1])
        self.address: str = json.loads(line)["address"]

    def family(self) -> list[psutil.Process]:
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=40)


@pytest.fixture
def house() -> Iterator[House]:
    running = House(FAKE)
    yield running
    running.end()


def test_references_of_the_command_line_are_served_and_ps_tells_of_them(house: House) -> None:
    told = json.loads(call("ps", "--json").stdout)
    assert told["address"] == house.address and told["pid"] == house.process.pid
    assert [(row["name"], row["target"]) for row in told["endpoints"]] == [("demo", FAKE)]
    assert {"build", "engine", "state", "pid", "memory_bytes", "restarts", "lock", "choices"} <= told["workers"][
        0
    ].keys()
    for arguments in (("ps",), ("ps", "--wide"), ("ps", "demo")):
        shown = call(*arguments)
        assert shown.returncode == 0, shown.stderr
        assert house.address in shown.stdout and "demo" in shown.stdout
    missing = call("ps", "dmo")
    assert missing.returncode == 1 and "demo" in missing.stderr


def test_run_asks_the_running_house_and_starts_no_worker_of_its_own(house: House) -> None:
    answer = json.loads(call("run", "demo", "Hello", "--max-tokens", "4", "--json").stdout)
    assert answer["model"] == "demo" and answer["usage"]["completion_tokens"] == 4
    assert len(json.loads(call("ps", "--json").stdout)["workers"]) == 1


def test_a_proxy_of_the_environment_is_not_asked_on_the_way_to_the_running_house(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    done = call("run", "demo", "Hello", "--max-tokens", "2")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("key", "told"), [(None, "wants its key"), ("another", "refuses the key that FREEHOLD_API_KEY gives")]
)
def test_a_house_with_a_key_asks_this_shell_for_it(key: str | None, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_API_KEY", "open-sesame")
    house = House(FAKE)
    try:
        assert call("run", "demo", "Hello", "--max-tokens", "2").returncode == 0
        monkeypatch.delenv("FREEHOLD_API_KEY")
        if key is not None:
            monkeypatch.setenv("FREEHOLD_API_KEY", key)
        refused = call("run", "demo", "Hello")
        assert refused.returncode == 2 and told in refused.stderr
        assert "Set FREEHOLD_API_KEY here too" in refused.stderr and "key_env" not in refused.stderr
    finally:
        house.end()


def test_a_running_house_is_opened_from_python_like_any_other_model(house: House) -> None:
    with freehold.open(f"openai+{house.address}/v1:demo") as there, freehold.open(FAKE) as here:
        asked: dict[str, Any] = {"max_tokens": 6, "temperature": 0}
        assert there.chat("Hello", **asked).text == here.chat("Hello", **asked).text
        with there.stream("Hello", max_tokens=6) as stream:
            assert "".join(delta.text for delta in stream) == stream.answer.text


def test_a_reload_keeps_the_references_of_the_command_line(house: House) -> None:
    done = call("reload", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"changes": []}), done.stderr
    assert json.loads(call("ps", "--json").stdout)["endpoints"][0]["name"] == "demo"


def test_a_reload_of_what_has_not_changed_says_so_and_asks_for_no_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_API_KEY", "open-sesame")
    house = House(FAKE, "--host", "localhost")
    try:
        done = call("reload")
        assert (done.returncode, done.stdout) == (0, "Read again: no endpoint changed.\n"), done.stderr
    finally:
        house.end()


def test_changing_one_line_and_a_reload_swaps_the_model(tmp_path: Path) -> None:
    file = tmp_path / "freehold.toml"
    file.write_text('[endpoints]\nassistant = "fake:one"\n')
    house = House()
    try:
        file.write_text('[endpoints]\nassistant = "fake:two"\n')
        assert "assistant: fake:one -> fake:two" in call("reload").stdout
        file.write_text('[endpoints]\nassistant = "what/is/this"\n')
        refused = call("reload")
        assert refused.returncode == 2 and "line 2" in refused.stderr
        assert "Refused; nothing has changed." in refused.stderr
        assert json.loads(call("ps", "--json").stdout)["endpoints"][0]["target"] == "fake:two"
        assert call("stop").returncode == 0
    finally:
        house.end()


def test_stop_returns_when_nothing_of_it_is_left(house: House) -> None:
    assert call("run", "demo", "Hi", "--max-tokens", "2").returncode == 0
    family = house.family()
    assert len(family) >= 2
    assert call("stop").stdout == "Stopped.\n"
    out, err = house.process.communicate(timeout=20)
    assert (house.process.returncode, out, err) == (0, "", "")
    assert psutil.wait_procs(family[1:], timeout=10)[1] == []
    assert call("ps").returncode == 1


def test_ctrl_c_ends_it_cleanly(house: House) -> None:
    house.process.send_signal(signal.SIGINT)
    _, err = house.process.communicate(timeout=40)
    assert house.process.returncode in (0, 130) and "Traceback" not in err


def test_a_second_house_of_the_same_home_is_refused_by_name(house: House) -> None:
    second = call("up", FAKE, "--port", "0")
    assert second.returncode != 0 and str(house.process.pid) in second.stderr


def test_an_occupied_port_is_named_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = call("up", FAKE, "--port", str(port))
    assert done.returncode == 3 and str(port) in done.stderr and "--port" in done.stderr


def test_an_address_for_others_wants_a_key() -> None:
    done = call("up", FAKE, "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 2 and "FREEHOLD_API_KEY" in done.stderr


def test_nothing_held_is_said_with_the_command_that_pulls() -> None:
    done = call("up", "--port", "0")
    assert done.returncode == 1 and "freehold pull smollm2-135m-instruct" in done.stderr
    assert "Nothing is held yet." in done.stderr and "freehold up --pull" in done.stderr
    assert "no build named" not in done.stderr


def test_who_started_the_house_is_told_that_it_stopped() -> None:
    process = subprocess.Popen(
        command("up", FAKE, "--port", "0"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=40)[1].endswith("The house has stopped.\n")


@pytest.mark.engine
def test_a_build_in_use_is_not_removed(smollm2_gguf: Path) -> None:
    assert call("pull", str(smollm2_gguf), "--in-place").returncode == 0
    house = House("smollm2-135m-instruct")
    try:
        answer = json.loads(call("run", "smollm2-135m-instruct", "Hi", "--max-tokens", "2", "--json").stdout)
        served = json.loads(call("ps", "--json").stdout)["endpoints"][0]["digest"]
        assert served.startswith("sha256:") and answer["digest"] == served
        refused = call("rm", "smollm2-135m-instruct", "--yes")
        assert refused.returncode == 2 and "in use" in refused.stderr
        wide = call("ps", "--wide").stdout
        assert "threads" in wide and "context" in wide and "seccomp" in wide
    finally:
        house.end()
    assert call("rm", "smollm2-135m-instruct", "--yes").returncode == 0
