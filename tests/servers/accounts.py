"""The part of a firm's sign-on that people see: its page, its codes and what it gives for them. As strict as a real
one: a code is good once, for the client, the address and the challenge that it was made for (RFC 6749, 4.1; RFC 7636,
4.6).
"""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

AUTHORIZE, TOKEN, LOGOUT = "/authorize", "/token", "/logout"
Fields = Mapping[str, str]


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Code:
    redirect_uri: str
    challenge: str
    nonce: str


@dataclass
class Accounts:
    """`mint` makes a token of these claims. `person` are those of whoever signs in, `spoiled` what ID tokens hold
    instead; `ways` is how the client may show its secret; `denies` is the error that people are sent back with."""

    url: str
    mint: Callable[..., str]
    client_id: str = "freehold-pages"
    secret: str | None = None
    ways: tuple[str, ...] = ("client_secret_basic", "client_secret_post")
    redirect_uris: list[str] = field(default_factory=list)
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "7", "preferred_username": "ada"})
    spoiled: dict[str, Any] = field(default_factory=dict)
    denies: dict[str, str] = field(default_factory=dict)
    says_who_it_is: bool = True
    codes: dict[str, Code] = field(default_factory=dict)
    forms: list[Fields] = field(default_factory=list)

    @property
    def metadata(self) -> dict[str, Any]:
        return {
            "authorization_endpoint": self.url + AUTHORIZE,
            "token_endpoint": self.url + TOKEN,
            "end_session_endpoint": self.url + LOGOUT,
            "token_endpoint_auth_methods_supported": list(self.ways),
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": self.says_who_it_is,
        }

    def page(self, query: str) -> Response:
        """What a person sees who is led here."""
        wrong = self._wrong(fields_of(query))
        if wrong is not None:
            return Response(400, wrong.encode())
        who = html.escape(str(self.person["preferred_username"]))
        form = f'<form method="post" action="{AUTHORIZE}?{html.escape(query)}"><button>Go on as {who}</button></form>'
        page = f"<!doctype html><title>Staff accounts</title><h1>Staff accounts</h1>{form}"
        return Response(200, page.encode(), {"content-type": "text/html; charset=utf-8"})

    def sends_back(self, query: str) -> str:
        """Where a person goes who says yes there, or is not let in."""
        asked = fields_of(query)
        assert self._wrong(asked) is None, self._wrong(asked)
        back = dict(self.denies)
        if not back:
            back["code"] = secrets.token_urlsafe(16)
            self.codes[back["code"]] = Code(asked["redirect_uri"], asked["code_challenge"], asked["nonce"])
        named = {"iss": self.url} if self.says_who_it_is else {}
        return f"{asked['redirect_uri']}?{urlencode({**back, **named, 'state': asked['state']})}"

    def redeem(self, form: Fields, authorization: str | None) -> tuple[int, dict[str, Any]]:
        """Status and answer of the token endpoint. Whatever is wrong, the code is spent."""
        self.forms.append(form)
        code = self.codes.pop(form.get("code", ""), None)
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if code is None or code.challenge != challenge or code.redirect_uri != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        claims = {"aud": self.client_id, "nonce": code.nonce, **self.person, **self.spoiled}
        return 200, {"token_type": "Bearer", "access_token": "opaque", "id_token": self.mint(**claims)}

    def _wrong(self, asked: Fields) -> str | None:
        """What is wrong with what a person is led here with; of the first two nobody is sent back."""
        if asked.get("client_id") != self.client_id:
            return "This application is not known."
        if asked.get("redirect_uri") not in self.redirect_uris:
            return "This address is not registered for the application."
        wanted = {"response_type": "code", "code_challenge_method": "S256"}
        if any(asked.get(name) != value for name, value in wanted.items()) or "openid" not in asked["scope"].split():
            return "Only codes, with S256, for OpenID."
        missing = [name for name in ("state", "nonce", "code_challenge") if len(asked.get(name, "")) < 43]
        return f"Too short: {missing}" if missing else None

    def _is_client(self, form: Fields, authorization: str | None) -> bool:
        if self.secret is None:
            return authorization is None and form.get("client_id") == self.client_id
        if authorization is not None and "client_secret_basic" in self.ways and "client_secret" not in form:
            shown = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")[::2]
            return tuple(map(unquote_plus, shown)) == (self.client_id, self.secret)
        shown = (form.get("client_id", ""), form.get("client_secret", ""))
        return "client_secret_post" in self.ways and shown == (self.client_id, self.secret)


def fields_of(query: str) -> dict[str, str]:
    """The fields of a query or a form, each of them once."""
    fields = parse_qs(query, keep_blank_values=True)
    assert all(len(values) == 1 for values in fields.values()), fields
    return {name: values[0] for name, values in fields.items()}


def query_of(address: str) -> str:
    return urlsplit(address).query
