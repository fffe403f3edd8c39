"""What the Admin page asks the house for: only for administrators, without a word of what was asked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.commands import bearer, made
from tests.integration.house_process import HELLO, RunningHouse, rest_of, running_house, until

TOML = """
[server]
port = 0
[endpoints]
small = "fake:small?tokens=3"
endless = "fake:endless?rate=50&tokens=100000&context=200000"
"""
CHAT = "/v1/chat/completions"
DEEDS = ("/api/admin/stop", "/api/admin/revoke")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunningHouse]:
    with running_house(tmp_path, TOML) as running:
        yield running


def shown(house: RunningHouse, key: str) -> str:
    reply = house.ask("GET", "/ui/admin", headers=bearer(key))
    assert reply.status == 200
    return reply.raw.decode()


def test_only_who_has_the_scope_sees_and_ends_what_others_do(house: RunningHouse) -> None:
    ada = made("ada")
    for path in DEEDS:
        assert house.ask("POST", path, {"number": 1, "key": "x"}).status == 401
        refused = house.ask("POST", path, {"number": 1, "key": "x"}, headers=bearer(ada))
        assert (refused.status, refused.error["code"]) == (403, "forbidden")
    assert house.ask("GET", "/ui/admin", headers=bearer(ada)).status == 403


def test_what_makes_no_sense_changes_nothing(house: RunningHouse) -> None:
    root = bearer(made("root", "--admin"))
    for body in ({}, {"number": "1"}, {"number": True}, {"number": 1.5}):
        assert house.ask("POST", "/api/admin/stop", body, headers=root).status == 400
    assert house.ask("POST", "/api/admin/stop", {"number": 10**30}, headers=root).status == 404
    for wrong in ({}, {"key": 7}, {"key": "house"}):
        assert house.ask("POST", "/api/admin/revoke", wrong, headers=root).status == 400
    assert house.ask("POST", "/api/admin/revoke", {"key": "nobody"}, headers=root).status == 404
    assert house.ask("GET", "/ui/admin", headers=root).status == 200


def test_a_stopped_request_is_told_so_and_the_ledger_says_why(house: RunningHouse) -> None:
    root, ada = made("root", "--admin"), made("ada")
    stream = house.open_stream(CHAT, {"model": "endless", **HELLO}, headers=bearer(ada))
    text = until(lambda: page if "stop-" in (page := shown(house, root)) else "")
    number = int(text.partition('id="stop-')[2].partition('"')[0])
    assert house.ask("POST", "/api/admin/stop", {"number": number}, headers=bearer(root)).status == 200
    rest = rest_of(stream)
    assert b'"code":"stopped_by_admin"' in rest and b"[DONE]" not in rest
    until(lambda: house.busy() == 0)
    again = house.ask("POST", "/api/admin/stop", {"number": number}, headers=bearer(root))
    assert (again.status, "has ended already" in again.error["message"]) == (404, True)
    command = [sys.executable, "-m", "freehold", "ledger", "export"]
    assert '"stopped_by_admin"' in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_nothing_of_what_was_asked_is_shown(house: RunningHouse) -> None:
    root = made("root", "--admin")
    secret = "the takeover of Example Bank"
    for body in (
        {"model": "small", "messages": [{"role": "user", "content": secret}], "temperature": secret},
        {"model": secret, "messages": [{"role": "user", "content": secret}]},
        {"model": "small", "messages": [{"role": "user", "content": secret}]},
    ):
        house.ask("POST", CHAT, body, headers=bearer(root))
    text = shown(house, root)
    assert "invalid_request" in text and "not_found" in text
    assert secret not in text and "takeover" not in text


def test_of_two_endpoints_of_one_model_each_is_shown_with_its_own_worker(tmp_path: Path) -> None:
    rows = 'one = { ref = "fake:x?tokens=3", slots = 1, pinned = true }\ntwo = { ref = "fake:x?tokens=3", slots = 2 }\n'
    with running_house(tmp_path, f"[server]\nport = 0\n[endpoints]\n{rows}") as house:
        assert house.chat("one").status == 200
        text = house.ask("GET", "/ui/admin").raw.decode()
        one, two = (next(row for row in text.split("<tr") if f">{name}<" in row) for name in ("one", "two"))
        assert "ready, pinned" in one and one.count("none") == 0
        assert "stopped" in two and "pinned" not in two and two.count("none") == 2


def test_a_house_without_keys_shows_it_to_whoever_reaches_it_and_says_so(house: RunningHouse) -> None:
    text = house.ask("GET", "/ui/admin").raw.decode()
    assert "This house asks for no key: everybody sees this." in text
