"""Signing in on the pages: what the cookie is, whom it opens for, and what ends it."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest

from freehold.gateway.access.access import Access
from freehold.gateway.access.book import KeyBook
from freehold.server.guesses import MOST, WITHIN_S, Guesses
from freehold.server.sessions import LIFETIME_S, MOST_OF_ONE_KEY, Sessions
from tests.integration.commands import freehold, made
from tests.integration.house_process import HELLO, Reply, RunningHouse, running_house
from tests.servers.issuer import local_issuer

TOML = """
[server]
port = 0
origins = ["https://tools.example.org"]
[endpoints]
small = "fake:small?tokens=3"
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunningHouse]:
    with running_house(tmp_path, TOML) as running:
        yield running


def sign_in(house: RunningHouse, key: str, **headers: str) -> Reply:
    return house.ask("POST", "/api/sign-in", {"key": key}, headers=headers)


def cookie_of(reply: Reply) -> dict[str, str]:
    (morsel,) = SimpleCookie(reply.headers["set-cookie"]).values()
    return {"cookie": f"{morsel.key}={morsel.value}"}


def models(house: RunningHouse, headers: dict[str, str]) -> int:
    return house.ask("GET", "/v1/models", headers=headers).status


def test_a_key_is_shown_once_for_a_cookie_that_scripts_and_other_sites_cannot_use(house: RunningHouse) -> None:
    key = made("ada")
    reply = sign_in(house, key)
    assert (reply.status, reply.json["owner"], reply.json["admin"]) == (200, "ada", False)
    (morsel,) = SimpleCookie(reply.headers["set-cookie"]).values()
    assert (morsel["httponly"], morsel["samesite"], morsel["path"], morsel["domain"]) == (True, "Strict", "/", "")
    assert LIFETIME_S - 60 <= int(morsel["max-age"]) <= LIFETIME_S
    assert not morsel["secure"], "plain http: the browser would never send it"
    assert key not in reply.headers["set-cookie"] and key.encode() not in reply.raw
    headers = cookie_of(reply)
    assert models(house, headers) == 200
    assert house.ask("POST", "/v1/chat/completions", {"model": "small", **HELLO}, headers=headers).status == 200
    assert house.ask("GET", "/metrics", headers=headers).status == 403


def test_behind_a_proxy_that_speaks_tls_the_cookie_demands_it(house: RunningHouse) -> None:
    key = made("ada")
    host = f"localhost:{house.port}"
    reply = sign_in(house, key, host=host, origin=f"https://{host}")
    assert "; Secure" in reply.headers["set-cookie"] and reply.headers["set-cookie"].startswith("__Host-")
    assert models(house, cookie_of(reply)) == 200


def test_a_wrong_key_gives_no_cookie(house: RunningHouse) -> None:
    made("ada")
    for wrong in ("wrong", "fh_00000000_x", "\u00fc", "x" * 1000):
        reply = sign_in(house, wrong)
        assert reply.status == 401 and "set-cookie" not in reply.headers
    assert house.ask("POST", "/api/sign-in", {"key": 7}).status == 400
    assert house.ask("POST", "/api/sign-in", {}).status == 400
    for forged in ("freehold-1=x", f"freehold-{house.port}=", f"freehold-{house.port}=" + "A" * 43, "=;;;=", "\xff"):
        assert models(house, {"cookie": forged}) == 401


def test_no_other_site_can_sign_in_or_use_the_cookie(house: RunningHouse) -> None:
    key = made("ada")
    headers = cookie_of(sign_in(house, key))
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{house.port + 1}"):
        assert sign_in(house, key, origin=origin).status == 403
        assert models(house, {**headers, "origin": origin}) == 403
        assert house.ask("POST", "/api/sign-out", {}, headers={**headers, "origin": origin}).status == 403
    form = {**headers, "content-type": "application/x-www-form-urlencoded"}
    assert house.ask("POST", "/api/sign-out", raw="a=b", headers=form).status == 415
    tools = {**headers, "origin": "https://tools.example.org"}
    assert models(house, tools) == 401, "a configured origin shows a key of its own"
    assert models(house, headers) == 200


def test_signing_out_ends_the_session_and_not_only_the_cookie(house: RunningHouse) -> None:
    key = made("ada")
    first, second = cookie_of(sign_in(house, key)), cookie_of(sign_in(house, key))
    out = house.ask("POST", "/api/sign-out", {}, headers=first)
    assert out.status == 200 and "Max-Age=0" in out.headers["set-cookie"]
    assert (models(house, first), models(house, second)) == (401, 200)
    assert house.ask("POST", "/api/sign-out", {}).status == 200, "without a cookie there is nothing to end"


def test_signing_in_anew_ends_the_session_before(house: RunningHouse) -> None:
    key = made("ada")
    first = cookie_of(sign_in(house, key))
    second = cookie_of(sign_in(house, key, **first))
    assert (models(house, first), models(house, second)) == (401, 200)


