"""An issuer's public keys (RFC 7517), and what each of them may have signed. Pure.

What cannot have signed a token is passed over: secrets (`oct`), keys for encryption, unknown curves, RSA of fewer than
2,048 bits (RFC 7518, 3.3), and pairs whose private half was published with them. The kind of a key decides what it may
have signed, never the token: so nobody can pass a public key off as an HMAC's secret (RFC 8725, 3.1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK, PyJWTError
from pydantic_core import from_json

from freehold.core.errors import SignOnError

MOST_KEYS = 100
LEAST_RSA_BITS = 2048
Public = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_SIGNS: Mapping[tuple[str, str | None], tuple[str, ...]] = {
    ("RSA", None): _RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
    ("OKP", "Ed448"): ("EdDSA",),
}


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """One key. `name` is its `kid`, None where it has none; `digest` is of the key itself, whatever it is called."""

    name: str | None
    algorithms: tuple[str, ...]
    digest: bytes
    public: Public = field(repr=False, compare=False)


class KeySet:
    """The keys that may have signed a token."""

    def __init__(self, keys: Iterable[IssuerKey]) -> None:
        self.keys = tuple(keys)
        self._known = frozenset(self.keys)

    @classmethod
    def read(cls, raw: bytes, place: str) -> KeySet:
        """The keys in a JWK Set. Raises SignOnError where it is none, or has no key that can have signed anything."""
        rows = json_object(raw, place).get("keys")
        if not isinstance(rows, list):
            raise SignOnError(f"What {place} gives is no set of keys.", hint="It must be a JWK Set (RFC 7517).")
        found = cls(key for row in rows[:MOST_KEYS] if isinstance(row, dict) and (key := _key(row)) is not None)
        if not found.keys:
            raise SignOnError(
                f"None of the {len(rows)} keys at {place} can check a token.",
                hint="RSA of 2,048 bits or more, P-256, P-384, P-521 and Ed25519 keys for signatures can.",
            )
        return found

    def __contains__(self, key: IssuerKey) -> bool:
        return key in self._known

    def find(self, name: str | None, algorithm: str) -> IssuerKey | None:
        """The one key that a token with this `kid` and `alg` was signed by; None where there is none, or several."""
        found = [key for key in self.keys if name in (None, key.name) and algorithm in key.algorithms]
        return found[0] if len(found) == 1 else None


def json_object(raw: bytes, place: str) -> Mapping[str, Any]:
    """The JSON object in `raw`; nesting is bounded by the parser. Raises SignOnError."""
    try:
        told = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise SignOnError(f"What {place} gives is no JSON: {error}.") from error
    if not isinstance(told, dict):
        raise SignOnError(f"What {place} gives is no JSON object.")
    return told


def _key(row: Mapping[str, Any]) -> IssuerKey | None:
    name, operations = row.get("kid"), row.get("key_ops")
    if row.get("use", "sig") != "sig" or "d" in row or not isinstance(name, str | None):
        return None
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return None
    algorithms = _algorithms(row)
    if not algorithms:
        return None
    try:
        public = PyJWK(dict(row), algorithm=algorithms[0]).key
    except (PyJWTError, UnsupportedAlgorithm):
        return None
    if not isinstance(public, Public) or (isinstance(public, RSAPublicKey) and public.key_size < LEAST_RSA_BITS):
        return None
    spelled = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return IssuerKey(name, algorithms, hashlib.sha256(spelled).digest(), public)


def _algorithms(row: Mapping[str, Any]) -> tuple[str, ...]:
    kind, curve, said = row.get("kty"), row.get("crv"), row.get("alg")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return ()
    possible = _SIGNS.get((kind, None if kind == "RSA" else curve), ())
    return possible if said is None else tuple(each for each in possible if each == said)
