"""`[sign_on]` of freehold.toml: whose tokens the house believes, and what they let people do. Facts only.

The gateway checks tokens. The issuer's keys are fetched from its address, or lie in a file: then nothing is fetched.
With a `client` the pages also lead people to the issuer's own sign-in, and back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from freehold.core.addresses import nobody_between
from freehold.core.secret import Secret
from freehold.core.toml_reader import TableReader

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""What a token may be signed with (RFC 7518, RFC 8037). All are asymmetric: whoever can check one cannot make one."""

CALLBACK = "/ui/sign-in/callback"
"""Where the issuer sends people back to, at the house's own address."""
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # scope-token in RFC 6749, 3.3
_WORD = re.compile(r"[\x20-\x7e]+")  # VSCHAR in RFC 6749, A.1
_USUAL_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class SignOnClient:
    """What the issuer knows this house's pages as. `address` is where people's browsers reach the house, without a
    path: nothing that a request says decides where somebody is sent back to. Without a `secret` it is a public client
    (RFC 6749, 2.1)."""

    id: str
    address: str
    scopes: tuple[str, ...] = ("openid", "profile")
    secret: Secret | None = None

    @property
    def redirect_uri(self) -> str:
        return self.address + CALLBACK

    @property
    def tls_only(self) -> bool:
        """Whether people's browsers reach the house by TLS alone."""
        return self.address.startswith("https:")


@dataclass(frozen=True, slots=True)
class Role:
    """What one value of the claim lets a person do. Empty `endpoints` and `verbs` are every one there is; `limits` are
    by the names of a key's limits, as they were written; what is not in it has none."""

    endpoints: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    admin: bool = False
    limits: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SignOn:
    """`issuer` is compared letter for letter. A token is for this house where one of `audience` is in its `aud`.
    `owner` names the claim that says who a person is to people; to the ledger it is the subject. `claim` names the one
    whose values are looked up in `roles`; without roles everybody with a token may ask everything, and nobody
    administers. Keys older than `keys_age_s` are believed no more, whatever the issuer does. `client` None: the pages
    take keys and tokens, and lead nobody anywhere."""

    issuer: str
    audience: tuple[str, ...]
    owner: str = "preferred_username"
    claim: str = "groups"
    roles: Mapping[str, Role] = field(default_factory=dict)
    algorithms: tuple[str, ...] = ALGORITHMS
    keys_file: Path | None = None
    keys_age_s: float = 86_400.0
    leeway_s: float = 30.0
    client: SignOnClient | None = None


def read_sign_on(table: TableReader, secret: Secret | None) -> SignOn:
    """What `[sign_on]` says; `secret` is the client's. Every problem is noted in the reader, none is raised."""
    default = SignOn("", ())
    found = SignOn(
        issuer=_issuer(table),
        audience=_audience(table),
        owner=table.text("owner", default.owner),
        claim=table.text("claim", default.claim),
        roles=_roles(table.table("roles")),
        algorithms=_algorithms(table),
        keys_file=Path(table.text("keys_file", "")).expanduser().absolute() if table.has("keys_file") else None,
        keys_age_s=table.number("keys_age_s", default.keys_age_s, 60, 30 * 86_400),
        leeway_s=table.number("leeway_s", default.leeway_s, 0, 300),
        client=_client(table.table("client"), secret) if table.has("client") else None,
    )
    table.refuse_unknown()
    return found


def _issuer(table: TableReader) -> str:
    issuer = table.text("issuer", "")
    if not nobody_between(issuer) or "?" in issuer:
        table.problem("issuer", "must be the https address that stands as `iss` in the tokens, without a query")
    return issuer


def _audience(table: TableReader) -> tuple[str, ...]:
    given = table.value("audience")
    found = (given,) if isinstance(given, str) else table.texts("audience")
    if not found or not all(found):
        table.problem("audience", "is missing: it names what of the tokens' `aud` means this house")
    return found


def _client(table: TableReader, secret: Secret | None) -> SignOnClient:
    scopes = table.texts("scopes") if table.has("scopes") else SignOnClient("", "").scopes
    if "openid" not in scopes or not all(_SCOPE.fullmatch(each) for each in scopes):
        table.problem("scopes", "must be a list of words with openid among them")
    found = SignOnClient(table.text("id", ""), _address(table), scopes, secret)
    if not _WORD.fullmatch(found.id):
        table.problem("id", "is missing: it is what the issuer knows this application as")
    table.refuse_unknown()
    return found


def _address(table: TableReader) -> str:
    """As browsers write an origin: in lower case, without the port that is usual."""
    given = table.text("address", "")
    if not nobody_between(given) or urlsplit(given).path not in ("", "/") or "?" in given:
        table.problem("address", "must be where browsers reach this house: https://NAME, without a path")
        return given
    place = urlsplit(given.lower())
    host = f"[{place.hostname}]" if ":" in (place.hostname or "") else place.hostname
    port = "" if place.port in (None, _USUAL_PORTS[place.scheme]) else f":{place.port}"
    return f"{place.scheme}://{host}{port}"


def _algorithms(table: TableReader) -> tuple[str, ...]:
    given = table.texts("algorithms") if table.has("algorithms") else ALGORITHMS
    wrong = [name for name in given if name not in ALGORITHMS]
    if wrong or not given:
        table.problem("algorithms", f"may hold {', '.join(ALGORITHMS)}, not {', '.join(wrong) or 'nothing'}")
    return given


def _roles(table: TableReader) -> dict[str, Role]:
    found: dict[str, Role] = {}
    for name in table.names():
        row = table.table(name)
        limits = [each for each in row.names() if each not in ("endpoints", "for", "admin")]
        found[name] = Role(
            endpoints=row.texts("endpoints"),
            verbs=row.texts("for"),
            admin=row.flag("admin") if row.has("admin") else False,
            limits={each: row.value(each) for each in limits},
        )
    return found
