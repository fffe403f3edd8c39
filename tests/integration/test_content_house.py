"""A served house that keeps what some endpoints are asked: all of it sealed, named, opened and erased in order, and
nothing of it in the clear anywhere, whatever breaks."""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from freehold.ledger.content.check import check
from freehold.ledger.content.house_key import FILE, KeyRing
from freehold.ledger.content.places import places
from freehold.ledger.content.shelf import left
from freehold.ledger.verdict import Verdict
from freehold.ledger.verify import verify
from freehold.python.alone import account
from tests.integration.house_process import RunningHouse, rest_of, running_house, until
from tests.unit.test_deeds_cli import Terminal

CANARY = "quicksilver-heron"
TOML = """
[server]
port = 0
[log]
level = "debug"
[ledger]
mode = "{mode}"
[endpoints]
small = {{ ref = "fake:small?tokens=3", keep_content = "{keep}" }}
endless = {{ ref = "fake:endless?rate=50&tokens=100000&context=200000", keep_content = "30d" }}
other = "fake:other?tokens=3"
"""
CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": f"Hello, {CANARY}!"}]}
ROUTES: dict[str, dict[str, Any]] = {
    CHAT: {**HELLO, "tools": [{"type": "function", "function": {"name": f"find_{CANARY.replace('-', '_')}"}}]},
    "/v1/completions": {"prompt": f"Once, {CANARY}"},
    "/v1/messages": {"max_tokens": 20, **HELLO},
    "/v1/responses": {"input": f"Hello, {CANARY}!"},
    "/v1/embeddings": {"input": [f"a river, {CANARY}", "a stream"]},
    "/v1/tokenize": {"prompt": f"a river, {CANARY}"},
    "/v1/detokenize": {"tokens": [1, 2]},
    "/v1/messages/count_tokens": HELLO,
}
STREAMS = [CHAT, "/v1/completions", "/v1/messages", "/v1/responses"]
freehold = pytest.fixture(lambda capsys: Terminal(capsys))


def toml(mode: str = "strict", keep: str = "30 days") -> str:
    return TOML.format(mode=mode, keep=keep)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunningHouse]:
    with running_house(tmp_path, toml(), stderr=tmp_path / "house.log") as running:
        yield running


def verdict(home: Path) -> Verdict:
    found = verify(home / "ledger")
    check(home / "ledger", found, KeyRing(home / FILE).read)
    return found


def clear(folder: Path) -> list[Path]:
    """Files below `folder` in which the canary stands in the clear."""
    words = (CANARY.encode(), CANARY.replace("-", "_").encode())
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "freehold.toml"]
    return [path for path in files if any(word in path.read_bytes() for word in words)]


def called(path: str) -> str:
    """A request's id for each path."""
    return path.strip("/").replace("/", "-")


def shown(freehold: Terminal, request: str) -> dict[str, Any]:
    code, out, err = freehold("ledger", "show", request, "--reason", "a test")
    assert code == 0, err
    return dict(json.loads(out))


def test_every_route_that_reaches_an_engine_is_kept_and_opens(
    house: RunningHouse, freehold: Terminal, home: Path, tmp_path: Path
) -> None:
    for path, body in ROUTES.items():
        reply = house.ask("POST", path, {"model": "small", **body}, headers={"x-request-id": called(path)})
        assert reply.status == 200
    for path, body in ROUTES.items():
        found = shown(freehold, called(path))
        assert (found["route"], found["endpoint"], found["outcome"], found["partial"]) == (path, "small", "done", False)
        assert found["calls"] and all(call["answer"] is not None for call in found["calls"])
        sent = json.dumps([call["sent"] for call in found["calls"]])
        assert (CANARY in sent) == (CANARY in json.dumps(body))
    assert (verdict(home).findings, verdict(home).contents) == ([], 2 * len(ROUTES))
    assert [access.reason for access in verdict(home).accesses] == ["a test"] * len(ROUTES)
    assert clear(tmp_path) == []


def test_a_stream_is_kept_as_the_whole_answer_it_came_to(
    house: RunningHouse, freehold: Terminal, tmp_path: Path
) -> None:
    for path in STREAMS:
        rest_of(house.open_stream(path, {"model": "small", **ROUTES[path]}, headers={"x-request-id": called(path)}))
    until(lambda: _ended(house))
    for path in STREAMS:
        (call,) = shown(freehold, called(path))["calls"]
        (choice,) = call["answer"]["choices"]
        said = choice["text"] if path == "/v1/completions" else choice["message"]["content"]
        assert said and choice["finish_reason"] and call["answer"]["usage"]["completion_tokens"] == 3
    assert clear(tmp_path) == []


