"""The way to an issuer and back without a house around it: where it leads, how long it is remembered, and what a slow
issuer costs. Against a real issuer on loopback."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.core.errors import SignInError, SignOnError
from freehold.core.secret import Secret
from freehold.core.sign_on import CALLBACK, SignOnClient
from freehold.gateway.access.tokens import fetching as module
from freehold.gateway.access.tokens.code_flow import Begun, CodeFlow, begin
from freehold.gateway.access.tokens.discovery import AGAIN_S, FRESH_S, Discovery
from freehold.gateway.access.tokens.fetching import fetching, posting
from freehold.server.away import LIFETIME_S, MOST, Away, Leaving
from tests.servers.accounts import TOKEN, fields_of, query_of
from tests.servers.issuer import DISCOVERY, LocalIssuer, local_issuer

HOUSE = "https://models.bank.example"
BROWSER = b"b" * 43
STATE = "s" * 43


class Clock:
    """A clock that a test moves."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    with local_issuer() as running:
        running.accounts.redirect_uris.append(HOUSE + CALLBACK)
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


def flow_of(issuer: LocalIssuer, clock: Clock, **client: Any) -> CodeFlow:
    discovery = Discovery(issuer.url, fetching(None), now_s=clock)
    return CodeFlow(issuer.url, SignOnClient("freehold-pages", HOUSE, **client), discovery, posting(None))


async def came_back(flow: CodeFlow, issuer: LocalIssuer, begun: Begun) -> dict[str, str]:
    """What somebody comes back with who said yes."""
    return fields_of(query_of(issuer.accounts.sends_back(query_of(await flow.leads_to(begun, STATE)))))


async def test_what_was_begun_is_redeemed_for_an_id_token_and_never_shown(
    issuer: LocalIssuer, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"  # the client's own secret goes before what is known of the host elsewhere
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    flow, begun = flow_of(issuer, clock, secret=Secret("a secret")), begin()
    issuer.accounts.secret = "a secret"
    token = await flow.redeem(begun, await came_back(flow, issuer, begun))
    assert token.count(b".") == 2
    assert begun.verifier not in repr(begun) and "a secret" not in repr(flow.client)
    again = begin()
    assert len({begun.nonce, begun.verifier, again.nonce, again.verifier}) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"authorization_endpoint": "http://login.example.org/authorize"},
        {"authorization_endpoint": "https://a@login.example.org/"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": 7},
        {"authorization_endpoint": None},
    ],
)
async def test_nobody_is_led_to_where_somebody_else_could_be(
    issuer: LocalIssuer, clock: Clock, wrong: dict[str, Any]
) -> None:
    issuer.answers[DISCOVERY] = json.dumps({**issuer.accounts.metadata, "issuer": issuer.url, **wrong}).encode()
    with pytest.raises(SignOnError, match="names no https address for signing in"):
        await flow_of(issuer, clock).leads_to(begin(), STATE)


async def test_an_address_with_a_query_keeps_it(issuer: LocalIssuer, clock: Clock) -> None:
    place = {**issuer.accounts.metadata, "issuer": issuer.url, "authorization_endpoint": issuer.url + "/a?tenant=7"}
    issuer.answers[DISCOVERY] = json.dumps(place).encode()
    assert (await flow_of(issuer, clock).leads_to(begin(), STATE)).startswith(
        issuer.url + "/a?tenant=7&response_type=code&"
    )


async def test_an_issuer_without_a_place_to_sign_out_ends_nothing(issuer: LocalIssuer, clock: Clock) -> None:
    flow = flow_of(issuer, clock)
    assert flow.end_address() is None, "nobody has asked yet"
    for place in (None, 7, "http://login.example.org/logout"):
        told = {**issuer.accounts.metadata, "issuer": issuer.url, "end_session_endpoint": place}
        issuer.answers[DISCOVERY] = json.dumps(told).encode()
        await flow.leads_to(begin(), STATE)
        assert flow.end_address() is None
        clock.now_s += FRESH_S


