"""Tokens of a firm's own sign-on: which open, which do not and why, and how its keys are kept. Against a real issuer
on loopback, with real keys."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import inspect
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from freehold.core.errors import ForbiddenError, FreeholdError, KeyRefusedError, SettingsError, SignOnError
from freehold.core.sign_on import Role, SignOn
from freehold.gateway.access.tokens import tokens as module
from freehold.gateway.access.tokens.fetching import fetching
from freehold.gateway.access.tokens.grants import Grants
from freehold.gateway.access.tokens.issuer import REFRESH_S, RETRY_S, UNKNOWN_WAIT_S, Issuer
from freehold.gateway.access.tokens.keyset import KeySet
from freehold.gateway.access.tokens.tokens import MOST_BYTES, MOST_REMEMBERED, Tokens
from tests.servers.issuer import AUDIENCE, DISCOVERY, KEYS, LocalIssuer, forged, local_issuer, private_key, public_row


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    with local_issuer() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


def tokens_of(issuer: LocalIssuer, clock: Clock, **settings: Any) -> Tokens:
    sign_on = replace(SignOn(issuer.url, (AUDIENCE,)), **settings)
    return Tokens(sign_on, Issuer(sign_on, fetching(None), now_s=clock), time.time)


async def refusal(tokens: Tokens, token: str) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        await tokens.check(token.encode())
    return caught.value


@pytest.mark.parametrize("key", ["rsa", "ec", "ed"])
async def test_a_token_of_each_kind_of_key_opens(issuer: LocalIssuer, clock: Clock, key: str) -> None:
    found = await tokens_of(issuer, clock).check(issuer.token(key, preferred_username="ada").encode())
    assert (found.person.id, found.person.owner, found.person.is_person) == ("sub:1234", "ada", True)
    assert found.until_s == pytest.approx(time.time() + 330, abs=10)


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"aud": "somebody-else"}, "none of its `aud`"),
        ({"aud": ["a", "b"]}, "none of its `aud`"),
        ({"aud": None}, "'aud'"),
        ({"iss": "https://login.example.org"}, "another issuer"),
        ({"iss": None}, "'iss'"),
        ({"exp": 1}, "has expired"),
        ({"exp": None}, "'exp'"),
        ({"nbf": 2**40}, "not valid yet"),
        ({"iat": 2**40}, "not valid yet"),
        ({"iat": None}, "'iat'"),
        ({"sub": None}, "'sub'"),
        ({"sub": ""}, "no name"),
        ({"sub": "a\nb"}, "no name"),
        ({"sub": "x" * 256}, "no name"),
        ({"cnf": {"jkt": "x"}}, "bound to a key"),
    ],
)
async def test_a_token_with_a_wrong_claim_says_which(
    issuer: LocalIssuer, clock: Clock, claims: dict[str, Any], says: str
) -> None:
    error = await refusal(tokens_of(issuer, clock), issuer.token(**claims))
    assert isinstance(error, KeyRefusedError) and says in error.message


async def test_an_id_token_for_this_house_opens_since_some_issuers_give_no_other(
    issuer: LocalIssuer, clock: Clock
) -> None:
    token = issuer.token(nonce="x" * 43, at_hash="x" * 22, azp=AUDIENCE, preferred_username="ada")
    assert (await tokens_of(issuer, clock).check(token.encode())).person.owner == "ada"
    other = await refusal(tokens_of(issuer, clock), issuer.token(aud="freehold-pages", nonce="x" * 43))
    assert "none of its `aud`" in other.message


async def test_a_number_that_is_none_opens_nothing(issuer: LocalIssuer, clock: Clock) -> None:
    for name in ("exp", "nbf", "iat"):
        for value in ("soon", [1], 1e400):
            claims: dict[str, Any] = {name: value}
            error = await refusal(tokens_of(issuer, clock), issuer.token(**claims))
            assert isinstance(error, KeyRefusedError), (name, value)
    endless = await tokens_of(issuer, clock).check(issuer.token(exp=10**400).encode())
    assert endless.until_s > 0


async def test_clocks_may_differ_by_the_leeway_and_no_more(issuer: LocalIssuer, clock: Clock) -> None:
    tokens, now = tokens_of(issuer, clock, leeway_s=60.0), int(time.time())
    await tokens.check(issuer.token(exp=now - 30).encode())
    await tokens.check(issuer.token(nbf=now + 30, iat=now + 30).encode())
    assert "expired" in (await refusal(tokens, issuer.token(exp=now - 90))).message
    assert "not valid yet" in (await refusal(tokens, issuer.token(nbf=now + 90))).message


async def test_no_public_key_is_an_hmacs_secret(issuer: LocalIssuer, clock: Clock) -> None:
    """RFC 8725, 2.1: the house must not take `alg` from the token."""
    public = private_key("rsa").public_key()
    secrets = [
        public.public_bytes(encoding, format)
        for encoding in (Encoding.PEM, Encoding.DER)
        for format in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1)
    ]
    secrets += [json.dumps(public_row("rsa")).encode(), b""]
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    for algorithm, hashed in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
        for secret in secrets:
            unsigned = forged({"alg": algorithm, "typ": "JWT", "kid": "rsa"}, claims)
            signing = unsigned.rpartition(".")[0]
            head = {"alg": algorithm, "typ": "JWT", "kid": "rsa"}
            token = forged(head, claims, hmac.new(secret, signing.encode(), hashed).digest())
            error = await refusal(tokens_of(issuer, clock), token)
            assert isinstance(error, KeyRefusedError) and "algorithm" in error.message


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, 5, ["RS256"], {"a": 1}])
async def test_an_unsigned_token_opens_nothing(issuer: LocalIssuer, clock: Clock, algorithm: Any) -> None:
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    token = forged({"alg": algorithm, "typ": "JWT", "kid": "rsa"}, claims)
    assert isinstance(await refusal(tokens_of(issuer, clock), token), KeyRefusedError)
    assert issuer.fetches() == 0


async def test_an_algorithm_that_the_house_does_not_allow_opens_nothing(issuer: LocalIssuer, clock: Clock) -> None:
    tokens = tokens_of(issuer, clock, algorithms=("ES256",))
    await tokens.check(issuer.token("ec").encode())
    assert "algorithm" in (await refusal(tokens, issuer.token("rsa"))).message


async def test_a_key_signs_with_its_own_algorithm_only(issuer: LocalIssuer, clock: Clock) -> None:
    issuer.published = [public_row("rsa", alg="RS512"), public_row("ec")]
    assert "does not have" in (await refusal(tokens_of(issuer, clock), issuer.token("rsa"))).message


async def test_a_key_that_the_token_brings_along_is_never_used(issuer: LocalIssuer, clock: Clock) -> None:
    """CVE-2018-0114 in another library: `jwk` and its kin in the header name the forger's key."""
    tokens = tokens_of(issuer, clock)
    for head in (
        {"jwk": public_row("stranger")},
        {"jku": issuer.url + "/evil"},
        {"x5u": issuer.url + "/evil"},
        {"x5c": ["MIIB"]},
    ):
        for kid in ("rsa", "stranger"):
            assert isinstance(
                await refusal(tokens, issuer.token("stranger", head={"kid": kid, **head})), KeyRefusedError
            )
    assert set(issuer.asked) == {DISCOVERY, KEYS}


