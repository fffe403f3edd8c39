"""A house whose pages lead to a firm's sign-on, and somebody who visits them, as far as cookies and redirects go."""

from __future__ import annotations

import socket
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

from freehold.core.sign_on import CALLBACK
from freehold.server.security import SIGN_ON
from tests.integration.house_process import Reply, RunningHouse
from tests.servers.accounts import query_of
from tests.servers.issuer import LocalIssuer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def toml(issuer: LocalIssuer, port: int, more: str = "", address: str = "") -> str:
    """A house at `port`, whose address the issuer knows."""
    address = address or f"http://127.0.0.1:{port}"
    issuer.accounts.redirect_uris.append(address + CALLBACK)
    return f"""
[server]
port = {port}
hosts = ["models.bank.example"]
[endpoints]
small = "fake:small?tokens=3"
[sign_on]
issuer = "{issuer.url}"
audience = "freehold"
[sign_on.client]
id = "freehold-pages"
address = "{address}"
{more}
"""


class Visitor:
    """One browser: keeps cookies, and goes where it is sent. `sends` are headers of every request."""

    def __init__(self, house: RunningHouse, issuer: LocalIssuer, **sends: str) -> None:
        self.house = house
        self.issuer = issuer
        self.sends = sends
        self.cookies: dict[str, str] = {}

    @property
    def callback(self) -> str:
        """What must be registered."""
        return f"http://127.0.0.1:{self.house.port}{CALLBACK}"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        reply = self.house.ask(
            method, path, body, headers={**self.sends, **(cookie if self.cookies else {}), **headers}
        )
        for name, morsel in SimpleCookie(reply.headers.get("set-cookie", "")).items():
            self.cookies[name] = morsel.value
        return reply

    def leave(self, page: str = "/") -> str:
        """Where the page leads to."""
        reply = self.ask("POST", SIGN_ON, {"next": page})
        assert reply.status == 200, reply.raw
        return str(reply.json["goes_to"])

    def sign_on(self, page: str = "/") -> str:
        """Where the issuer sends somebody back to who says yes there."""
        return self.issuer.accounts.sends_back(query_of(self.leave(page)))

    def back(self, address: str) -> Reply:
        parts = urlsplit(address)
        return self.ask("GET", f"{parts.path}?{parts.query}")

    def back_with(self, **fields: str) -> Reply:
        return self.ask("GET", f"{CALLBACK}?{urlencode(fields)}")

    def is_signed_in(self) -> bool:
        return bool(self.ask("GET", "/api/session").json["signed_in"])

    def keeps_only(self, end: str) -> None:
        """Forget every cookie but those whose name ends so."""
        self.cookies = {name: value for name, value in self.cookies.items() if name.endswith(end)}


def refused(visitor: Visitor, reply: Reply, status: int, says: str) -> None:
    """Nobody is signed in, and a page says why."""
    text = reply.raw.decode()
    assert (reply.status, says in text) == (status, True), text
    assert reply.headers["content-type"].startswith("text/html") and "You are not signed in" in text
    assert "script-src 'self'" in reply.headers["content-security-policy"]
    assert reply.headers["cache-control"] == "no-store" and "set-cookie" not in reply.headers
    assert not visitor.is_signed_in()
