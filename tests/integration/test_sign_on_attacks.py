"""Every way of getting in by the pages' sign-on without being let in there: each is refused, and a page says why."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from freehold.core.sign_on import CALLBACK
from freehold.server.security import SIGN_ON
from tests.integration.house_process import RunningHouse, shared_house
from tests.integration.page_visitor import Visitor, free_port, refused, toml
from tests.servers.accounts import TOKEN, Accounts, Response, fields_of, query_of
from tests.servers.issuer import LocalIssuer, forged, local_issuer

ELSEWHERE = (
    *("https://evil.example/", "//evil.example/", "///evil.example", "/\\evil.example", "/..//evil.example"),
    *("\t//evil.example", "/%2f/evil.example", "http:/usage", "javascript:alert(1)", "/usage\r\nx: y", "/ usage"),
    *("/usage/../x", "", "\u00fc", "models", CALLBACK, "/api/session", "/static/app.js", "//evil.example/usage"),
    *("//[", "http://[", "//[x]/usage"),
)
SPOILED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"nonce": "x" * 43}, "another sign-in"),
    ({"nonce": None}, "another sign-in"),
    ({"nonce": ["x"]}, "another sign-in"),
    ({"nonce": "\ud800"}, "another sign-in"),
    ({"aud": "freehold"}, "none of its `aud`"),
    ({"aud": ["freehold-pages", "other"]}, "for another application"),
    ({"aud": ["freehold-pages", "other"], "azp": "other"}, "for another application"),
    ({"azp": "other"}, "for another application"),
    ({"iss": "https://login.example.org"}, "another issuer"),
    ({"exp": 1}, "had expired when it came. Compare the clocks"),
    ({"iat": 2**40}, "compare the clocks"),
    ({"exp": None}, "&#x27;exp&#x27;"),
    ({"sub": "a\nb"}, "no name"),
    ({"cnf": {"jkt": "x"}}, "bound to a key"),
    ({"head": {"typ": "at+jwt"}}, "opens nothing here"),
    ({"head": {"kid": "nobodys"}}, "does not have"),
    ({"key": "stranger", "head": {"kid": "rsa"}}, "signature is not its issuer"),
)
HOSTILE: tuple[tuple[bytes | Response, str], ...] = (
    (b"x" * (300 * 1024), "gives more than"),
    (b"<html>", "is no JSON"),
    (b"[" * 100_000, "is no JSON"),
    (b"[]", "is no JSON object"),
    (b"{}", "gives no ID token"),
    (b'{"id_token": 7}', "gives no ID token"),
    (b'{"id_token": "\xc3\xbc.b.c"}', "gives no ID token"),
    (b'{"id_token": "\\ud800"}', "is no JSON"),
    (Response(200, gzip.compress(b'{"id_token": "x"}'), {"content-encoding": "gzip"}), "is no JSON"),
    (Response(302, b"", {"location": "http://127.0.0.1:9/"}), "status 302"),
    (Response(500, b"oops"), "status 500"),
    (Response(400, b"oops"), "is no JSON"),
)
NO_TOKENS = (("", "damaged"), ("a.b.c", "damaged"), ("eyJ" + "A" * 20_000, "over 16,384 bytes"), ("\x00", "damaged"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningHouse, LocalIssuer]]:
    """One house for all of it: what one attack leaves behind the next would meet."""
    with (
        local_issuer() as issuer,
        shared_house(tmp_path_factory, toml(issuer, free_port())) as house,
    ):
        yield house, issuer


@pytest.fixture
def house(served: tuple[RunningHouse, LocalIssuer]) -> RunningHouse:
    return served[0]


@pytest.fixture
def issuer(served: tuple[RunningHouse, LocalIssuer]) -> LocalIssuer:
    """An honest one again, which nobody has asked."""
    _, issuer = served
    issuer.answers.clear()
    issuer.accounts = Accounts(issuer.url, issuer.token, redirect_uris=issuer.accounts.redirect_uris)
    return issuer


def test_an_answer_is_good_once(visitor: Visitor, house: RunningHouse, issuer: LocalIssuer) -> None:
    back = visitor.sign_on()
    assert visitor.back(back).status == 303
    twin = Visitor(house, issuer)
    twin.cookies = {**visitor.cookies}
    twin.keeps_only("-away")
    refused(twin, twin.back(back), 400, "did not begin this sign-in, or it is over")
    assert len(issuer.accounts.forms) == 1


def test_a_code_that_was_used_opens_nothing_under_a_new_state(visitor: Visitor, issuer: LocalIssuer) -> None:
    used = fields_of(query_of(visitor.sign_on()))["code"]
    issuer.accounts.codes.pop(used)
    fresh = fields_of(query_of(visitor.sign_on()))
    refused(visitor, visitor.back_with(**{**fresh, "code": used}), 400, "was used before")


def test_somebody_elses_code_is_worth_nothing(visitor: Visitor, house: RunningHouse, issuer: LocalIssuer) -> None:
    """RFC 9700, 4.5: a code that was stolen on its way is put into a sign-in of the thief's own."""
    stolen = fields_of(query_of(visitor.sign_on()))["code"]
    thief = Visitor(house, issuer)
    own = fields_of(query_of(thief.sign_on()))
    refused(thief, thief.back_with(**{**own, "code": stolen}), 400, "says no: the code is not good")