@pytest.mark.parametrize("kid", ["../../etc/passwd", "' OR 1=1 --", "rsa\x00", "x" * 5000, "", "http://evil.example/k"])
async def test_the_name_of_a_key_is_a_name_and_nothing_else(issuer: LocalIssuer, clock: Clock, kid: str) -> None:
    assert isinstance(await refusal(tokens_of(issuer, clock), issuer.token(head={"kid": kid})), KeyRefusedError)
    assert set(issuer.asked) == {DISCOVERY, KEYS}


async def test_what_is_no_token_is_refused_before_anything_is_fetched(issuer: LocalIssuer, clock: Clock) -> None:
    tokens = tokens_of(issuer, clock)
    deep = "eyJ" + "A" * 10 + "." + "A" * 8 + "." + "A" * 8
    nested = forged({"alg": "RS256"}, {}).split(".")[1:]
    bomb = '{"alg":"RS256","kid":"rsa","x":' + "[" * 3000 + "]" * 3000 + "}"
    hostile = [
        "eyJ..",
        "eyJ.eyJ.",
        deep,
        forged({"alg": "RS256", "crit": ["exp"], "exp": 1}, {}, b"x"),
        forged({"alg": "RS256", "crit": ["b64"], "b64": False}, {}, b"x"),
        forged({"alg": "RS256", "typ": "logout+jwt", "kid": "rsa"}, {}, b"x"),
        forged({"alg": "RS256", "typ": 7, "kid": "rsa"}, {}, b"x"),
        forged({"alg": "RS256", "kid": 7}, {}, b"x"),
        ".".join([_encoded(bomb), *nested]),
        issuer.token(x="x" * MOST_BYTES),
    ]
    for token in hostile:
        assert isinstance(await refusal(tokens, token), KeyRefusedError), token[:80]
    assert issuer.fetches() == 0