def _ended(house: RunningHouse) -> bool:
    return verify(house.settings.ledger_folder).open == 0


def test_what_is_not_to_be_kept_is_not_and_makes_no_file(house: RunningHouse, home: Path) -> None:
    for path, body in ROUTES.items():
        assert house.ask("POST", path, {"model": "other", **body}).status == 200
    found = verdict(home)
    assert (found.contents, found.requests) == (0, len(ROUTES))
    assert places(home / "ledger" / "content") == []


def test_a_client_that_leaves_keeps_the_part_that_was_made(
    house: RunningHouse, freehold: Terminal, home: Path, tmp_path: Path
) -> None:
    body = {"model": "endless", **HELLO}
    client = house.open_stream(CHAT, body, headers={"x-request-id": "mine"})
    client.close()
    until(lambda: _ended(house))
    found = shown(freehold, "mine")
    assert (found["outcome"], found["error"], found["partial"]) == ("stopped", "client_gone", True)
    (call,) = found["calls"]
    assert call["answer"]["choices"][0]["message"]["content"]
    assert verdict(home).findings == [] and clear(tmp_path) == []


def test_an_engines_error_is_kept_as_one_and_shows_no_prompt(
    house: RunningHouse, freehold: Terminal, home: Path, tmp_path: Path
) -> None:
    long = f"{CANARY} " * 300_000
    body = {"model": "endless", "messages": [{"role": "user", "content": long}]}
    reply = house.ask("POST", CHAT, body, headers={"x-request-id": "mine"})
    assert reply.status == 400 and CANARY not in reply.raw.decode()
    found = shown(freehold, "mine")
    assert (found["error"], found["partial"], found["calls"][0]["answer"]) == ("context_length_exceeded", True, None)
    client = house.open_stream(CHAT, {"model": "endless", **HELLO})
    for worker in house.workers():
        worker.kill()
    rest_of(client)
    until(lambda: _ended(house))
    assert verdict(home).findings == [] and clear(tmp_path) == []


def test_exports_pages_and_metrics_hold_nothing_of_it(house: RunningHouse, freehold: Terminal, tmp_path: Path) -> None:
    assert house.ask("POST", CHAT, {"model": "small", **HELLO}).status == 200
    code, out, _ = freehold("ledger", "export")
    assert code == 0 and CANARY not in out
    for path in ("/usage", "/metrics", "/api/usage", "/admin", "/v1/models"):
        assert CANARY.encode() not in house.ask("GET", path).raw
    assert clear(tmp_path) == []


def test_erased_while_the_house_runs_it_is_gone_and_the_ledger_says_so(
    house: RunningHouse, freehold: Terminal, home: Path
) -> None:
    for number in range(4):
        headers = {"x-request-id": f"req-{number}"}
        assert house.ask("POST", CHAT, {"model": "small", **HELLO}, headers=headers).status == 200
    code, out, _ = freehold("ledger", "erase", "req-1", "--dry-run")
    assert code == 0 and "req-1" in out and verdict(home).erasures == []
    code, _, err = freehold("ledger", "erase", "req-1", "--yes")
    assert code == 2 and "without a reason" in err
    code, _, err = freehold("ledger", "erase", "req-1", "--reason", "asked")
    assert code == 2 and "without a yes" in err
    code, out, err = freehold("ledger", "erase", "req-1", "--reason", "asked\nby the customer", "--yes")
    assert (code, out) == (0, "What 1 request asked and was answered is erased.\n") and "backups" in err
    code, _, err = freehold("ledger", "show", "req-1")
    assert code == 1 and "was erased on" in err and "asked by the customer" in err
    assert shown(freehold, "req-2")["calls"]
    code, out, err = freehold("ledger", "verify")
    assert code == 0 and "Note: content of request 5 was erased on" in err and "asked by the customer" in err
    assert "kept content was opened 1 time, last by" in err
    code, _, err = freehold("ledger", "erase", "req-1", "--reason", "again", "--yes")
    assert code == 1
    code, told = freehold.json("ledger", "erase", "--endpoint", "small", "--reason", "all", "--yes")
    assert (code, told["requests"], told["contents"]) == (0, 3, 6)
    assert house.ask("POST", CHAT, {"model": "small", **HELLO}).status == 200
    assert verdict(home).findings == []


