"""Signing in on the pages at the firm's own sign-on: the way there and back, who may do what then, and the way out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from freehold.core.sign_on import CALLBACK
from freehold.ledger.segments import segments
from freehold.server.away import LIFETIME_S
from freehold.server.security import SIGN_ON
from tests.integration.house_process import HELLO, RunningHouse, running_house
from tests.integration.page_visitor import Visitor, free_port, refused, toml
from tests.servers.accounts import AUTHORIZE, LOGOUT, fields_of, query_of
from tests.servers.issuer import DISCOVERY, LocalIssuer

ROLES = """
[sign_on.roles.readers]
endpoints = ["small"]
[sign_on.roles.admins]
admin = true
"""


@pytest.fixture
def house(tmp_path: Path, issuer: LocalIssuer) -> Iterator[RunningHouse]:
    with running_house(tmp_path, toml(issuer, free_port())) as running:
        yield running


def freehold(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "freehold", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_person_signs_in_at_the_issuer_and_comes_back_to_the_page_they_left(visitor: Visitor) -> None:
    told = visitor.ask("GET", "/api/session").json
    assert (told["signed_in"], told["sign_on"]) == (False, visitor.issuer.accounts.url.removeprefix("http://"))
    assert visitor.ask("GET", "/v1/models").status == 401
    reply = visitor.back(visitor.sign_on("/models?model=a#b"))
    assert (reply.status, reply.headers["location"], reply.raw) == (303, "/models?model=a#b", b"")
    assert (reply.headers["cache-control"], reply.headers["referrer-policy"]) == ("no-store", "no-referrer")
    (morsel,) = SimpleCookie(reply.headers["set-cookie"]).values()
    assert (morsel["httponly"], morsel["samesite"], morsel["path"], morsel["domain"]) == (True, "Strict", "/", "")
    assert 0 < int(morsel["max-age"]) <= 331, "as long as the ID token and the leeway"
    told = visitor.ask("GET", "/api/session").json
    assert (told["signed_in"], told["owner"], told["admin"]) == (True, "ada", False)
    assert visitor.ask("POST", "/v1/chat/completions", {"model": "small", **HELLO}).status == 200
    (row,) = [json.loads(line) for line in freehold("ledger", "export").stdout.splitlines()]
    assert row["key"] == "sub:7", "the same person as with a token"


def test_what_goes_along_is_what_the_way_back_needs_and_no_secret(visitor: Visitor, issuer: LocalIssuer) -> None:
    reply = visitor.ask("POST", SIGN_ON, {})
    (morsel,) = SimpleCookie(reply.headers["set-cookie"]).values()
    assert (morsel["httponly"], morsel["samesite"], morsel["path"], morsel["domain"]) == (True, "Lax", "/", "")
    assert int(morsel["max-age"]) == LIFETIME_S
    place = urlsplit(reply.json["goes_to"])
    assert f"{place.scheme}://{place.netloc}{place.path}" == issuer.url + AUTHORIZE
    asked = fields_of(place.query)
    assert asked.keys() == {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method"),
    }
    assert morsel.value not in asked.values()
    again = fields_of(query_of(visitor.leave()))
    assert not {asked[name] for name in ("state", "nonce", "code_challenge")} & set(again.values())


def test_roles_are_those_of_the_id_token_and_admin_opens_the_admin_page(tmp_path: Path, issuer: LocalIssuer) -> None:
    with running_house(tmp_path, toml(issuer, free_port(), ROLES)) as house:
        for groups, status, admin in (["readers"], 403, False), (["readers", "admins"], 200, True):
            issuer.accounts.person["groups"] = groups
            visitor = Visitor(house, issuer)
            assert visitor.back(visitor.sign_on("/admin")).status == 303
            assert visitor.ask("GET", "/api/session").json["admin"] is admin
            assert (visitor.ask("GET", "/ui/admin").status, visitor.ask("GET", "/ui/usage").status) == (status, 200)
        issuer.accounts.person["groups"] = ["others"]
        nobody = Visitor(house, issuer)
        refused(nobody, nobody.back(nobody.sign_on()), 403, "ada has none of the roles that this house knows.")


def test_two_pages_of_one_browser_both_come_back(visitor: Visitor) -> None:
    first, second = visitor.sign_on("/usage"), visitor.sign_on("/models")
    assert visitor.back(second).headers["location"] == "/models"
    assert visitor.back(first).headers["location"] == "/usage"


def test_signing_in_anew_ends_the_session_before_though_its_cookie_does_not_come_along(visitor: Visitor) -> None:
    visitor.back(visitor.sign_on())
    before = Visitor(visitor.house, visitor.issuer)
    before.cookies = {**visitor.cookies}
    back = visitor.sign_on()
    visitor.keeps_only("-away")
    assert visitor.back(back).status == 303
    assert (visitor.is_signed_in(), before.is_signed_in()) == (True, False)


def test_an_issuer_that_does_not_name_itself_is_believed_as_before(tmp_path: Path, issuer: LocalIssuer) -> None:
    issuer.accounts.says_who_it_is = False
    with running_house(tmp_path, toml(issuer, free_port())) as house:
        visitor = Visitor(house, issuer)
        assert visitor.back(visitor.sign_on()).status == 303


def test_two_audiences_are_fine_where_the_token_says_whose_it_is(visitor: Visitor, issuer: LocalIssuer) -> None:
    issuer.accounts.spoiled = {"aud": ["freehold-pages", "other"], "azp": "freehold-pages"}
    assert visitor.back(visitor.sign_on()).status == 303


def test_a_person_who_is_revoked_is_out_and_stays_out(visitor: Visitor) -> None:
    assert visitor.back(visitor.sign_on()).status == 303
    assert freehold("keys", "revoke", "ada").returncode == 0
    assert visitor.ask("GET", "/v1/models").status == 401 and not visitor.is_signed_in()
    refused(visitor, visitor.back(visitor.sign_on()), 401, "ada may not use this house.")


def test_where_the_issuer_is_away_the_page_says_so_and_keys_open_as_before(
    visitor: Visitor, house: RunningHouse, issuer: LocalIssuer
) -> None:
    back = visitor.sign_on()
    issuer.is_down = True
    refused(visitor, visitor.back(back), 503, "answers with status 503")
    key = freehold("keys", "create", "batch", "--quiet").stdout.strip()
    assert house.ask("GET", "/v1/models", headers={"authorization": f"Bearer {key}"}).status == 200


def test_a_page_at_another_address_says_where_people_sign_in(visitor: Visitor, house: RunningHouse) -> None:
    host = f"localhost:{house.port}"
    reply = visitor.ask("POST", SIGN_ON, {}, host=host, origin=f"http://{host}")
    assert reply.status == 400
    assert f"people sign in at http://127.0.0.1:{house.port}, and this page is at" in reply.error["message"]


def test_behind_a_proxy_that_speaks_tls_the_cookies_demand_it(tmp_path: Path, issuer: LocalIssuer) -> None:
    address = "https://models.bank.example"
    with running_house(tmp_path, toml(issuer, free_port(), address=address)) as house:
        visitor = Visitor(house, issuer, host="models.bank.example")
        left = visitor.ask("POST", SIGN_ON, {}, origin=address)
        assert left.headers["set-cookie"].startswith("__Host-") and "; Secure" in left.headers["set-cookie"]
        back = visitor.back(issuer.accounts.sends_back(query_of(left.json["goes_to"])))
        assert back.status == 303
        assert back.headers["set-cookie"].startswith("__Host-") and "; Secure" in back.headers["set-cookie"]
        assert visitor.is_signed_in()
        tossed = Visitor(house, issuer, host="models.bank.example")
        tossed.cookies = {name.removeprefix("__Host-"): value for name, value in visitor.cookies.items()}
        assert len(tossed.cookies) == 2 and not tossed.is_signed_in(), "names that a neighbor's program could set"
        again = Visitor(house, issuer, host="models.bank.example", origin=address)
        again.cookies = {**tossed.cookies}
        answer = issuer.accounts.sends_back(query_of(again.leave()))
        assert again.cookies.keys() - tossed.cookies.keys() == {f"__Host-freehold-{house.port}-away"}
        assert not set(tossed.cookies.values()) & {again.cookies[f"__Host-freehold-{house.port}-away"]}
        tossed.cookies[f"freehold-{house.port}-away"] = again.cookies[f"__Host-freehold-{house.port}-away"]
        refused(tossed, tossed.back(answer), 400, "This browser did not begin this sign-in")


def test_signing_out_ends_it_here_and_leads_to_where_the_issuer_ends_it(
    visitor: Visitor, house: RunningHouse, issuer: LocalIssuer
) -> None:
    visitor.back(visitor.sign_on())
    out = visitor.ask("POST", "/api/sign-out", {})
    place = urlsplit(out.json["goes_to"])
    assert f"{place.scheme}://{place.netloc}{place.path}" == issuer.url + LOGOUT
    home = f"http://127.0.0.1:{house.port}/"
    assert fields_of(place.query) == {"client_id": "freehold-pages", "post_logout_redirect_uri": home}
    assert not visitor.is_signed_in()
    key = freehold("keys", "create", "bob", "--quiet").stdout.strip()
    assert visitor.ask("POST", "/api/sign-in", {"key": key}).status == 200
    assert visitor.ask("POST", "/api/sign-out", {}).json["goes_to"] is None, "a key is nothing of the issuer's"


@pytest.mark.parametrize("ways", [("client_secret_basic",), ("client_secret_post",)])
def test_a_client_with_a_secret_shows_it_to_the_issuer_alone(
    tmp_path: Path, issuer: LocalIssuer, ways: tuple[str, ...]
) -> None:
    accounts, secret, log = issuer.accounts, "s%:+ \u00fc/?", tmp_path / "log"
    accounts.secret, accounts.ways = secret, ways
    file = tmp_path / "secret"
    file.write_text(secret + "\n")
    environment = {"FREEHOLD_CLIENT_SECRET_FILE": str(file), "FREEHOLD_LOG_LEVEL": "debug"}
    with running_house(tmp_path, toml(issuer, free_port()), stderr=log, **environment) as house:
        visitor = Visitor(house, issuer)
        goes_to = visitor.leave()
        back = accounts.sends_back(query_of(goes_to))
        seen = [visitor.back(back).raw.decode(), visitor.ask("GET", "/api/session").raw.decode()]
        assert visitor.is_signed_in()
        accounts.secret = "another"
        wrong = visitor.back(visitor.sign_on())
        assert wrong.status == 400 and b"does not believe that this is the application it knows" in wrong.raw
    files = segments(house.settings.ledger_folder)
    told = [*seen, wrong.raw.decode(), goes_to, back, log.read_text(), *(path.read_text() for path in files)]
    (form, _) = accounts.forms
    for hidden in (secret, form["code_verifier"]):
        assert all(hidden not in text for text in told)
    for hidden in (form["code"], "eyJ", *visitor.cookies.values()):
        assert all(hidden not in text for text in (*seen, log.read_text()))


def test_an_issuer_that_takes_no_secret_as_the_house_shows_one_is_said(tmp_path: Path, issuer: LocalIssuer) -> None:
    issuer.accounts.secret, issuer.accounts.ways = "secret", ("private\nkey_jwt", "x" * 500)
    log = tmp_path / "log"
    with running_house(tmp_path, toml(issuer, free_port()), stderr=log, FREEHOLD_CLIENT_SECRET="secret") as house:
        visitor = Visitor(house, issuer)
        refused(
            visitor, visitor.back(visitor.sign_on()), 503, "takes no secret of a client in a way that is known here"
        )
    assert r"but 'private\nkey_jwt, xxx" in log.read_text() and "x" * 200 not in log.read_text()
    assert issuer.accounts.forms == []


def test_a_restricted_house_asks_through_its_one_door_or_does_not_start(tmp_path: Path, issuer: LocalIssuer) -> None:
    peer = issuer.url.removeprefix("http://")
    with running_house(tmp_path, toml(issuer, free_port(), f'[policy]\negress = ["{peer}"]')) as house:
        visitor = Visitor(house, issuer)
        assert visitor.back(visitor.sign_on()).status == 303 and visitor.is_signed_in()
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": issuer.published}))
    here = toml(issuer, free_port(), "[policy]\negress = []").replace(
        "[sign_on]\n", f'[sign_on]\nkeys_file = "{keys}"\n'
    )
    (tmp_path / "freehold.toml").write_text(here)
    done = freehold("up")
    assert done.returncode == 2 and f"The pages sign people in at {peer}" in done.stderr


def test_a_token_endpoint_that_the_policy_does_not_list_is_not_asked(tmp_path: Path, issuer: LocalIssuer) -> None:
    peer = issuer.url.removeprefix("http://")
    place = {**issuer.accounts.metadata, "issuer": issuer.url, "token_endpoint": "https://elsewhere.example/token"}
    issuer.answers[DISCOVERY] = json.dumps(place).encode()
    with running_house(tmp_path, toml(issuer, free_port(), f'[policy]\negress = ["{peer}"]')) as house:
        visitor = Visitor(house, issuer)
        refused(visitor, visitor.back(visitor.sign_on()), 503, "https://elsewhere.example/token is not asked")


ADDRESS = "sign_on.client.address must be where browsers reach this house"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('id = "freehold-pages"', "", "sign_on.client.id is missing"),
        ('id = "freehold-pages"', 'id = "\u00fc"', "sign_on.client.id is missing"),
        ('address = "http://127.0.0.1', 'address = "http://models.bank.example', ADDRESS),
        ('address = "http', 'address = "https://x/y?http', ADDRESS),
        ('address = "', 'adress = "', "did you mean 'address'"),
        ('id = "freehold-pages"', 'id = "x"\nscopes = ["profile"]', "with openid among them"),
        ('id = "freehold-pages"', 'id = "x"\nscopes = ["openid", "a b"]', "with openid among them"),
        ('id = "freehold-pages"', 'id = "x"\nsecret = "y"', "sign_on.client.secret is not a setting"),
    ],
)
def test_a_client_that_makes_no_sense_is_refused_before_the_house_starts(
    tmp_path: Path, issuer: LocalIssuer, old: str, new: str, says: str
) -> None:
    text = toml(issuer, 8300)
    assert old in text
    (tmp_path / "freehold.toml").write_text(text.replace(old, new))
    done = freehold("up")
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr


def test_without_a_client_nobody_is_led_anywhere(tmp_path: Path, issuer: LocalIssuer) -> None:
    plain = toml(issuer, free_port()).partition("[sign_on.client]")[0]
    with running_house(tmp_path, plain) as house:
        assert house.ask("GET", "/api/session").json["sign_on"] is None
        assert house.ask("POST", SIGN_ON, {}).status == 404
        assert house.ask("GET", CALLBACK).status == 404
