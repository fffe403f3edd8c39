"""Who may speak to the house: no web page of another site, no rebound name, nobody without the key."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.house_process import RunningHouse, shared_house

MALFORMED = ("evil@localhost", "localhost/..evil", "localhost?evil", "localhost#evil", "[::1]evil", "local host")
TOML = """
[server]
port = 0
hosts = ["models.example.org"]
origins = ["https://tools.example.org"]
[endpoints]
small-model = "fake:small?tokens=3"
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with shared_house(tmp_path_factory, TOML) as running:
        yield running


@pytest.fixture(scope="module")
def locked_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with shared_house(tmp_path_factory, TOML, FREEHOLD_API_KEY="the-right-key") as running:
        yield running


def _status(house: RunningHouse, path: str = "/v1/models", method: str = "GET", **headers: str) -> int:
    return house.ask(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}).status


def test_a_rebound_name_reaches_nothing(house: RunningHouse) -> None:
    for host in (
        "evil.example",
        f"evil.example:{house.port}",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        *MALFORMED,
    ):
        reply = house.ask("GET", "/v1/models", headers={"host": host})
        assert (reply.status, reply.error["code"]) == (403, "forbidden"), host
        assert "hosts in [server]" in reply.error["message"]
        assert _status(house, "/", host=host) == 403
        assert _status(house, "/health/live", host=host) == 403


def test_the_houses_own_names_pass_with_any_port(house: RunningHouse) -> None:
    for host in (
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:99",
        "[::1]:8300",
        "models.example.org",
        "models.example.org:443",
    ):
        assert _status(house, host=host) == 200, host


def test_another_sites_page_is_refused_everywhere(house: RunningHouse) -> None:
    for origin in ("http://evil.example", "null", "https://tools.example.org.evil.example", "http://tools.example.org"):
        for path in ("/v1/models", "/ui/markdown", "/health/live", "/"):
            assert _status(house, path, origin=origin) == 403, (origin, path)
    assert _status(house, sec_fetch_site="cross-site") == 403
    assert _status(house, sec_fetch_site="same-site") == 403


def test_the_houses_own_page_and_links_to_it_pass(house: RunningHouse) -> None:
    assert _status(house, origin=f"http://127.0.0.1:{house.port}", host=f"127.0.0.1:{house.port}") == 200
    assert _status(house, sec_fetch_site="same-origin") == 200
    assert _status(house, sec_fetch_site="none") == 200
    assert _status(house, "/", sec_fetch_site="cross-site", sec_fetch_mode="navigate") == 200


def test_a_configured_origin_gets_its_preflight_and_nobody_else_does(house: RunningHouse) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    allowed = house.ask("OPTIONS", "/v1/chat/completions", headers={"origin": "https://tools.example.org", **asked})
    assert allowed.status == 204
    assert allowed.headers["access-control-allow-origin"] == "https://tools.example.org"
    assert allowed.headers["access-control-allow-headers"] == "authorization"
    refused = house.ask("OPTIONS", "/v1/chat/completions", headers={"origin": "https://evil.example", **asked})
    assert refused.status == 403
    assert "access-control-allow-origin" not in refused.headers


def test_every_answer_carries_the_headers_that_bind_browsers(house: RunningHouse) -> None:
    for path in ("/", "/v1/models", "/health/live", "/nowhere"):
        headers = house.ask("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-request-id"]
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_the_key_is_asked_for_everywhere_but_at_the_page_and_by_health_checks(locked_house: RunningHouse) -> None:
    for path in ("/v1/models", "/metrics", "/nowhere"):
        reply = locked_house.ask("GET", path)
        assert (reply.status, reply.error["code"]) == (401, "invalid_api_key"), path
        assert reply.headers["www-authenticate"] == "Bearer"
    assert _status(locked_house, "/ui/markdown", "POST") == 401
    assert _status(locked_house, "/health") == _status(locked_house, "/health/live") == 200
    assert _status(locked_house, "/health/ready") in (200, 503)
    assert _status(locked_house, "/") == 200
    assert _status(locked_house, "/static/app.css") == 200


def test_the_right_key_opens_in_either_header_and_a_wrong_one_does_not(locked_house: RunningHouse) -> None:
    assert _status(locked_house, authorization="Bearer the-right-key") == 200
    assert _status(locked_house, x_api_key="the-right-key") == 200
    for wrong in ("", "Bearer", "Bearer ", "Bearer the-right-keyy", "Basic the-right-key", "the-right-key"):
        assert _status(locked_house, authorization=wrong) == 401, wrong
    anthropic = locked_house.ask("POST", "/v1/messages", {}, headers={"x-api-key": "no"})
    assert (anthropic.status, anthropic.error["type"]) == (401, "authentication_error")


def test_without_a_key_only_this_machine_is_listened_to(tmp_path: Path) -> None:
    (tmp_path / "freehold.toml").write_text('[server]\nhost = "0.0.0.0"\nport = 0\n')
    program = """
from freehold.core.errors import SettingsError
from freehold.core.settings import load
from freehold.server.serve import serve
try:
    serve(load())
except SettingsError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "0.0.0.0 can be reached from other machines" in said.stdout
    assert "FREEHOLD_API_KEY" in said.stdout and "freehold keys create" in said.stdout
