"""A firm's sign-on, on loopback: it publishes keys and signs tokens, honest ones and others, with real keys, and signs
people in (`accounts`).

Every request is recorded, so that a test can prove how often a house asked for keys.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.servers.accounts import AUTHORIZE, LOGOUT, TOKEN, Accounts, Response, fields_of

DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/keys"
AUDIENCE = "freehold"
_ALGORITHMS = {"rsa": "RS256", "next": "RS256", "ec": "ES256", "ed": "EdDSA", "small": "RS256", "stranger": "RS256"}


@cache
def private_key(name: str) -> Any:
    """The same pair for the same name, made once: what a name is called with decides its kind."""
    if name == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    if name == "ed":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=1024 if name == "small" else 2048)


def public_row(name: str, **more: Any) -> dict[str, Any]:
    """The public half of `name` as a row of a JWK Set."""
    kinds = {"ec": ECAlgorithm, "ed": OKPAlgorithm}
    row = kinds.get(name, RSAAlgorithm).to_jwk(private_key(name).public_key(), as_dict=True)  # type: ignore[attr-defined]
    row.pop("key_ops", None)
    return {**row, "kid": name, "use": "sig", **more}


@dataclass
class LocalIssuer:
    """`published` are the keys that it shows now; `claims_to_be` what its discovery document says it is."""

    url: str
    published: list[dict[str, Any]] = field(default_factory=lambda: [public_row(name) for name in ("rsa", "ec", "ed")])
    claims_to_be: str | None = None
    keys_at: str | None = None
    is_down: bool = False
    answers: dict[str, bytes | Response] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    accounts: Accounts = field(init=False)

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.url, self.token)

    def token(self, key: str = "rsa", *, head: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token that is good unless `claims` or `head` spoil it; a claim that is None is left out."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "1234", "iat": now, "exp": now + 300}
        told = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(told, private_key(key), _ALGORITHMS[key], headers={"kid": key, **(head or {})})

    def fetches(self) -> int:
        """How often the keys were asked for."""
        return self.asked.count(KEYS)

    def answer(self, method: str, target: str, body: bytes, authorization: str | None) -> Response:
        path, _, query = target.partition("?")
        if path in self.answers:
            told = self.answers[path]
            return told if isinstance(told, Response) else Response(200, told)
        if path == DISCOVERY:
            named = {"issuer": self.claims_to_be or self.url, "jwks_uri": self.keys_at or self.url + KEYS}
            return _json(200, {**self.accounts.metadata, **named})
        if path == KEYS:
            return _json(200, {"keys": self.published})
        if path == AUTHORIZE and method == "GET":
            return self.accounts.page(query)
        if path == AUTHORIZE:
            return Response(302, headers={"location": self.accounts.sends_back(query)})
        if path == TOKEN and method == "POST":
            return _json(*self.accounts.redeem(fields_of(body.decode()), authorization))
        if path == LOGOUT:
            return Response(302, headers={"location": fields_of(query)["post_logout_redirect_uri"]})
        return Response(404, b"{}")


def _json(status: int, told: object) -> Response:
    return Response(status, json.dumps(told).encode(), {"content-type": "application/json"})


@contextmanager
def local_issuer(host: str = "127.0.0.1") -> Iterator[LocalIssuer]:
    """`host` is what this machine is called in its addresses."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    issuer = LocalIssuer(f"http://{host}:{server.server_port}")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.tell()

        def do_POST(self) -> None:
            self.tell()

        def tell(self) -> None:
            issuer.asked.append(self.path)
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            told = Response(503)
            if not issuer.is_down:
                told = issuer.answer(self.command, self.path, body, self.headers.get("authorization"))
            self.send_response(told.status)
            for name, value in {**told.headers, "content-length": str(len(told.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server.RequestHandlerClass = Handler
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def forged(head: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """Three parts with whatever is in them."""
    parts = (json.dumps(head).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