def test_opened_erased_and_rekeyed_in_a_house_that_is_stopped(tmp_path: Path, freehold: Terminal, home: Path) -> None:
    with running_house(tmp_path, toml()) as house:
        for number in range(3):
            headers = {"x-request-id": f"req-{number}"}
            assert house.ask("POST", CHAT, {"model": "small", **HELLO}, headers=headers).status == 200
    assert CANARY in json.dumps(shown(freehold, "req-0"))
    assert freehold("ledger", "erase", "--admission", "5", "--reason", "asked", "--yes")[0] == 0
    assert freehold("ledger", "new-key")[0] == 0
    assert CANARY in json.dumps(shown(freehold, "req-2"))
    found = verdict(home)
    assert (found.findings, len(found.accesses), [each.first for each in found.erasures]) == ([], 2, [5])
    assert [(each.by, each.made and each.made.segments) for each in found.rekeyings] == [(account(), 1)]
    code, _, err = freehold("ledger", "show", "nobody")
    assert code == 1 and "Nothing was kept of nobody" in err
    with running_house(tmp_path, toml()) as house:
        assert house.ask("POST", CHAT, {"model": "small", **HELLO}, headers={"x-request-id": "req-0"}).status == 200
        code, _, err = freehold("ledger", "show", "req-0")
        assert code == 2 and "2 requests are called req-0" in err and "--admission" in err
    assert verdict(home).findings == []


def test_a_house_erases_at_its_start_what_was_kept_long_enough(tmp_path: Path, freehold: Terminal, home: Path) -> None:
    with running_house(tmp_path, toml()) as house:
        assert house.ask("POST", CHAT, {"model": "small", **HELLO}, headers={"x-request-id": "mine"}).status == 200
    with running_house(tmp_path, toml(keep="1ms")):
        until(lambda: verify(home / "ledger").erasures)
    found = verdict(home)
    assert (found.findings, found.erasures[0].cause, found.erasures[0].requests) == ([], "retention", 1)
    code, _, err = freehold("ledger", "show", "mine")
    assert code == 1 and "by the house: it was kept for as long as its endpoint says" in err
    code, _, err = freehold("ledger", "verify")
    assert code == 0 and "content of 1 request was erased as its time was over" in err


@pytest.mark.parametrize("mode", ["strict", "relaxed"])
def test_killed_again_and_again_it_names_what_is_there_and_keeps_what_it_names(
    tmp_path: Path, mode: str, freehold: Terminal, home: Path
) -> None:
    admitted = 0
    for turn in range(3):
        with pytest.raises(AssertionError, match="killed"), running_house(tmp_path, toml(mode)) as house:
            clients = [house.open_stream(CHAT, {"model": "endless", **HELLO}) for _ in range(3)]
            assert house.ask("POST", CHAT, {"model": "small", **HELLO}, headers={"x-request-id": f"r{turn}"})
            house.process.send_signal(signal.SIGKILL)
            house.process.wait()
            raise AssertionError("killed")
        for client in clients:
            client.close()
        admitted += 4
        found = verdict(home)
        assert (found.findings, found.requests, found.open) == ([], admitted, 3)
    with running_house(tmp_path, toml(mode)):
        pass
    found = verdict(home)
    assert (found.findings, found.open, found.interrupted) == ([], 0, 9)
    kept = sum(1 for place in places(home / "ledger" / "content") for _ in left(place))
    assert kept - sum(each.contents for each in found.unnamed) == found.contents == 9 + 3 * 2
    assert CANARY in json.dumps(shown(freehold, "r1")) and clear(tmp_path) == []
    rows = [json.loads(line) for line in freehold("ledger", "export")[1].splitlines()]
    (cut, *_) = [row["admission"] for row in rows if row["outcome"] == "interrupted"]
    code, out, _ = freehold("ledger", "show", "--admission", str(cut))
    assert code == 0 and json.loads(out)["partial"] is True and CANARY in out


@pytest.mark.parametrize("mode", ["strict", "relaxed"])
def test_a_full_disk_lets_nothing_through_that_is_not_kept_and_the_house_goes_on_when_there_is_room(
    mode: str, home: Path, tmp_path: Path
) -> None:
    with running_house(tmp_path, toml(mode)) as house:
        assert house.ask("POST", CHAT, {"model": "small", **HELLO}).status == 200
        process = psutil.Process(house.process.pid)
        before = process.rlimit(resource.RLIMIT_FSIZE)
        process.rlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        for _ in range(3):
            reply = house.ask("POST", CHAT, {"model": "small", **HELLO})
            assert (reply.status, reply.error["code"]) == (503, "ledger_unavailable")
            assert CANARY not in reply.raw.decode() and "ledger" in reply.error["message"]
        process.rlimit(resource.RLIMIT_FSIZE, before)
        assert until(lambda: house.ask("POST", CHAT, {"model": "small", **HELLO}).status == 200)
        assert (verdict(home).findings, verdict(home).open) == ([], 0)
    assert clear(tmp_path) == []