def test_nobody_is_signed_in_with_what_another_browser_began(house: RunningHouse, issuer: LocalIssuer) -> None:
    """RFC 9700, 4.7: the attacker's own answer is given to somebody, who would then work under the attacker's name."""
    attackers = Visitor(house, issuer).sign_on()
    victim = Visitor(house, issuer)
    refused(victim, victim.back(attackers), 400, "This browser did not begin this sign-in")
    victim.leave()
    refused(victim, victim.back(attackers), 400, "This browser did not begin this sign-in")
    mine = fields_of(query_of(victim.sign_on()))
    without = {name: value for name, value in mine.items() if name != "state"}
    states: list[dict[str, str]] = [{}, {"state": "x" * 43}, {"state": ""}, {"state": "\ud7ff\U0001f600"}]
    for state in states:
        refused(victim, victim.back_with(**without, **state), 400, "did not begin")
    assert issuer.accounts.forms == [], "the issuer was asked"


def test_an_id_token_that_is_not_for_this_sign_in_opens_nothing(visitor: Visitor, issuer: LocalIssuer) -> None:
    for spoiled, says in SPOILED:
        issuer.accounts.spoiled = spoiled
        refused(visitor, visitor.back(visitor.sign_on()), 401, says)
    assert len(issuer.accounts.forms) == len(SPOILED)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_an_unsigned_id_token_opens_nothing(visitor: Visitor, issuer: LocalIssuer, algorithm: str) -> None:
    honest = issuer.accounts.mint

    def unsigned(**claims: Any) -> str:
        return ".".join(
            (forged({"alg": algorithm, "kid": "rsa"}, {}).split(".")[0], honest(**claims).split(".")[1], "")
        )

    issuer.accounts.mint = unsigned
    refused(visitor, visitor.back(visitor.sign_on()), 401, "algorithm that is not allowed")


def test_an_answer_of_another_issuer_is_not_taken_to_this_one(visitor: Visitor, issuer: LocalIssuer) -> None:
    """RFC 9207: the mix-up."""
    others: list[dict[str, str]] = [{"iss": "https://evil.example"}, {"iss": issuer.url + "/"}, {}]
    for named in others:
        fields = fields_of(query_of(visitor.sign_on()))
        del fields["iss"]
        refused(visitor, visitor.back_with(**fields, **named), 400, "This answer is not from")
    assert issuer.accounts.forms == []


def test_nobody_is_led_elsewhere_than_to_a_page_of_the_house(visitor: Visitor) -> None:
    for page in (*ELSEWHERE, None, 7, ["/"]):
        reply = visitor.ask("POST", SIGN_ON, {"next": page})
        assert (reply.status, reply.error["param"], "set-cookie" in reply.headers) == (400, "next", False), page


