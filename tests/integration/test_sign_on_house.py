"""People who sign on with their firm's own accounts: tokens at a served house, limited, recorded and revoked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import bearer, freehold
from tests.integration.house_process import HELLO, Reply, RunningHouse, rest_of, running_house, until
from tests.servers.issuer import LocalIssuer

CHAT = "/v1/chat/completions"
ROLES = """
[sign_on.roles.readers]
endpoints = ["small", "endless"]
tokens_per_day = 60
[sign_on.roles.admins]
admin = true
"""


def toml(issuer: LocalIssuer, more: str = ROLES, server: str = "") -> str:
    return f"""
[server]
port = 0
{server}
[endpoints]
small = "fake:small?tokens=3"
large = "fake:large?tokens=400"
endless = "fake:endless?rate=50&tokens=100000&context=200000"
[sign_on]
issuer = "{issuer.url}"
audience = "freehold"
{more}
"""


@pytest.fixture
def house(tmp_path: Path, issuer: LocalIssuer) -> Iterator[RunningHouse]:
    with running_house(tmp_path, toml(issuer)) as running:
        yield running


def ask(house: RunningHouse, token: str, model: str = "small", **fields: Any) -> Reply:
    return house.ask("POST", CHAT, {"model": model, **HELLO, **fields}, headers=bearer(token))


def test_a_person_asks_with_a_token_and_without_one_nobody_does(house: RunningHouse, issuer: LocalIssuer) -> None:
    assert house.chat("small").status == 401
    ada = issuer.token(sub="7", preferred_username="ada", groups=["readers"])
    assert ask(house, ada).status == 200
    assert house.ask("GET", "/v1/models", headers={"x-api-key": ada}).status == 200
    elsewhere = ask(house, ada, model="large")
    assert (elsewhere.status, elsewhere.error["message"]) == (
        403,
        "ada may not ask large. It may ask small, endless.",
    )
    nobody = ask(house, issuer.token(groups=["others"]))
    assert (nobody.status, nobody.error["code"]) == (403, "forbidden")
    expired = ask(house, issuer.token(exp=1, groups=["readers"]))
    assert (expired.status, expired.error["code"]) == (401, "invalid_api_key")
    assert expired.headers["www-authenticate"] == "Bearer"
    assert house.ask("GET", "/metrics", headers=bearer(ada)).status == 403
    assert house.ask("GET", "/metrics", headers=bearer(issuer.token(sub="1", groups=["admins"]))).status == 200


def test_the_issuer_is_asked_once_for_many_tokens_of_many_people(house: RunningHouse, issuer: LocalIssuer) -> None:
    for number in range(20):
        assert ask(house, issuer.token(sub=str(number), groups=["readers"])).status == 200
    assert issuer.fetches() == 1


def test_a_person_is_listed_with_what_is_known_of_them(house: RunningHouse, issuer: LocalIssuer) -> None:
    assert ask(house, issuer.token(sub="7", preferred_username="ada", groups=["readers"])).status == 200
    listed = freehold("keys", "list").stdout
    assert listed.count("as each token says") == 2 and "unknown" not in listed
    (row,) = json.loads(freehold("keys", "list", "--json").stdout)
    assert row["scopes"] is row["limits"] is None


def test_a_role_for_an_endpoint_that_is_not_there_is_said_when_the_house_opens(
    tmp_path: Path, issuer: LocalIssuer
) -> None:
    (tmp_path / "freehold.toml").write_text(toml(issuer, ROLES.replace('"small"', '"smaal"')))
    command = [sys.executable, "-m", "freehold", "up"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as house:
        assert house.stdout is not None and house.stdout.readline()
        house.terminate()
        _, said = house.communicate(timeout=60)
    assert "The role readers is for the endpoint 'smaal', and there is none of that name now. Nearest: small" in said


def test_a_budget_is_the_persons_whatever_token_they_show(house: RunningHouse, issuer: LocalIssuer) -> None:
    replies = [ask(house, issuer.token(sub="7", groups=["readers"], jti=str(number))) for number in range(12)]
    refused = next(reply for reply in replies if reply.status == 429)
    assert "of the 60 that 7 has for today" in refused.error["message"]
    assert refused.headers["x-ratelimit-limit-tokens"] == "60"
    assert ask(house, issuer.token(sub="8", groups=["readers"])).status == 200


def test_the_ledger_records_the_subject_and_usage_names_the_person(house: RunningHouse, issuer: LocalIssuer) -> None:
    assert ask(house, issuer.token(sub="7", preferred_username="ada", groups=["readers"])).status == 200
    (row,) = [json.loads(line) for line in freehold("ledger", "export").stdout.splitlines()]
    assert row["key"] == "sub:7"
    assert "ada" in freehold("usage", "--by", "key").stdout
    (person,) = json.loads(freehold("keys", "list", "--json").stdout)
    assert (person["id"], person["owner"], person["kind"], person["state"]) == ("sub:7", "ada", "person", "live")


def test_a_person_who_is_revoked_is_out_at_once_whatever_the_sign_on_says(
    house: RunningHouse, issuer: LocalIssuer
) -> None:
    ada = issuer.token(sub="7", preferred_username="ada", groups=["admins"])
    stream = house.open_stream(CHAT, {"model": "endless", **HELLO}, headers=bearer(ada))
    assert freehold("keys", "revoke", "ada").returncode == 0
    rest = rest_of(stream)
    assert b'"code":"invalid_api_key"' in rest and b"[DONE]" not in rest
    until(lambda: house.busy() == 0)
    fresh = issuer.token(sub="7", preferred_username="other name", groups=["readers"])
    for token in (ada, fresh):
        assert "may not use this house" in ask(house, token).error["message"]
    assert freehold("keys", "restore", "sub:7").returncode == 0
    assert ask(house, issuer.token(sub="7", groups=["admins"])).status == 200


def test_a_person_has_no_key_to_rotate(house: RunningHouse, issuer: LocalIssuer) -> None:
    assert ask(house, issuer.token(preferred_username="ada", groups=["readers"])).status == 200
    done = freehold("keys", "rotate", "ada")
    assert done.returncode == 2 and "no key of this house" in done.stderr


def test_keys_of_the_house_open_beside_tokens_also_while_the_issuer_is_away(
    tmp_path: Path, issuer: LocalIssuer
) -> None:
    issuer.is_down = True
    with running_house(tmp_path, toml(issuer)) as house:
        key = freehold("keys", "create", "batch", "--quiet").stdout.strip()
        assert ask(house, key).status == 200
        refused = ask(house, issuer.token(groups=["readers"]))
        assert (refused.status, refused.error["code"]) == (503, "sign_on_unavailable")
        assert int(refused.headers["retry-after"]) >= 1 and refused.headers["x-should-retry"] == "true"


def test_without_sign_on_no_token_opens(tmp_path: Path, issuer: LocalIssuer) -> None:
    plain = toml(issuer).split("[sign_on]")[0]
    with running_house(tmp_path, plain) as house:
        assert freehold("keys", "create", "batch").returncode == 0
        assert ask(house, issuer.token(groups=["readers"])).status == 401
        assert issuer.asked == []


def test_a_house_for_others_may_start_with_a_sign_on_alone(tmp_path: Path, issuer: LocalIssuer) -> None:
    with running_house(tmp_path, toml(issuer, server='host = "0.0.0.0"')) as house:
        assert house.ask("GET", "/v1/models").status == 401
        assert house.ask("GET", "/v1/models", headers=bearer(issuer.token(groups=["readers"]))).status == 200


def test_a_restricted_house_asks_the_issuer_through_its_one_door(tmp_path: Path, issuer: LocalIssuer) -> None:
    peer = issuer.url.removeprefix("http://")
    restricted = toml(issuer) + f'[policy]\negress = ["{peer}"]\n'
    with running_house(tmp_path, restricted) as house:
        assert ask(house, issuer.token(groups=["readers"])).status == 200
    assert issuer.fetches() == 1


def test_a_house_that_may_not_ask_its_issuer_does_not_start_unless_the_keys_are_here(
    tmp_path: Path, issuer: LocalIssuer
) -> None:
    (tmp_path / "freehold.toml").write_text(toml(issuer))
    refused = freehold("up", "--local-only")
    assert refused.returncode == 2 and issuer.url.removeprefix("http://") in refused.stderr
    assert "keys_file in [sign_on]" in refused.stderr
    (tmp_path / "keys.json").write_text(json.dumps({"keys": issuer.published}))
    here = toml(issuer, f'keys_file = "keys.json"{ROLES}') + "[policy]\negress = []\n"
    with running_house(tmp_path, here) as house:
        assert ask(house, issuer.token(groups=["readers"])).status == 200
    assert issuer.asked == []


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('[sign_on.roles.a]\nfor = ["sing"]', "'sing'"),
        ("[sign_on.roles.a]\ntokens_per_year = 3", "'tokens_per_year'"),
        ('algorithms = ["HS256"]', "HS256"),
        ('algorithms = ["none"]', "none"),
        ("issuers = 5", "did you mean 'issuer'"),
    ],
)
def test_a_sign_on_that_makes_no_sense_is_refused_before_the_house_starts(
    tmp_path: Path, issuer: LocalIssuer, more: str, says: str
) -> None:
    (tmp_path / "freehold.toml").write_text(toml(issuer, more))
    done = freehold("up")
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("issuer_url", ["http://login.example.org", "https://a@b", "https://x/?y", "login", "https://"])
def test_an_issuer_that_could_be_played_by_somebody_else_is_refused(tmp_path: Path, issuer_url: str) -> None:
    (tmp_path / "freehold.toml").write_text(f'[sign_on]\nissuer = "{issuer_url}"\naudience = "x"\n')
    done = freehold("up")
    assert done.returncode == 2 and "line 2: sign_on.issuer must be the https address" in done.stderr