async def test_a_changed_token_opens_nothing(issuer: LocalIssuer, clock: Clock) -> None:
    tokens = tokens_of(issuer, clock)
    head, payload, signature = issuer.token().split(".")
    _, other, _ = issuer.token(sub="root").split(".")
    for token in (f"{head}.{other}.{signature}", f"{head}.{payload}.{signature[:-4]}AAAA", f"{head}.{payload}."):
        assert isinstance(await refusal(tokens, token), KeyRefusedError)


async def test_a_name_nobody_can_read_is_not_shown(issuer: LocalIssuer, clock: Clock) -> None:
    for name in ("", " ", "a\x1b[2J", 7, "x" * 101):
        found = await tokens_of(issuer, clock).check(issuer.token(preferred_username=name).encode())
        assert found.person.owner == "1234"


async def test_a_checked_token_is_known_until_it_ends_or_its_key_goes(issuer: LocalIssuer, clock: Clock) -> None:
    tokens, token = tokens_of(issuer, clock), issuer.token().encode()
    assert tokens.known(token) is None
    found = await tokens.check(token)
    assert tokens.known(token) == found
    issuer.published = [public_row("ec")]
    clock.now_s += REFRESH_S + 1
    assert tokens.known(token) == found  # the fetch goes on beside it
    await _settled()
    assert tokens.known(token) is None
    short = issuer.token("ec", exp=int(time.time()) - 29).encode()
    await tokens.check(short)
    assert issuer.fetches() == 2


async def test_a_flood_of_tokens_is_remembered_within_bounds(issuer: LocalIssuer, clock: Clock) -> None:
    tokens = tokens_of(issuer, clock)
    for number in range(MOST_REMEMBERED + 5):
        seen = await tokens.check(issuer.token("ed", sub=str(number)).encode())
    assert seen.person.id == f"sub:{MOST_REMEMBERED + 4}"
    assert len(tokens._remembered) == MOST_REMEMBERED


async def test_a_rotated_key_is_found_with_one_fetch(issuer: LocalIssuer, clock: Clock) -> None:
    tokens = tokens_of(issuer, clock)
    await tokens.check(issuer.token("rsa").encode())
    issuer.published = [public_row("next"), public_row("rsa")]
    assert "does not have" in (await refusal(tokens, issuer.token("next"))).message
    assert issuer.fetches() == 1
    clock.now_s += UNKNOWN_WAIT_S
    await asyncio.gather(*(tokens.check(issuer.token("next", sub=str(number)).encode()) for number in range(20)))
    assert issuer.fetches() == 2


async def test_invented_names_of_keys_make_no_storm(issuer: LocalIssuer, clock: Clock) -> None:
    tokens = tokens_of(issuer, clock)
    for number in range(50):
        clock.now_s += UNKNOWN_WAIT_S / 10
        assert isinstance(await refusal(tokens, issuer.token("stranger", head={"kid": str(number)})), KeyRefusedError)
    assert issuer.fetches() <= 1 + 5


async def test_an_issuer_that_is_away_leaves_its_keys_in_force_until_they_are_too_old(
    issuer: LocalIssuer, clock: Clock
) -> None:
    tokens = tokens_of(issuer, clock, keys_age_s=3600.0)
    await tokens.check(issuer.token().encode())
    issuer.is_down = True
    clock.now_s += 3000
    await tokens.check(issuer.token(sub="5").encode())
    await _settled()
    clock.now_s += 700
    error = await refusal(tokens, issuer.token(sub="6"))
    assert isinstance(error, SignOnError)
    assert (error.http_status, error.retryable, "503" in error.message) == (503, True, True)
    issuer.is_down = False
    assert isinstance(await refusal(tokens, issuer.token(sub="6")), SignOnError)  # not asked anew within RETRY_S
    clock.now_s += RETRY_S
    await tokens.check(issuer.token(sub="6").encode())


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ({"claims_to_be": "https://other.example"}, "of another issuer"),
        ({"keys_at": "http://login.example.org/keys"}, "no https address"),
        ({"keys_at": "file:///etc/passwd"}, "no https address"),
        ({"answers": {DISCOVERY: b"<html>"}}, "no JSON"),
        ({"answers": {DISCOVERY: b"[]"}}, "no JSON object"),
        ({"answers": {KEYS: b"[" * 100_000}}, "no JSON"),
        ({"answers": {KEYS: b'{"keys": 7}'}}, "no set of keys"),
        ({"answers": {KEYS: b" " * 300_000}}, "more than"),
        ({"published": []}, "None of the 0 keys"),
    ],
)
async def test_an_issuer_that_publishes_nonsense_is_told_apart_from_a_wrong_token(
    issuer: LocalIssuer, clock: Clock, spoil: dict[str, Any], says: str
) -> None:
    for name, value in spoil.items():
        setattr(issuer, name, value)
    error = await refusal(tokens_of(issuer, clock), issuer.token())
    assert isinstance(error, SignOnError) and says in error.message