def test_what_the_issuer_says_no_with_is_said_as_text(visitor: Visitor, issuer: LocalIssuer) -> None:
    issuer.accounts.denies = {"error": "access_denied", "error_description": "<script>alert(1)</script>" + "x" * 500}
    denied = visitor.back(visitor.sign_on("/usage"))
    refused(visitor, denied, 400, "says no: you were not let in, or did not want to be (access_denied: &lt;script&gt;")
    assert b"<script>alert" not in denied.raw and b'href="/usage"' in denied.raw
    issuer.accounts.denies = {"error": "{{hint}}", "error_description": "{{page}}"}
    refused(visitor, visitor.back(visitor.sign_on("/usage?{{message}}")), 400, "({{hint}}: {{page}})")
    for error in ("invalid_scope", "what?\x00\u202e"):
        issuer.accounts.denies = {"error": error}
        reply = visitor.back(visitor.sign_on())
        refused(visitor, reply, 400, f"must be registered as freehold-pages, at {visitor.callback}")
    assert issuer.accounts.forms == []


def test_an_answer_that_says_a_thing_twice_or_nothing_is_none(visitor: Visitor, issuer: LocalIssuer) -> None:
    back = visitor.sign_on()
    refused(visitor, visitor.back(back + "&code=x"), 400, "says one thing twice")
    refused(visitor, visitor.back_with(**{f"a{number}": "1" for number in range(50)}), 400, "no answer of a sign-on")
    refused(visitor, visitor.back(CALLBACK), 400, "did not begin")
    fields = fields_of(query_of(back))
    del fields["code"]
    refused(visitor, visitor.back_with(**fields), 400, "neither a code nor a reason")
    assert issuer.accounts.forms == []


def test_whatever_the_token_endpoint_gives_nobody_is_signed_in_by_it(visitor: Visitor, issuer: LocalIssuer) -> None:
    for answer, says in HOSTILE:
        issuer.answers[TOKEN] = answer
        refused(visitor, visitor.back(visitor.sign_on()), 503, says)
    for token, says in NO_TOKENS:
        issuer.answers[TOKEN] = json.dumps({"id_token": token}).encode()
        refused(visitor, visitor.back(visitor.sign_on()), 401, says)
    del issuer.answers[TOKEN]
    assert visitor.back(visitor.sign_on()).status == 303, "the house goes on"


def test_an_error_of_the_token_endpoint_is_said_with_what_must_be_registered(
    visitor: Visitor, issuer: LocalIssuer
) -> None:
    issuer.answers[TOKEN] = Response(400, b'{"error": "invalid_grant", "error_description": "secret things"}')
    reply = visitor.back(visitor.sign_on())
    refused(visitor, reply, 400, f"at {visitor.callback}")
    assert b"secret things" not in reply.raw
    issuer.answers[TOKEN] = Response(401, b'{"error": {"a": 1}}')
    refused(visitor, visitor.back(visitor.sign_on()), 400, "(status 401)")


def test_no_other_site_can_begin_a_sign_in_and_only_a_browser_that_is_led_here_can_end_one(
    visitor: Visitor, house: RunningHouse
) -> None:
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{house.port + 1}"):
        assert visitor.ask("POST", SIGN_ON, {}, origin=origin).status == 403
    cross = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert visitor.ask("POST", SIGN_ON, {}, **cross).status == 403
    assert visitor.ask("GET", SIGN_ON).status == 405
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert house.ask("POST", SIGN_ON, raw="next=/", headers=form).status == 415
    back = urlsplit(visitor.sign_on())
    path = f"{back.path}?{back.query}"
    assert visitor.ask("GET", path, **cross).status == 403
    assert visitor.ask("POST", path, {}).status == 405
    assert visitor.ask("GET", path, **{**cross, "sec-fetch-mode": "navigate"}).status == 303


def test_a_stranger_who_begins_without_end_keeps_nobody_from_signing_in(
    visitor: Visitor, house: RunningHouse, issuer: LocalIssuer
) -> None:
    """Behind a proxy everybody has one address."""
    back, stranger = visitor.sign_on("/usage"), Visitor(house, issuer)
    assert {stranger.ask("POST", SIGN_ON, {}).status for _ in range(200)} == {200}
    assert visitor.back(back).headers["location"] == "/usage"


def test_a_page_too_long_to_travel_loses_what_is_asked_of_it(visitor: Visitor) -> None:
    for page, comes_back_to in (("/usage?" + "a" * 505, "/usage?" + "a" * 505), ("/usage?" + "a" * 506, "/usage")):
        assert visitor.back(visitor.sign_on(page)).headers["location"] == comes_back_to
