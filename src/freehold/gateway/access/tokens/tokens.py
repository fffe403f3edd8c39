"""Checks bearer tokens: JWTs that the firm's own sign-on signed (RFC 7519, RFC 8725, RFC 9068). The seam to PyJWT.

A token opens where one of the issuer's own keys signed it, with an algorithm that fits the key and is allowed, for this
house, and now is between its times. What it says of keys (`jwk`, `jku`, `x5u`) is never looked at. One that is bound to
a key of its holder (`cnf`) is refused, because a bearer cannot show it.

An ID token, which the house was given for a sign-in that it began (OpenID Connect Core 1.0, 3.1.3.7), must moreover be
for this client alone and hold the nonce of that sign-in. It is looked at once.

A token that was checked is remembered by its hash until it ends, or its key is not among the issuer's any more. To take
one back before that is what `freehold keys revoke` is for: no issuer is asked about single tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jwt
from jwt import exceptions

from freehold.core.errors import ForbiddenError, KeyRefusedError
from freehold.core.sign_on import SignOn
from freehold.gateway.access.key import PERSON, Key, Limits
from freehold.gateway.access.tokens.grants import Grants
from freehold.gateway.access.tokens.issuer import Issuer
from freehold.gateway.access.tokens.keyset import IssuerKey

MOST_BYTES = 16 * 1024
MOST_REMEMBERED = 4096
MOST_SUBJECT_CHARS = 255
"""Of a subject, in OpenID Connect Core 1.0, 2."""
_LATEST_S = 2**53
_TYPES = ("jwt", "at+jwt", "application/at+jwt")
_ID_TYPES = ("jwt",)
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
_SAYS: Mapping[type[exceptions.InvalidTokenError], str] = {
    exceptions.ExpiredSignatureError: "The token has expired.",
    exceptions.ImmatureSignatureError: "The token is not valid yet: compare the clocks of its issuer and this house.",
    exceptions.InvalidAudienceError: "The token is for somebody else: none of its `aud` is this house.",
    exceptions.InvalidIssuerError: "The token is of another issuer than this house believes.",
    exceptions.InvalidSignatureError: "The token's signature is not its issuer's.",
    exceptions.InvalidAlgorithmError: "The token is signed with an algorithm that is not allowed here.",
}


class SignedOn(NamedTuple):
    """A person whom the issuer vouches for, until `until_s` (seconds since 1970)."""

    person: Key
    until_s: float


@dataclass(frozen=True, slots=True)
class _Remembered:
    found: SignedOn
    signed_by: IssuerKey


class Tokens:
    """The tokens of one issuer. Raises SettingsError where its roles make no sense."""

    def __init__(self, sign_on: SignOn, issuer: Issuer, wall_s: Callable[[], float]) -> None:
        self._sign_on = sign_on
        self._issuer = issuer
        self._grants = Grants(sign_on)
        self._wall_s = wall_s
        self._remembered: dict[bytes, _Remembered] = {}

    @property
    def limits(self) -> list[Limits]:
        """Those of every role that a token can give."""
        return self._grants.limits

    def known(self, given: bytes) -> SignedOn | None:
        """Who showed this very token before, if it still opens. Microseconds: a hash and two look-ups."""
        seen = self._remembered.get(hashlib.sha256(given).digest())
        if seen is None or self._wall_s() >= seen.found.until_s:
            return None
        keys = self._issuer.current()
        return seen.found if keys is not None and seen.signed_by in keys else None

    async def check(self, given: bytes) -> SignedOn:
        """Who the token speaks of. Raises KeyRefusedError, ForbiddenError where it gives none of the house's roles,
        SignOnError where the issuer's keys cannot be had."""
        key, claims = await self._checked(given, _TYPES, self._sign_on.audience)
        found = self._person(claims)
        self._remember(given, _Remembered(found, key))
        return found

    async def identity(self, given: bytes, client_id: str, nonce: str) -> SignedOn:
        """Who an ID token speaks of that was asked for with `nonce`. Raises what `check` raises."""
        try:
            _, claims = await self._checked(given, _ID_TYPES, (client_id,))
        except KeyRefusedError as error:
            if not isinstance(error.__cause__, exceptions.ExpiredSignatureError):
                raise
            raise KeyRefusedError(
                "The ID token had expired when it came.", hint="Compare the clocks of its issuer and this house."
            ) from error
        if claims.get("nonce") != nonce:
            raise KeyRefusedError("The ID token is of another sign-in than this one.", hint="Begin again.")
        many = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if many else client_id) != client_id:
            raise KeyRefusedError("The ID token is for another application than this one.")
        return self._person(claims)

    async def _checked(
        self, given: bytes, types: Collection[str], audience: Collection[str]
    ) -> tuple[IssuerKey, Mapping[str, Any]]:
        """What a token says, and the key that vouches for it."""
        if len(given) > MOST_BYTES:
            raise KeyRefusedError(f"The token is over {MOST_BYTES:,} bytes.")
        name, algorithm = self._head(given, types)
        key = await self._issuer.key(name, algorithm)
        return key, self._claims(given, key, algorithm, audience)

    def _head(self, given: bytes, types: Collection[str]) -> tuple[str | None, str]:
        """What the token says of its signature: the name of a key, and an algorithm that is allowed."""
        try:
            head = jwt.get_unverified_header(given)
        except exceptions.InvalidTokenError as error:
            raise _refusal(error) from error
        kind, algorithm = head.get("typ", "jwt"), head.get("alg")
        if not isinstance(kind, str) or kind.lower() not in types:
            hint = "Send an access token." if types is _TYPES else ""
            raise KeyRefusedError("The token is of a type that opens nothing here.", hint=hint)
        if algorithm not in self._sign_on.algorithms:
            raise _refusal(exceptions.InvalidAlgorithmError())
        return head.get("kid"), str(algorithm)

    def _claims(self, given: bytes, key: IssuerKey, algorithm: str, audience: Collection[str]) -> Mapping[str, Any]:
        try:
            claims: Mapping[str, Any] = jwt.decode(
                given,
                key.public,
                algorithms=[algorithm],
                audience=audience,
                issuer=self._sign_on.issuer,
                leeway=self._sign_on.leeway_s,
                options={"require": _REQUIRED},
            )
        except exceptions.InvalidTokenError as error:
            raise _refusal(error) from error
        if "cnf" in claims:
            raise KeyRefusedError("The token is bound to a key of its holder, which this house cannot ask for.")
        return claims

    def _person(self, claims: Mapping[str, Any]) -> SignedOn:
        subject: str = claims["sub"]
        owner: Any = claims.get(self._sign_on.owner)
        if not _is_name(subject, MOST_SUBJECT_CHARS):
            raise KeyRefusedError("The token's subject is no name.")
        if not _is_name(owner, 100):
            owner = subject[:100]
        grant = self._grants.of(claims)
        if grant is None:
            raise ForbiddenError(
                f"{owner} has none of the roles that this house knows.",
                hint=f"They are looked for in the claim {self._sign_on.claim!r}: [sign_on.roles] of freehold.toml.",
            )
        person = Key(PERSON + subject, owner, (), int(self._wall_s()), scopes=grant.scopes, limits=grant.limits)
        return SignedOn(person, min(int(claims["exp"]), _LATEST_S) + self._sign_on.leeway_s)

    def _remember(self, given: bytes, seen: _Remembered) -> None:
        if len(self._remembered) >= MOST_REMEMBERED:
            now_s = self._wall_s()
            self._remembered = {text: each for text, each in self._remembered.items() if each.found.until_s > now_s}
        if len(self._remembered) >= MOST_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[hashlib.sha256(given).digest()] = seen


def _is_name(value: object, most_chars: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= most_chars and value.isprintable() and bool(value.strip())


def _refusal(error: exceptions.InvalidTokenError) -> KeyRefusedError:
    if isinstance(error, exceptions.MissingRequiredClaimError):
        return KeyRefusedError(f"The token lacks {error.claim!r}.")
    return KeyRefusedError(_SAYS.get(type(error), "The token is damaged, or is none."))