@pytest.mark.parametrize(
    "row",
    [
        {"kty": "oct", "kid": "rsa", "k": "c2VjcmV0"},
        public_row("small", kid="rsa"),
        public_row("rsa", use="enc"),
        public_row("rsa", key_ops=["encrypt"]),
        public_row("rsa", d="AQAB"),
        public_row("rsa", alg="HS256"),
        public_row("rsa", n="AQAB", e="!"),
        public_row("ec", kid="rsa", crv="secp256k1"),
        {"kty": ["RSA"], "kid": "rsa"},
        {"kty": "RSA", "kid": "rsa", "crv": {}},
    ],
    ids=lambda row: str(row)[:40],
)
def test_a_key_that_cannot_have_signed_a_token_is_passed_over(row: dict[str, Any]) -> None:
    found = KeySet.read(json.dumps({"keys": [row, 7, public_row("ed")]}).encode(), "here")
    assert [key.name for key in found.keys] == ["ed"]


async def test_keys_from_a_file_need_no_network(issuer: LocalIssuer, clock: Clock, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    tokens = tokens_of(issuer, clock, keys_file=file)
    assert "cannot be read" in (await refusal(tokens, issuer.token())).message
    file.write_text(json.dumps({"keys": [public_row("rsa")]}))
    clock.now_s += RETRY_S
    await tokens.check(issuer.token().encode())
    assert issuer.asked == []


ROLES = {
    "readers": Role(endpoints=("small",), verbs=("chat",), limits={"tokens_per_day": 100}),
    "writers": Role(endpoints=("large",), limits={"tokens_per_day": 500, "concurrency": 2}),
    "admins": Role(admin=True),
}


@pytest.mark.parametrize(
    ("claims", "endpoints", "day", "admin"),
    [
        ({"groups": ["readers"]}, ("small",), 100, False),
        ({"groups": ["readers", "writers", "unknown"]}, ("small", "large"), 500, False),
        ({"groups": ["readers", "admins"]}, (), None, True),
        ({"groups": "writers readers"}, ("large", "small"), 500, False),
    ],
)
def test_a_persons_roles_are_put_together(
    claims: dict[str, Any], endpoints: tuple[str, ...], day: int | None, admin: bool
) -> None:
    grant = Grants(SignOn("https://x", ("a",), roles=ROLES)).of(claims)
    assert grant is not None
    assert (grant.scopes.endpoints, grant.limits.tokens_per_day, grant.scopes.admin) == (endpoints, day, admin)


def test_a_claim_is_found_by_its_name_or_along_its_dots() -> None:
    for claim in ("https://x.example/roles", "realm_access.roles"):
        grants = Grants(SignOn("https://x", ("a",), claim=claim, roles=ROLES))
        nested = {"realm_access": {"roles": ["admins"]}, "https://x.example/roles": ["admins"]}
        assert grants.of(nested) is not None
    assert grants.of({"realm_access": "readers"}) is None


async def test_a_person_without_a_role_is_known_and_may_nothing(issuer: LocalIssuer, clock: Clock) -> None:
    error = await refusal(tokens_of(issuer, clock, roles=ROLES), issuer.token(groups=["others"]))
    assert isinstance(error, ForbiddenError) and "none of the roles" in error.message


def test_roles_that_make_no_sense_are_named_together() -> None:
    roles = {"a": Role(verbs=("sing",)), "b": Role(limits={"tokens_per_year": 5, "tokens_per_day": 0})}
    roles["c"] = Role(limits={"concurrency": "two", "tokens_per_day": True})
    with pytest.raises(SettingsError, match=r"(?s)'sing'.*'tokens_per_year'.* to 0.*'two'.* to True"):
        Grants(SignOn("https://x", ("a",), roles=roles))


async def test_an_issuer_on_this_machine_is_asked_by_no_proxy(
    issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # where nobody listens
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert b'"keys"' in await fetching(None)(f"{issuer.url}{KEYS}")


def test_every_way_in_which_the_library_refuses_a_token_is_known() -> None:
    kinds = inspect.getmembers(jwt.exceptions, inspect.isclass)
    refusals = {kind for _, kind in kinds if issubclass(kind, jwt.exceptions.InvalidTokenError)}
    general = {"InvalidTokenError", "DecodeError", "InvalidIssuedAtError", "InvalidSubjectError", "InvalidJTIError"}
    assert {kind.__name__ for kind in refusals - set(module._SAYS)} == general | {"MissingRequiredClaimError"}


def _encoded(text: str) -> str:
    import base64

    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


async def _settled() -> None:
    """Until what was begun beside the test has ended."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others)
