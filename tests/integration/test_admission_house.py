"""A served house that is asked more than it can do: who waits, who goes first, who is turned away, who is too late."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from freehold import control
from freehold.app import measures_energy
from tests.integration.commands import bearer, freehold, made
from tests.integration.house_process import HELLO, Reply, RunningHouse, rest_of, running_house, until

# The fake engines take whatever comes: what keeps to the slots is the house.
TOML = """
[server]
port = 0
[admission]
queue = 40
[endpoints]
one = { ref = "fake:one?rate=200&tokens=2", slots = 1 }
two = { ref = "fake:two?rate=100&tokens=10", slots = 2 }
endless = { ref = "fake:endless?rate=20&tokens=3000", slots = 1 }
other = "fake:other?tokens=2"
"""
CHAT = "/v1/chat/completions"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunningHouse]:
    with running_house(tmp_path, TOML) as running:
        # A worker's socket is there before somebody listens at it.
        until(lambda: running.ask("GET", "/health/ready").status == 200)
        yield running


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as pool:
        yield pool


def line(house: RunningHouse, endpoint: str = "endless") -> dict[str, Any]:
    found = control.ps(house.settings)["lines"].get(endpoint)
    return dict(found or {"taken": 0, "waiting": 0, "waiting_batch": 0, "turned_away": 0})


def hold(house: RunningHouse, **headers: str) -> socket.socket:
    """Take the only slot of `endless`, until the socket is closed."""
    return house.open_stream(CHAT, {"model": "endless", **HELLO}, headers=headers)


def chat(house: RunningHouse, model: str = "endless", headers: dict[str, str] | None = None, **fields: Any) -> Reply:
    return house.ask("POST", CHAT, {"model": model, **HELLO, "max_tokens": 2, **fields}, headers=headers)


def admitted(house: RunningHouse) -> list[dict[str, Any]]:
    """What reached an engine, in that order."""
    rows = [json.loads(row) for row in freehold("ledger", "export").stdout.splitlines()]
    return sorted(rows, key=lambda row: int(row["admission"]))


def test_a_worker_has_never_more_at_work_than_its_slots_and_all_that_wait_are_answered(
    house: RunningHouse, threads: ThreadPoolExecutor
) -> None:
    assert chat(house, "two").status == 200  # its worker is there
    replies = [threads.submit(chat, house, "two", max_tokens=10) for _ in range(20)]
    most = waited = 0
    while not all(reply.done() for reply in replies):
        most = max(most, house.busy())
        waited = max(waited, line(house, "two")["waiting"])
    assert most == 2 and waited > 0
    assert {reply.result().status for reply in replies} == {200}
    assert line(house, "two") | {"taken": 0, "waiting": 0} == line(house, "two")


@dataclass(frozen=True)
class Clients:
    openai: openai.OpenAI
    anthropic: anthropic.Anthropic


@pytest.fixture
def clients(house: RunningHouse) -> Iterator[Clients]:
    with (
        openai.OpenAI(base_url=f"{house.address}/v1", api_key="none", max_retries=0) as one,
        anthropic.Anthropic(base_url=house.address, api_key="none", max_retries=0) as other,
    ):
        yield Clients(one, other)


MESSAGES: list[Any] = [{"role": "user", "content": "Hello!"}]
SHORT: dict[str, Any] = {"model": "endless", "messages": MESSAGES, "max_tokens": 2}
ROUTES: dict[str, Callable[[Clients], Any]] = {
    "chat": lambda ask: ask.openai.chat.completions.create(**SHORT),
    "streamed chat": lambda ask: list(ask.openai.chat.completions.create(**SHORT, stream=True)),
    "completions": lambda ask: ask.openai.completions.create(model="endless", prompt="x", max_tokens=2),
    "responses": lambda ask: ask.openai.responses.create(
        model="endless", input="x", max_output_tokens=2, service_tier="flex"
    ),
    "embeddings": lambda ask: ask.openai.embeddings.create(model="endless", input=["x", "y"]),
    "messages": lambda ask: ask.anthropic.messages.create(**SHORT),
}


@pytest.mark.parametrize("route", ROUTES)
def test_unmodified_clients_wait_for_their_turn_on_every_route(
    house: RunningHouse, threads: ThreadPoolExecutor, clients: Clients, route: str
) -> None:
    with hold(house):
        answer = threads.submit(ROUTES[route], clients)
        until(lambda: line(house)["waiting"] == 1)
        assert not answer.done() and house.busy() == 1
        assert line(house)["waiting_batch"] == (route == "responses")
        counted = house.ask("POST", "/v1/tokenize", {"model": "endless", "prompt": "no slot is needed for this"})
        assert counted.status == 200
    assert answer.result(timeout=60)


def test_a_client_that_leaves_while_it_waits_frees_its_place_and_leaves_no_record(house: RunningHouse) -> None:
    raw = json.dumps({"model": "endless", **HELLO}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(raw)}"
    with hold(house):
        client = socket.create_connection(("127.0.0.1", house.port))
        client.sendall(head.encode() + b"\r\n\r\n" + raw)
        until(lambda: line(house)["waiting"] == 1)
        client.close()
        until(lambda: line(house)["waiting"] == 0)
        assert (house.busy(), line(house)["taken"]) == (1, 1)
    until(lambda: house.busy() == 0)
    assert len(admitted(house)) == 1


def test_what_a_full_queue_does_not_take_is_refused_at_once_and_health_is_answered(
    house: RunningHouse, threads: ThreadPoolExecutor, clients: Clients
) -> None:
    with hold(house):
        waiting = [threads.submit(chat, house) for _ in range(40)]
        until(lambda: line(house)["waiting"] == 40)
        refused = chat(house)
        assert (refused.status, refused.error["code"], refused.error["type"]) == (503, "overloaded", "server_error")
        assert "as many requests wait for it as may (40)" in refused.error["message"]
        assert (int(refused.headers["retry-after"]) >= 1, refused.headers["x-should-retry"]) == (True, "true")
        with pytest.raises(openai.InternalServerError) as seen:
            ROUTES["chat"](clients)
        assert (seen.value.status_code, seen.value.code) == (503, "overloaded")
        with pytest.raises(anthropic.APIStatusError) as met:
            ROUTES["messages"](clients)
        body: Any = met.value.body
        assert (met.value.status_code, body["error"]["type"]) == (503, "overloaded_error")
        assert house.ask("GET", "/health").status == 200
        assert line(house)["turned_away"] == 3
        assert house.metric('freehold_queue_turned_away_total{endpoint="endless"}') == 3
        assert house.metric('freehold_queue_waiting{endpoint="endless",priority="interactive"}') == 40
        assert house.metric('freehold_slots{endpoint="endless"}') == 1
        shown = freehold("ps").stdout
        assert "1 of 1" in shown and "40, " in shown
    assert {reply.result(timeout=60).status for reply in waiting} == {200}


def test_a_key_with_many_waiting_does_not_keep_one_with_a_single_request_waiting(
    house: RunningHouse, threads: ThreadPoolExecutor
) -> None:
    crowd, single = made("crowd"), made("single")
    with hold(house, **bearer(crowd)):
        for count in range(20):
            threads.submit(chat, house, headers=bearer(crowd))
            until(lambda: line(house)["waiting"] == count + 1)  # noqa: B023  # looked at before the next one
        last = threads.submit(chat, house, headers=bearer(single))
        until(lambda: line(house)["waiting"] == 21)
    assert last.result(timeout=60).status == 200
    until(lambda: line(house)["waiting"] == 0 and line(house)["taken"] == 0)
    owners = [row["key"] for row in admitted(house)]
    assert len(owners) == 22 and owners.index(single.split("_")[1]) == 1


def test_interactive_requests_go_before_batch_which_a_key_a_header_and_a_field_can_say(
    house: RunningHouse, threads: ThreadPoolExecutor
) -> None:
    person, nightly = made("person"), made("nightly", "--batch")
    low = {"x-freehold-priority": "batch"}
    asked: list[tuple[str, dict[str, str], dict[str, Any]]] = [
        ("by its key, which a header cannot raise", bearer(nightly) | {"x-freehold-priority": "interactive"}, {}),
        ("by a header", bearer(person) | low, {}),
        ("by a field", bearer(person), {"service_tier": "flex"}),
        ("interactive", bearer(person), {}),
    ]
    with hold(house, **bearer(person)):
        for place, (name, headers, fields) in enumerate(asked):
            threads.submit(chat, house, headers={**headers, "x-request-id": name.replace(" ", "-")[:20]}, **fields)
            until(lambda: line(house)["waiting"] == place + 1)  # noqa: B023  # looked at before the next one
        assert line(house)["waiting_batch"] == 3
    until(lambda: line(house)["waiting"] == 0 and line(house)["taken"] == 0)
    assert [row["request"] for row in admitted(house)][1] == "interactive"
    assert "batch" in freehold("keys", "list").stdout
    wrong = chat(house, headers=bearer(person) | {"x-freehold-priority": "urgent"})
    assert (wrong.status, "interactive or batch" in wrong.error["message"]) == (400, True)


def test_a_deadline_that_passes_in_the_queue_keeps_the_request_from_the_engine(house: RunningHouse) -> None:
    with hold(house):
        late = chat(house, headers={"x-freehold-deadline": "0.2"})
    assert (late.status, late.error["code"], late.headers["x-should-retry"]) == (504, "deadline_exceeded", "false")
    assert "within 0.2 s" in late.error["message"]
    assert (line(house)["waiting"], len(admitted(house))) == (0, 1)


def test_what_runs_past_its_deadline_is_ended_and_recorded_so(house: RunningHouse) -> None:
    assert chat(house).status == 200  # its worker is there
    whole = chat(house, max_tokens=3000, headers={"x-freehold-deadline": "0.5"})
    assert (whole.status, whole.error["code"]) == (504, "deadline_exceeded")
    until(lambda: house.busy() == 0)
    stream = hold(house, **{"x-freehold-deadline": "2"})
    rest = rest_of(stream)
    assert b'"code":"deadline_exceeded"' in rest and b"[DONE]" not in rest
    until(lambda: house.busy() == 0)
    assert [row["error"] for row in admitted(house)] == [None, "deadline_exceeded", "deadline_exceeded"]
    for wrong in ("0", "-1", "soon", "nan", "inf", "1e9"):
        refused = chat(house, headers={"x-freehold-deadline": wrong})
        assert (refused.status, "x-freehold-deadline" in refused.error["message"]) == (400, True), wrong


def test_a_turn_that_cannot_come_in_time_is_refused_before_its_deadline(
    house: RunningHouse, threads: ThreadPoolExecutor
) -> None:
    with hold(house) as stream:  # what requests take is measured: this one takes 20 of its events, a second
        seen = b""
        while seen.count(b"data: ") < 20:
            seen += stream.recv(65536)
    until(lambda: line(house)["taken"] == 0)
    with hold(house):
        waiting = [threads.submit(chat, house) for _ in range(10)]
        until(lambda: line(house)["waiting"] == 10)
        refused = chat(house, headers={"x-freehold-deadline": "2"})
        assert (refused.status, refused.error["code"]) == (503, "overloaded")
        assert "would come in about" in refused.error["message"] and int(refused.headers["retry-after"]) >= 1
    assert {reply.result(timeout=60).status for reply in waiting} == {200}


def test_the_house_can_set_a_deadline_and_a_longest_wait_for_everybody(tmp_path: Path) -> None:
    toml = TOML.replace("queue = 40", "wait_s = 0.2\ndeadline_s = 3")
    with running_house(tmp_path, toml) as house:
        until(lambda: chat(house).status == 200)  # its worker is there, however long that took
        stream = hold(house)
        busy = chat(house)
        assert (busy.status, busy.error["code"]) == (503, "overloaded")
        assert "endless is asked more than it can answer" in busy.error["message"]
        assert b'"code":"deadline_exceeded"' in rest_of(stream)


def test_a_request_that_waits_while_its_endpoint_is_repointed_is_answered_where_it_waits(
    house: RunningHouse, threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    stream = hold(house)
    waiting = threads.submit(chat, house)
    until(lambda: line(house)["waiting"] == 1)
    (tmp_path / "freehold.toml").write_text(TOML.replace("fake:endless?rate=20", "fake:endless?rate=21"))
    assert "endless" in freehold("reload").stdout
    assert chat(house).status == 200
    assert not waiting.done()
    stream.close()
    assert waiting.result(timeout=60).status == 200


def test_a_reload_puts_another_bound_in_force(house: RunningHouse, tmp_path: Path) -> None:
    with hold(house):
        (tmp_path / "freehold.toml").write_text(TOML.replace("queue = 40", "queue = 0"))
        assert freehold("reload").returncode == 0
        assert chat(house).error["code"] == "overloaded"


def test_the_time_in_the_queue_is_in_the_ledger(house: RunningHouse, threads: ThreadPoolExecutor) -> None:
    with hold(house):
        answer = threads.submit(chat, house)
        until(lambda: line(house)["waiting"] == 1)
        began_s = time.monotonic()
        until(lambda: line(house)["longest_wait_s"] > 0.1)
        waited_s = time.monotonic() - began_s
    assert answer.result(timeout=60).status == 200
    rows = admitted(house)
    assert rows[1]["queue_us"] >= 1e6 * waited_s
    assert rows[1]["total_us"] >= rows[1]["queue_us"]
    assert line(house)["waited"] == 1 and line(house)["waited_s"] >= waited_s


def test_a_key_that_is_revoked_ends_its_waiting_too(house: RunningHouse, threads: ThreadPoolExecutor) -> None:
    ada, bob = made("ada"), made("bob")
    with hold(house, **bearer(bob)):
        waiting = threads.submit(chat, house, headers=bearer(ada))
        until(lambda: line(house)["waiting"] == 1)
        assert freehold("keys", "revoke", "ada").returncode == 0
        assert waiting.result(timeout=60).status == 401
        assert line(house)["waiting"] == 0


def test_a_remote_endpoint_is_sent_no_more_at_once_than_its_slots(
    house: RunningHouse, threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    (tmp_path / "near").mkdir()
    toml = f'[server]\nport = 0\n[endpoints]\nfar = {{ ref = "openai+{house.address}/v1:two", slots = 1 }}\n'
    with running_house(tmp_path / "near", toml, FREEHOLD_HOME=str(tmp_path / "near-home")) as near:
        assert chat(near, "far").status == 200  # and so are the workers
        replies = [threads.submit(chat, near, "far", max_tokens=10) for _ in range(6)]
        most = 0
        while not all(reply.done() for reply in replies):
            most = max(most, house.busy())
        assert most == 1
        assert {reply.result().status for reply in replies} == {200}


def test_a_worker_that_dies_keeps_nobody_waiting_for_ever(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    toml = '[server]\nport = 0\n[endpoints]\nfrail = { ref = "fake:frail?die-after=3&tokens=9", slots = 1 }\n'
    with running_house(tmp_path, toml) as house:
        replies = [threads.submit(chat, house, "frail", max_tokens=9) for _ in range(4)]
        assert {reply.result(timeout=60).status for reply in replies} <= {502, 503}
        until(lambda: line(house, "frail")["taken"] == 0)


def test_a_budget_of_energy_is_refused_where_the_machine_does_not_measure_it(house: RunningHouse) -> None:
    if measures_energy():
        pytest.skip("this machine has a counter")
    done = freehold("keys", "create", "ada", "--wh-per-day", "5")
    assert (done.returncode, "does not measure energy" in done.stderr) == (2, True)
    assert not freehold("keys", "list", "--quiet").stdout
