"""A house that speaks TLS: its certificate, changed while it runs, and what stays when the new one is broken."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from freehold import control
from tests.certificates import write_pair
from tests.integration.house_process import DEADLINE_S, HELLO, RunningHouse, running_house, until
from tests.unit.test_packaging import health_check

TOML = """
[server]
port = 0
tls_certificate = "house.pem"
tls_key = "house.key"
[endpoints]
small = "fake:small?tokens=3"
endless = "fake:endless?rate=50&tokens=100000&context=200000"
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunningHouse]:
    write_pair(tmp_path)
    with running_house(tmp_path, TOML) as running:
        yield running


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "house.pem"))


def ask(house: RunningHouse, context: ssl.SSLContext, method: str, path: str, body: Any = None, **headers: str) -> Any:
    connection = http.client.HTTPSConnection("127.0.0.1", house.port, timeout=DEADLINE_S, context=context)
    usual = {"content-type": "application/json"} if body is not None else {}
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, {**usual, **headers})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def serial_shown(house: RunningHouse) -> int:
    """The serial number of the certificate that a new connection is shown."""
    pem = ssl.get_server_certificate(("127.0.0.1", house.port), timeout=DEADLINE_S)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def tls_report(house: RunningHouse) -> dict[str, Any]:
    return dict(control.ps(house.settings)["tls"])


def test_the_house_speaks_tls_to_everybody_and_plain_http_to_nobody(house: RunningHouse, tmp_path: Path) -> None:
    assert house.address == f"https://127.0.0.1:{house.port}"
    status, _, body = ask(house, trusting(tmp_path), "POST", "/v1/chat/completions", {"model": "small", **HELLO})
    assert status == 200 and json.loads(body)["choices"]
    with pytest.raises((http.client.HTTPException, OSError)):
        house.ask("GET", "/v1/models")
    old = ssl.create_default_context(cafile=str(tmp_path / "house.pem"))
    with pytest.deprecated_call():
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.raises((ssl.SSLError, OSError)):
        ask(house, old, "GET", "/health")


def test_a_new_certificate_is_taken_and_no_connection_is_dropped(house: RunningHouse, tmp_path: Path) -> None:
    stream = open_stream(house, trusting(tmp_path))
    _, _, serial = write_pair(tmp_path)
    until(lambda: serial_shown(house) == serial)
    assert stream.recv(100), "a stream that began before goes on"
    stream.close()
    assert ask(house, trusting(tmp_path), "GET", "/health")[0] == 200
    assert tls_report(house)["problem"] is None


@pytest.mark.parametrize("spoil", ["half", "other key", "encrypted", "gone"])
def test_a_broken_certificate_leaves_the_old_one_and_says_so(house: RunningHouse, tmp_path: Path, spoil: str) -> None:
    before = serial_shown(house)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_pair(elsewhere)
    if spoil == "half":
        (tmp_path / "house.pem").write_bytes((elsewhere / "house.pem").read_bytes()[:300])
    elif spoil == "other key":
        (elsewhere / "house.key").replace(tmp_path / "house.key")
    elif spoil == "encrypted":
        (tmp_path / "house.key").write_text(
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
        )
    else:
        (tmp_path / "house.key").unlink()
    told = until(lambda: tls_report(house)["problem"])
    assert told.startswith("The new certificate is not used: ") and str(tmp_path) in told
    assert serial_shown(house) == before
    ps = freehold("ps")
    assert "The new certificate is not used" in ps.stdout
    findings = {row["name"]: row for row in json.loads(freehold("doctor", "--json").stdout)}
    assert (findings["tls"]["level"], findings["tls"]["seen"]) == ("warn", told)
    _, _, serial = write_pair(tmp_path)
    until(lambda: serial_shown(house) == serial)
    assert tls_report(house)["problem"] is None


def test_a_certificate_that_ends_soon_is_told_by_doctor(tmp_path: Path) -> None:
    write_pair(tmp_path, days=5)
    with running_house(tmp_path, TOML):
        findings = {row["name"]: row for row in json.loads(freehold("doctor", "--json").stdout)}
    assert findings["tls"]["level"] == "warn" and "valid for" in findings["tls"]["seen"]


def test_a_certificate_that_cannot_be_used_at_the_start_is_refused(tmp_path: Path) -> None:
    certificate, key, _ = write_pair(tmp_path)
    (tmp_path / "freehold.toml").write_text(TOML.replace('tls_key = "house.key"\n', ""))
    assert "one of them is not set" in freehold("up").stderr
    (tmp_path / "freehold.toml").write_text(TOML)
    certificate.write_text("nonsense")
    assert "no certificate and its key" in freehold("up").stderr
    write_pair(tmp_path)
    key.unlink()
    refused = freehold("up")
    assert (refused.returncode, "cannot be read" in refused.stderr) == (2, True)


def test_under_tls_the_cookie_is_never_sent_in_the_clear(tmp_path: Path) -> None:
    write_pair(tmp_path)
    with running_house(tmp_path, TOML, FREEHOLD_API_KEY="sesame") as house:
        context = trusting(tmp_path)
        _, headers, _ = ask(house, context, "POST", "/api/sign-in", {"key": "sesame"})
        (morsel,) = SimpleCookie(headers["set-cookie"]).values()
        assert morsel["secure"] and morsel.key == f"__Host-freehold-{house.port}"
        assert ask(house, context, "GET", "/v1/models", cookie=f"{morsel.key}={morsel.value}")[0] == 200
        plain = f"freehold-{house.port}={morsel.value}"
        assert ask(house, context, "GET", "/v1/models", cookie=plain)[0] == 401, "a name that others could set"


def test_the_containers_health_check_asks_a_house_with_tls_as_well_as_one_without(
    house: RunningHouse, tmp_path: Path
) -> None:
    command = health_check()[1:]
    assert freehold(*command).returncode == 0
    (tmp_path / "plain").mkdir()
    toml, home = "".join(line for line in TOML.splitlines(True) if "tls_" not in line), str(tmp_path / "plain-home")
    with running_house(tmp_path / "plain", toml, FREEHOLD_HOME=home):
        assert freehold(*command, FREEHOLD_HOME=home).returncode == 0
    assert freehold(*command, FREEHOLD_HOME=home).returncode == 1, "no house answers there now"


def test_the_command_line_gives_a_certificate_too(tmp_path: Path) -> None:
    certificate, key, _ = write_pair(tmp_path, names=("models.example.org",))
    words = ["up", "fake:small", "--port", "0", "--tls-certificate", str(certificate), "--tls-key", str(key), "--quiet"]
    with subprocess.Popen([sys.executable, "-m", "freehold", *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert freehold("stop").returncode == 0
    assert address.startswith("https://models.example.org:"), "what the certificate does not name is of no use"


def freehold(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "freehold", *words]
    told = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=told)


def open_stream(house: RunningHouse, context: ssl.SSLContext) -> ssl.SSLSocket:
    raw = json.dumps({"model": "endless", **HELLO, "stream": True}).encode()
    plain = socket.create_connection(("127.0.0.1", house.port), timeout=DEADLINE_S)
    client = context.wrap_socket(plain, server_hostname="127.0.0.1")
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    client.sendall(f"{head}content-length: {len(raw)}\r\n\r\n".encode() + raw)
    seen = b""
    while b"data: " not in seen:
        seen += client.recv(65536)
    return client