async def test_many_who_begin_ask_the_issuer_once_and_again_when_it_may_have_changed(
    issuer: LocalIssuer, clock: Clock
) -> None:
    flow = flow_of(issuer, clock)
    await asyncio.gather(*(flow.leads_to(begin(), STATE) for _ in range(20)))
    assert issuer.asked == [DISCOVERY]
    clock.now_s += FRESH_S
    await flow.leads_to(begin(), STATE)
    assert issuer.asked == [DISCOVERY] * 2


async def test_an_issuer_that_is_away_is_asked_now_and_then_however_many_want_it(
    issuer: LocalIssuer, clock: Clock
) -> None:
    issuer.is_down, flow = True, flow_of(issuer, clock)
    failures = await asyncio.gather(*(flow.leads_to(begin(), STATE) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(each, SignOnError) and "status 503" in each.message for each in failures)
    assert issuer.asked == [DISCOVERY]
    issuer.is_down = False
    clock.now_s += AGAIN_S
    await flow.leads_to(begin(), STATE)


async def test_an_issuer_that_hangs_holds_nobody_for_long(
    issuer: LocalIssuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow, begun, over = flow_of(issuer, clock), begin(), threading.Event()
    returned = await came_back(flow, issuer, begun)
    monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
    honest = issuer.answer

    def hang(method: str, target: str, body: bytes, authorization: str | None) -> Any:
        over.wait()
        return honest(method, target, body, authorization)

    monkeypatch.setattr(issuer, "answer", hang)
    try:
        with pytest.raises(SignOnError, match=f"{TOKEN} does not answer: no answer in time"):
            await flow.redeem(begun, returned)
    finally:
        over.set()


LEAVING = Leaving(begin(), "/usage?model=a#b", b"\x00\xff")


def test_who_left_comes_back_once_in_the_same_browser(clock: Clock) -> None:
    away = Away(now_s=clock)
    state, browser = away.leave(LEAVING, BROWSER)
    assert browser == BROWSER.decode()
    spoiled = [state[:at] + ("A" if state[at] != "A" else "B") + state[at + 1 :] for at in range(len(state) - 1)]
    others = [Away(now_s=clock).leave(LEAVING, BROWSER).state, away.leave(LEAVING, b"c" * 43).state]
    for text in (None, "", "x", "\u00fc", "x" * 5000, state[:16], state[:-4], *spoiled, *others):
        with pytest.raises(SignInError, match="did not begin this sign-in"):
            away.back(text, BROWSER)
    for other in (None, b"", b"c" * 43):
        with pytest.raises(SignInError, match="did not begin this sign-in"):
            away.back(state, other)
    assert away.back(state, BROWSER) == LEAVING
    for spelled in (state, state + "=", "!" + state, state + "\n"):
        with pytest.raises(SignInError, match="or it is over"):
            away.back(spelled, BROWSER)


def test_who_takes_too_long_begins_again(clock: Clock) -> None:
    away = Away(now_s=clock)
    state, _ = away.leave(LEAVING, BROWSER)
    clock.now_s += LIFETIME_S
    with pytest.raises(SignInError, match="took over 10 minutes"):
        away.back(state, BROWSER)


def test_what_travels_is_read_by_this_house_alone(clock: Clock) -> None:
    away = Away(now_s=clock)
    first, second = (away.leave(LEAVING, BROWSER).state for _ in range(2))
    shown = base64.urlsafe_b64decode(first + "==")
    assert first != second and not any(each.encode() in shown for each in (LEAVING.begun.verifier, "/usage"))


def test_a_cookie_that_is_none_of_the_houses_is_not_taken_up(clock: Clock) -> None:
    for odd in (None, b"", b"short", b"a" * 42 + b"\n", b"a" * 42 + b";", b"\xff" * 43, b"a" * 5000):
        cookie = Away(now_s=clock).leave(LEAVING, odd).browser
        assert len(cookie) == 43 and cookie.encode() != odd


def test_however_many_leave_and_come_back_nobody_who_left_before_is_forgotten(clock: Clock) -> None:
    away = Away(now_s=clock)
    first, spent = (away.leave(LEAVING, BROWSER).state for _ in range(2))
    away.back(spent, BROWSER)
    for _ in range(MOST):
        away.back(away.leave(LEAVING, BROWSER).state, BROWSER)
    assert away.back(first, BROWSER) == LEAVING
    assert away.back(spent, BROWSER) == LEAVING, "what is kept of the spent is bounded"
