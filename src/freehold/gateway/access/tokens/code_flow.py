"""How people sign in on the pages at their firm's own sign-on: the authorization code flow of OpenID Connect Core 1.0,
3.1, with PKCE (RFC 7636), as RFC 9700 asks for it.

The browser is sent to the issuer and comes back with a code, which this house takes to the issuer itself, with what
only it knows of the sign-in that it began: the verifier and, where it has one, its secret. So a code that somebody
else got hold of is worth nothing, and one that somebody else began is not taken. Of what the issuer gives only the ID
token is looked at, by `tokens`; access and refresh tokens are dropped where they are read.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlencode, urlsplit, urlunsplit

from freehold.core.addresses import nobody_between
from freehold.core.errors import SignInError, SignOnError
from freehold.core.sign_on import SignOnClient
from freehold.gateway.access.tokens.discovery import Discovery, Metadata
from freehold.gateway.access.tokens.keyset import json_object

_RANDOM_BYTES = 32
_MOST_SHOWN_CHARS = 200
_DENIED = "access_denied"
_SAYS: Mapping[str, str] = {
    _DENIED: "you were not let in, or did not want to be",
    "invalid_grant": "the code is not good: it has expired, was used before, or belongs to another address",
    "invalid_client": "it does not believe that this is the application it knows",
    "unauthorized_client": "this application may not sign people in",
    "invalid_scope": "this application may not have the scopes it asks for",
    "server_error": "something failed there",
    "temporarily_unavailable": "it has too much to do now",
}


@dataclass(frozen=True, slots=True)
class Begun:
    """One sign-in that was begun. `nonce` goes to the issuer and comes back with the ID token (RFC 9700, 4.5.3);
    `verifier` is shown when the code is redeemed, and nowhere before."""

    nonce: str
    verifier: str = field(repr=False)


def begin() -> Begun:
    return Begun(nonce=secrets.token_urlsafe(_RANDOM_BYTES), verifier=secrets.token_urlsafe(_RANDOM_BYTES))


@dataclass(frozen=True, slots=True)
class Form:
    """What is posted, and the headers that go with it."""

    url: str
    fields: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Told:
    """What came back, whatever it says."""

    status: int
    body: bytes = field(repr=False)


Post = Callable[[Form], Awaitable[Told]]
"""Raises SignOnError where nothing comes back that could be read."""


class CodeFlow:
    """The way to one issuer and back, for one client."""

    def __init__(self, issuer: str, client: SignOnClient, discovery: Discovery, post: Post) -> None:
        self.issuer = issuer
        self.client = client
        self._discovery = discovery
        self._post = post

    @property
    def name(self) -> str:
        """The issuer as people know it: its host."""
        return urlsplit(self.issuer).netloc

    async def leads_to(self, begun: Begun, state: str) -> str:
        """Where the browser is sent, and with `state` back from. Raises SignOnError where the issuer does not say."""
        place = (await self._discovery.known()).address("authorization_endpoint", "signing in")
        challenge = urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
        return _with_query(
            place,
            {
                "response_type": "code",
                "client_id": self.client.id,
                "redirect_uri": self.client.redirect_uri,
                "scope": " ".join(self.client.scopes),
                "state": state,
                "nonce": begun.nonce,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            },
        )

    async def redeem(self, begun: Begun, returned: Mapping[str, str]) -> bytes:
        """The ID token for what the browser came back with, `begun` being what it left with. Raises SignInError where
        the issuer does not let the person in or it is not the issuer that answers, SignOnError where it cannot be
        asked or gives no ID token."""
        metadata = await self._discovery.known()
        self._require_issuer(metadata, returned.get("iss"))
        if "error" in returned:
            raise self._refusal(returned["error"], returned.get("error_description", ""))
        if not returned.get("code"):
            raise SignInError(f"{self.name} sent you back with neither a code nor a reason.", hint="Try again.")
        place = metadata.address("token_endpoint", "tokens")
        fields = {
            "grant_type": "authorization_code",
            "code": returned["code"],
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": begun.verifier,
        }
        told = await self._post(self._authenticated(metadata, Form(place, fields)))
        return self._id_token(place, told)

    def end_address(self) -> str | None:
        """Where the browser is sent to be signed out there as well (OpenID Connect RP-Initiated Logout 1.0, 2), None
        where the issuer names no such place. The token that could say who goes is no part of an address."""
        place = self._discovery.last.told.get("end_session_endpoint") if self._discovery.last is not None else None
        if not isinstance(place, str) or not nobody_between(place):
            return None
        return _with_query(place, {"client_id": self.client.id, "post_logout_redirect_uri": self.client.address + "/"})

    def _require_issuer(self, metadata: Metadata, given: str | None) -> None:
        """RFC 9207, 2.4: so that an answer of one issuer is never taken to another."""
        if given is None and metadata.told.get("authorization_response_iss_parameter_supported") is not True:
            return
        if given != self.issuer:
            raise SignInError(
                f"This answer is not from {self.name}, where you were sent.",
                hint="Begin again. If it happens again, tell whoever runs the house.",
            )

    def _authenticated(self, metadata: Metadata, form: Form) -> Form:
        """`form` with what shows that this house sends it (RFC 6749, 2.3.1). Raises SignOnError where the issuer takes
        a secret in no way that is known here."""
        client = self.client
        if client.secret is None:
            return Form(form.url, {**form.fields, "client_id": client.id})
        ways = metadata.offers("token_endpoint_auth_methods_supported", ("client_secret_basic",))
        if "client_secret_basic" in ways:
            shown = f"{quote_plus(client.id)}:{quote_plus(client.secret.reveal())}"
            return Form(form.url, form.fields, {"authorization": f"Basic {b64encode(shown.encode()).decode()}"})
        if "client_secret_post" in ways:
            return Form(form.url, {**form.fields, "client_id": client.id, "client_secret": client.secret.reveal()})
        named = f"{', '.join(ways) or 'none'!r:.{_MOST_SHOWN_CHARS}}"
        raise SignOnError(
            f"{self.name} takes no secret of a client in a way that is known here, but {named}.",
            hint="Let the application use client_secret_basic there, or make it a public one and leave the secret out.",
        )

    def _id_token(self, place: str, told: Told) -> bytes:
        if told.status in (400, 401):
            error = json_object(told.body, place).get("error")
            raise self._refusal(error if isinstance(error, str) else f"status {told.status}", "")
        if told.status != 200:
            raise SignOnError(f"{place} answers with status {told.status}.")
        token = json_object(told.body, place).get("id_token")
        if not isinstance(token, str) or not token.isascii():
            raise SignOnError(
                f"{place} gives no ID token.", hint="The application there must be one of OpenID Connect."
            )
        return token.encode()

    def _refusal(self, code: str, description: str) -> SignInError:
        """What the issuer says, in words; what it calls them is in brackets, for whoever runs the sign-on."""
        shown = ": ".join(filter(None, (_printable(code), _printable(description))))
        said = _SAYS.get(code, "it does not sign you in")
        hint = "Try again, or ask whoever runs it to let you use this application."
        if code != _DENIED:
            hint = f"Try again. There this house must be registered as {self.client.id}, at {self.client.redirect_uri}."
        return SignInError(f"{self.name} says no: {said} ({shown}).", hint=hint)


def _with_query(place: str, more: Mapping[str, str]) -> str:
    """`place` with `more` behind what it asks for already (RFC 6749, 3.1)."""
    parts = urlsplit(place)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(more))))))


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text[:_MOST_SHOWN_CHARS]).strip()