def test_a_revoked_and_a_rotated_key_end_their_sessions_at_once(house: RunningHouse) -> None:
    ada, bob = made("ada"), made("bob")
    of_ada, of_bob = cookie_of(sign_in(house, ada)), cookie_of(sign_in(house, bob))
    freehold("keys", "revoke", "ada")
    assert (models(house, of_ada), models(house, of_bob)) == (401, 200)
    freehold("keys", "rotate", "bob")
    assert models(house, of_bob) == 401


def test_who_is_here_is_told_to_everybody_and_nothing_else(house: RunningHouse) -> None:
    told = house.ask("GET", "/api/session").json
    assert (told["needed"], told["signed_in"], told["admin"], told["takes_tokens"]) == (False, False, True, False)
    key = made("root", "--admin")
    told = house.ask("GET", "/api/session").json
    assert (told["needed"], told["signed_in"], told["owner"], told["admin"]) == (True, False, None, False)
    told = house.ask("GET", "/api/session", headers=cookie_of(sign_in(house, key))).json
    assert (told["signed_in"], told["owner"], told["admin"]) == (True, "root", True)


def test_pages_without_anybody_signed_in_hold_nothing_of_the_house(house: RunningHouse) -> None:
    made("ada-of-accounting")
    for path in ("/", "/models", "/usage", "/admin"):
        page = house.ask("GET", path)
        assert page.status == 200 and b'id="key-form"' in page.raw
        assert b"small" not in page.raw and b"ada-of" not in page.raw
    for path in ("/ui/usage", "/ui/admin", "/api/usage", "/api/catalog", "/api/fit", "/v1/models"):
        assert house.ask("GET", path).status == 401, path
    for path in ("/api/admin/stop", "/api/admin/revoke"):
        assert house.ask("POST", path, {}).status == 401, path


def test_an_address_that_guesses_waits_and_keys_of_the_house_open_meanwhile(tmp_path: Path) -> None:
    with running_house(tmp_path, TOML, FREEHOLD_API_KEY="sesame") as house:
        ada = made("ada")
        session = cookie_of(sign_in(house, ada))
        tried = [sign_in(house, f"guess {number}").status for number in range(MOST + 1)]
        assert tried == [401] * MOST + [429]
        late = sign_in(house, "sesame")
        assert (late.status, late.error["code"]) == (429, "rate_limit_exceeded")
        assert 1 <= int(late.headers["retry-after"]) <= WITHIN_S
        assert models(house, {"authorization": "Bearer sesame"}) == 429
        assert models(house, {"authorization": f"Bearer {ada}"}) == 200
        assert models(house, session) == 200


def test_a_person_signs_in_with_a_token_until_it_ends(tmp_path: Path) -> None:
    with local_issuer() as issuer:
        toml = TOML + f'[sign_on]\nissuer = "{issuer.url}"\naudience = "freehold"\n'
        with running_house(tmp_path, toml) as house:
            token = issuer.token(preferred_username="ada")
            reply = sign_in(house, token)
            assert (reply.status, reply.json["owner"], reply.json["takes_tokens"]) == (200, "ada", True)
            (morsel,) = SimpleCookie(reply.headers["set-cookie"]).values()
            assert int(morsel["max-age"]) <= 331
            assert models(house, cookie_of(reply)) == 200
            freehold("keys", "revoke", "ada")
            assert models(house, cookie_of(reply)) == 401


class _Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class _Call:
    """What a session reads of a request."""

    def __init__(self, cookie: str) -> None:
        self.headers = {b"cookie": f"freehold-1={cookie}".encode()}
        self.scope: dict[str, Any] = {"server": ("127.0.0.1", 1), "scheme": "http"}


def test_a_session_ends_by_itself_and_a_key_has_so_many_at_most(home: Path) -> None:
    book, clock = KeyBook(home), _Clock()
    key, text = book.create("ada")
    sessions = Sessions(Access(book, None), wall_s=clock)
    values = [sessions.open(key, text.encode())[0] for _ in range(MOST_OF_ONE_KEY + 3)]
    found = [sessions.find(_Call(value)) is not None for value in values]  # type: ignore[arg-type]  # all it reads
    assert found == [False] * 3 + [True] * MOST_OF_ONE_KEY
    clock.now_s += LIFETIME_S
    assert sessions.find(_Call(values[-1])) is None  # type: ignore[arg-type]  # all it reads


def test_guesses_are_forgotten_after_a_minute() -> None:
    clock = _Clock()
    guesses = Guesses(now_s=clock)
    for _ in range(MOST):
        guesses.wrong("192.0.2.1")
    with pytest.raises(Exception, match="wrong keys"):
        guesses.require("192.0.2.1")
    guesses.require("192.0.2.2")
    clock.now_s += WITHIN_S
    guesses.require("192.0.2.1")