def test_an_answer_that_cannot_be_kept_is_no_whole_answer(home: Path, tmp_path: Path, freehold: Terminal) -> None:
    inputs = {"input": [f"{CANARY} {number}" for number in range(64)]}
    with running_house(tmp_path, toml()) as house:
        assert house.ask("POST", "/v1/embeddings", {"model": "small", **inputs}).status == 200
        (place,) = places(home / "ledger" / "content")
        process = psutil.Process(house.process.pid)
        before = process.rlimit(resource.RLIMIT_FSIZE)
        # What is asked has room there, and what is answered has not.
        process.rlimit(resource.RLIMIT_FSIZE, (place.sealed.stat().st_size + 2000, before[1]))
        reply = house.ask("POST", "/v1/embeddings", {"model": "small", **inputs}, headers={"x-request-id": "cut"})
        assert (reply.status, reply.error["code"]) == (503, "ledger_unavailable")
        process.rlimit(resource.RLIMIT_FSIZE, before)
        assert until(lambda: house.ask("POST", "/v1/embeddings", {"model": "small", **inputs}).status == 200)
        found = shown(freehold, "cut")
        assert (found["outcome"], found["error"], found["partial"]) == ("failed", "ledger_unavailable", True)
        assert found["calls"][0]["sent"]["input"] == inputs["input"] and found["calls"][0]["answer"] is None
    assert (verdict(home).findings, verdict(home).open) == ([], 0)


def test_a_key_that_others_may_read_keeps_the_house_from_keeping(tmp_path: Path, home: Path) -> None:
    (home / FILE).parent.mkdir(parents=True)
    (home / FILE).write_text("x")
    (home / FILE).chmod(0o644)
    with pytest.raises(AssertionError, match="can be read by other accounts"), running_house(tmp_path, toml()):
        pass


def test_a_reload_begins_and_ends_keeping(tmp_path: Path, home: Path) -> None:
    from freehold import control

    without = toml().replace(', keep_content = "30 days"', "").replace(', keep_content = "30d"', "")
    with running_house(tmp_path, without) as house:
        assert house.ask("POST", CHAT, {"model": "small", **HELLO}).status == 200
        assert not (home / FILE).exists() and verdict(home).contents == 0
        (tmp_path / "freehold.toml").write_text(toml())
        assert "small: what it is asked and answers is kept for 30 days" in control.reload(house.settings)
        assert house.ask("POST", CHAT, {"model": "small", **HELLO}).status == 200
        assert verdict(home).contents == 2
        (tmp_path / "freehold.toml").write_text(without)
        assert any("kept no more" in line for line in control.reload(house.settings))
        assert house.ask("POST", CHAT, {"model": "small", **HELLO}).status == 200
        assert (verdict(home).contents, verdict(home).findings) == (2, [])


def test_only_the_control_socket_erases_and_it_checks_what_it_is_told(house: RunningHouse) -> None:
    for path in ("/admin/erase", "/admin/access", "/admin/rekey"):
        assert house.ask("POST", path, {"contents": [[1, 0, 0]], "by": "eve"}).status == 404


@pytest.mark.engine
def test_the_real_model_is_asked_and_answers_and_both_are_kept(
    tmp_path: Path, smollm2_gguf: Path, freehold: Terminal, home: Path
) -> None:
    code, name, _ = freehold("pull", str(smollm2_gguf), "--in-place", "--quiet")
    assert code == 0
    text = f'[server]\nport = 0\n[endpoints]\nreal = {{ ref = "{name.strip()}", keep_content = "always" }}\n'
    with running_house(tmp_path, text) as house:
        body = {"model": "real", **HELLO, "max_tokens": 12, "temperature": 0}
        reply = house.ask("POST", CHAT, body, headers={"x-request-id": "mine"})
        assert reply.status == 200
        (call,) = shown(freehold, "mine")["calls"]
        assert call["sent"]["messages"] == HELLO["messages"] and call["sent"]["max_tokens"] == 12
        answered = reply.json["choices"][0]["message"]["content"]
        assert call["answer"]["choices"][0]["message"]["content"] == answered
        assert verdict(home).findings == [] and clear(home) == []
