"""API keys at a served house: made, limited, turned and revoked while it runs."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import bearer, freehold, made
from tests.integration.house_process import DEADLINE_S, HELLO, RunningHouse, rest_of, running_house, until

TOML = """
[server]
port = 0
[endpoints]
small = "fake:small?tokens=3"
large = "fake:large?tokens=400"
narrow = "fake:narrow?tokens=3&context=100"
endless = "fake:endless?rate=50&tokens=100000&context=200000"
"""
CHAT = "/v1/chat/completions"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunningHouse]:
    with running_house(tmp_path, TOML) as running:
        yield running


def ask(house: RunningHouse, key: str, model: str = "small", path: str = CHAT, **fields: Any) -> Any:
    return house.ask("POST", path, {"model": model, **HELLO, **fields}, headers=bearer(key))


def test_the_first_key_locks_a_running_house_at_once_and_revoking_the_last_one_leaves_it_locked(
    house: RunningHouse,
) -> None:
    assert house.chat("small").status == 200
    key = made("ada")
    assert key.startswith("fh_") and len(key) > 50
    assert house.chat("small").status == 401
    assert ask(house, key).status == 200
    assert house.ask("GET", "/v1/models", headers={"x-api-key": key}).status == 200
    assert freehold("keys", "revoke", "ada").returncode == 0
    refused = ask(house, key)
    assert (refused.status, refused.error["code"]) == (401, "invalid_api_key")
    assert "was revoked" in refused.error["message"]
    assert house.chat("small").status == 401


def test_the_first_key_ends_what_is_at_work_without_one(house: RunningHouse) -> None:
    stream = house.open_stream(CHAT, {"model": "endless", **HELLO})
    assert "1 request was ended" in freehold("keys", "create", "ada").stdout
    rest = rest_of(stream)
    assert b'"code":"invalid_api_key"' in rest and b"has a key now" in rest and b"[DONE]" not in rest
    until(lambda: house.busy() == 0)


def test_what_is_wrong_with_a_key_is_said_with_what_would_be_right(house: RunningHouse) -> None:
    made("ada")
    assert freehold("keys", "revoke", "ada").returncode == 0
    for command in ("revoke", "rotate"):
        again = freehold("keys", command, "ada")
        assert again.returncode == 1 and "The key of ada was revoked already, at 20" in again.stderr
    when = freehold("keys", "create", "bob", "--expires", "tomorrow")
    assert when.returncode == 2 and "or a day: 2027-01-31" in when.stderr


def test_no_file_of_the_house_holds_a_key(house: RunningHouse) -> None:
    key = made("ada")
    assert ask(house, key).status == 200
    secret = key.rpartition("_")[2].encode()
    for path in house.settings.home.rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes(), path
    assert (house.settings.home / "access" / "keys.json").stat().st_mode & 0o777 == 0o600


def test_a_wrong_key_opens_nothing_however_near_it_is(house: RunningHouse) -> None:
    key = made("ada")
    for wrong in (key[:-1], key + "x", key.swapcase(), key.split("_")[1], f"fh_{key.split('_')[1]}_", "fh__", "\xff"):
        assert ask(house, wrong).status == 401, wrong


def test_a_key_that_is_revoked_ends_its_streams_and_nobody_elses(house: RunningHouse) -> None:
    ada, bob = made("ada"), made("bob")
    streams = {key: open_stream(house, key) for key in (ada, bob)}
    assert freehold("keys", "revoke", "ada").returncode == 0
    rest = rest_of(streams[ada])
    assert b'"code":"invalid_api_key"' in rest and b"was revoked" in rest and b"[DONE]" not in rest
    until(lambda: house.busy() == 1)
    assert streams[bob].recv(100)
    streams[bob].close()
    until(lambda: house.busy() == 0)


def test_a_key_that_is_revoked_ends_the_answers_that_are_waited_for(house: RunningHouse) -> None:
    key = made("ada")
    program = (
        "import http.client, json, sys\n"
        f"c = http.client.HTTPConnection('127.0.0.1', {house.port})\n"
        "body = json.dumps({'model': 'endless', 'messages': [{'role': 'user', 'content': 'x'}]})\n"
        f"c.request('POST', '{CHAT}', body,"
        f" {{'content-type': 'application/json', 'authorization': 'Bearer {key}'}})\n"
        "r = c.getresponse(); print(r.status, r.read().decode())"
    )
    waiting = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    until(lambda: house.worker_slots() and house.busy() == 1)
    assert "1 request was ended" in freehold("keys", "revoke", "ada").stdout
    said, _ = waiting.communicate(timeout=60)
    assert said.startswith("401 ") and "was revoked" in said
    until(lambda: house.busy() == 0)


def test_a_rotated_key_keeps_its_id_and_the_old_text_opens_as_long_as_was_said(house: RunningHouse) -> None:
    old = made("ada")
    new = json.loads(freehold("keys", "rotate", "ada", "--grace", "1h", "--json").stdout)["key"]
    assert new.split("_")[1] == old.split("_")[1] and new != old
    assert ask(house, old).status == ask(house, new).status == 200
    assert "The old one opens until 20" in freehold("keys", "rotate", "ada", "--grace", "1h").stdout
    said = freehold("keys", "rotate", "ada").stdout
    assert "The old one opens nothing any more." in said
    newest = said.split()[0]
    assert (ask(house, old).status, ask(house, new).status, ask(house, newest).status) == (401, 401, 200)


def test_a_key_does_what_it_is_for_and_nothing_else(house: RunningHouse) -> None:
    key = made("indexer", "--for", "embed", "--endpoint", "small")
    assert ask(house, key, path="/v1/embeddings", input="x").status == 200
    elsewhere = ask(house, key, model="large", path="/v1/embeddings", input="x")
    assert (elsewhere.status, elsewhere.error["code"]) == (403, "forbidden")
    assert "may not ask large" in elsewhere.error["message"]
    assert "embed" in ask(house, key).error["message"]
    listed = house.ask("GET", "/v1/models", headers=bearer(key)).json["data"]
    assert [model["id"] for model in listed] == ["small"]
    assert house.ask("GET", "/v1/models/large", headers=bearer(key)).status == 404
    assert house.ask("GET", "/metrics", headers=bearer(key)).status == 403
    assert house.ask("GET", "/metrics", headers=bearer(made("root", "--admin"))).status == 200


def test_a_daily_budget_refuses_what_exceeds_it_and_says_when_it_opens_again_also_after_a_restart(
    tmp_path: Path,
) -> None:
    with running_house(tmp_path, TOML) as house:
        key = made("ada", "--tokens-per-day", "1000")
        first = ask(house, key, model="large")
        assert first.headers["x-ratelimit-limit-tokens"] == "1000"
        answers = 1
        while (reply := ask(house, key, model="large")).status == 200:
            answers += 1
        assert answers == 3
        refused = reply
        too_large = ask(house, key, max_tokens=10)
        assert too_large.status == 429
    assert (refused.status, refused.error["code"]) == (429, "rate_limit_exceeded")
    assert refused.error["type"] == "rate_limit_error"
    assert "has used its 1,000 tokens for today; it opens again at 20" in refused.error["message"]
    assert refused.error["message"].endswith("T00:00:00Z.")
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    assert (refused.headers["x-should-retry"], refused.headers["x-ratelimit-remaining-tokens"]) == ("false", "0")
    with running_house(tmp_path, TOML) as again:
        assert ask(again, key).status == 429


def test_what_was_cut_off_counts_against_a_budget_too(house: RunningHouse) -> None:
    key = made("ada", "--tokens-per-day", "1000")
    stream = open_stream(house, key)
    seen = b""
    while seen.count(b"data: ") < 25:
        seen += stream.recv(65536)
    stream.close()
    until(lambda: ask(house, key).status == 200)
    assert int(ask(house, key, max_tokens=1).headers["x-ratelimit-remaining-tokens"]) < 1000 - 25


def test_requests_that_come_together_never_take_more_than_the_budget(house: RunningHouse) -> None:
    key = made("ada", "--tokens-per-day", "100")
    with ThreadPoolExecutor(30) as pool:
        replies = list(pool.map(lambda _: ask(house, key, model="large"), range(30)))
    answers = [reply.json for reply in replies if reply.status == 200]
    assert 0 < sum(answer["usage"]["total_tokens"] for answer in answers) <= 100
    refused = [reply for reply in replies if reply.status != 200]
    assert refused and {reply.status for reply in refused} == {429}
    assert used_tokens() <= 100


def test_an_answer_of_open_length_takes_what_is_left_and_no_more(house: RunningHouse) -> None:
    key = made("ada", "--tokens-per-day", "100")
    stream = open_stream(house, key)
    waits = ask(house, key)
    assert (waits.status, waits.headers["retry-after"], waits.headers["x-should-retry"]) == (429, "1", "true")
    assert "requests at work hold back 100 of them" in waits.error["message"]
    assert b'"finish_reason":"length"' in rest_of(stream)
    assert "it opens again at" in ask(house, key).error["message"]
    assert used_tokens() == 100


def test_a_prompt_that_is_longer_than_what_is_left_is_refused_before_it_is_read(house: RunningHouse) -> None:
    key = made("ada", "--tokens-per-day", "50")
    messages = [{"role": "user", "content": "word " * 2000}]
    refused = ask(house, key, max_tokens=3, messages=messages)
    assert refused.status == 429 and "ada has no more than 50 for today" in refused.error["message"]
    assert ask(house, key, path="/v1/embeddings", input="word " * 2000).status == 429
    assert ask(house, key, path="/v1/completions", prompt=["word " * 30, "word " * 30], max_tokens=1).status == 429
    assert used_tokens() == 0
    assert ask(house, key, max_tokens=3).status == 200


def test_a_large_budget_serves_open_answers_side_by_side(house: RunningHouse) -> None:
    key = made("ada", "--tokens-per-day", "1000000")
    streams = [open_stream(house, key) for _ in range(4)]
    for stream in streams:
        stream.close()
    until(lambda: house.busy() == 0)


def test_a_request_that_may_take_more_than_is_left_is_told_how_much_that_is(house: RunningHouse) -> None:
    key = made("ada", "--tokens-per-day", "100")
    assert ask(house, key, max_tokens=50).status == 200
    used = used_tokens()
    reply = ask(house, key, max_tokens=100 - used + 1)
    assert reply.status == 429
    assert f"and {100 - used} are left of the 100" in reply.error["message"] and "max_tokens" in reply.error["message"]


def test_a_request_that_never_fits_is_told_so_and_not_to_wait(house: RunningHouse) -> None:
    key = made("ada", "--tokens-per-day", "100")
    assert ask(house, key, max_tokens=1).status == 200
    reply = ask(house, key, max_tokens=150)
    assert (reply.status, reply.headers.get("retry-after"), reply.headers["x-should-retry"]) == (429, None, "false")
    assert "may take 150 tokens, and ada has no more than 100 for today" in reply.error["message"]
    assert "opens again" not in reply.error["message"]


def test_more_tokens_than_the_context_holds_are_no_more_than_it_holds(house: RunningHouse) -> None:
    key = made("ada", "--tokens-per-day", "200")
    for _ in range(2):
        assert ask(house, key, model="narrow", max_tokens=32_000).status == 200


def test_a_key_for_an_endpoint_that_is_not_there_is_made_and_said_so(house: RunningHouse) -> None:
    done = freehold("keys", "create", "ada", "--endpoint", "smaal", "--endpoint", "large")
    assert done.returncode == 0 and done.stdout.startswith("fh_")
    assert "the endpoint 'smaal', and there is none of that name now. Nearest: small" in done.stderr
    assert "'large'" not in done.stderr
    assert ask(house, done.stdout.split()[0]).status == 403


def test_requests_a_minute_and_at_once_are_limited(house: RunningHouse) -> None:
    quick = made("quick", "--requests-per-minute", "2")
    assert [ask(house, quick).status for _ in range(3)] == [200, 200, 429]
    last = ask(house, quick)
    assert (last.headers["x-ratelimit-limit-requests"], last.headers["x-ratelimit-remaining-requests"]) == ("2", "0")
    assert 1 <= int(last.headers["retry-after"]) <= 60 and last.headers["x-should-retry"] == "true"
    single = made("single", "--at-once", "1")
    stream = open_stream(house, single)
    assert ask(house, single).status == 429
    stream.close()
    assert until(lambda: ask(house, single).status == 200)


@pytest.mark.parametrize("n", [-100_000, "many", 1e300])
def test_what_a_route_does_not_know_makes_no_line_wider_and_no_budget_larger(house: RunningHouse, n: object) -> None:
    key = made("ada", "--tokens-per-day", "100")
    assert ask(house, key, path="/v1/embeddings", input=["a", "b"], n=n).status == 200


def test_a_body_that_comes_after_its_key_was_revoked_is_not_taken(house: RunningHouse) -> None:
    raw = json.dumps({"model": "small", **HELLO}).encode()
    with waiting_for_its_body(house, CHAT, made("ada"), len(raw)) as client:
        assert freehold("keys", "revoke", "ada").returncode == 0
        client.sendall(raw)
        said = rest_of(client)
    assert said.startswith(b"HTTP/1.1 401") and b"was revoked" in said
    assert freehold("ledger", "export").stdout == ""


def test_a_deed_of_an_administrator_who_was_revoked_meanwhile_is_not_done(house: RunningHouse) -> None:
    root, bob = made("root", "--admin"), made("bob")
    raw = json.dumps({"key": bob.split("_")[1]}).encode()
    with waiting_for_its_body(house, "/api/admin/revoke", root, len(raw)) as client:
        assert freehold("keys", "revoke", "root").returncode == 0
        client.sendall(raw)
        assert rest_of(client).startswith(b"HTTP/1.1 401")
    assert ask(house, bob).status == 200


@contextmanager
def waiting_for_its_body(house: RunningHouse, path: str, key: str, size_bytes: int) -> Iterator[socket.socket]:
    """A request of which the house has let in the head, and waits for the rest."""
    lines = [f"POST {path} HTTP/1.1", "host: localhost", f"authorization: Bearer {key}", "expect: 100-continue"]
    lines += ["content-type: application/json", f"content-length: {size_bytes}", "connection: close", "", ""]
    with socket.create_connection(("127.0.0.1", house.port), timeout=DEADLINE_S) as client:
        client.sendall("\r\n".join(lines).encode())
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        yield client


def test_the_ledger_names_the_key(house: RunningHouse) -> None:
    key = made("ada")
    assert ask(house, key).status == 200
    (row,) = [json.loads(line) for line in freehold("ledger", "export").stdout.splitlines()]
    assert row["key"] == key.split("_")[1]


def test_a_house_for_others_starts_once_there_is_a_key(tmp_path: Path) -> None:
    toml = TOML.replace("port = 0", 'port = 0\nhost = "0.0.0.0"')
    (tmp_path / "freehold.toml").write_text(toml)
    refused = freehold("up")
    assert refused.returncode == 2 and "freehold keys create" in refused.stderr
    key = made("ada")
    with running_house(tmp_path, toml) as house:
        assert house.ask("GET", "/v1/models").status == 401
        assert house.ask("GET", "/v1/models", headers=bearer(key)).status == 200


def test_keys_that_cannot_be_read_let_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "freehold.toml").write_text(TOML)
    made("ada")
    (book,) = (tmp_path / "home" / "access").glob("keys.json")
    whole = book.read_bytes()
    for damage in (whole[:-20], b"[]", b'{"format": 99, "keys": []}', whole.replace(b'"owner"', b'"0wner"')):
        book.write_bytes(damage)
        done = freehold("up")
        assert (done.returncode, "keys.json" in done.stderr) == (3, True), done.stderr
    book.write_bytes(whole)
    book.chmod(0o644)
    done = freehold("up")
    assert done.returncode == 3 and "chmod 600" in done.stderr


def used_tokens() -> int:
    """Of all requests, by the ledger."""
    rows = [json.loads(line) for line in freehold("ledger", "export").stdout.splitlines()]
    return sum((row["tokens_in"] or 0) + (row["tokens_out"] or 0) for row in rows)


def open_stream(house: RunningHouse, key: str) -> Any:
    return house.open_stream(CHAT, {"model": "endless", **HELLO}, headers=bearer(key))
