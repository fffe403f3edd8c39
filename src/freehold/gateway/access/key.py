"""An API key: whose it is, what it may do and how much of it. Of the key itself only a hash is here.

A person who signs on with a token of the firm's own sign-on is a key as well: without a hash, so that no text opens as
it, and known by the token's subject. So limits, budgets, the ledger and revoking are the same for both.

A key is `fh_`, its id, `_` and 256 random bits. Nobody guesses those, so a fast hash keeps them as well as a slow one
would: slow hashes are for passwords, which people choose from few. SHA-256 costs a request a microsecond."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Literal, get_args

Verb = Literal["chat", "complete", "embed", "tokens"]
VERBS: tuple[Verb, ...] = get_args(Verb)
Priority = Literal["interactive", "batch"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""Somebody waits for what is interactive, so it goes before what is batch."""
_PREFIX = "fh"
_SECRET_BYTES = 32
PERSON = "sub:"
"""What the id of a person begins with; the subject of the token follows."""
HOUSE_KEY = "house"
"""The id of the key that FREEHOLD_API_KEY holds: the administrator's."""
_ID = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a key may do. Empty `endpoints` and `verbs` are every one there is; `admin` may see what others did."""

    endpoints: tuple[str, ...] = ()
    verbs: tuple[Verb, ...] = ()
    admin: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a key may do; None is as much as the house can. Tokens are those of prompts and answers together, energy
    is a request's likely share of what the processor used; days and months are the calendar's, in UTC. `priority` is
    the most that its requests have."""

    concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    wh_per_day: float | None = None
    wh_per_month: float | None = None
    priority: Priority = "interactive"

    @property
    def has_budget(self) -> bool:
        return self.has_energy_budget or self.tokens_per_day is not None or self.tokens_per_month is not None

    @property
    def has_energy_budget(self) -> bool:
        return self.wh_per_day is not None or self.wh_per_month is not None


ANYTHING = Scopes()
ENDLESS = Limits()


@dataclass(frozen=True, slots=True)
class Hash:
    """The SHA-256 of one key's text, and until when it opens (seconds since 1970); None is as long as its key."""

    sha256: str
    until_s: int | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """`hashes` has the newest first: after a rotation the one before may open for a while; a person has none. Times are
    seconds since 1970, None is never."""

    id: str
    owner: str
    hashes: tuple[Hash, ...]
    created_s: int
    expires_s: int | None = None
    revoked_s: int | None = None
    scopes: Scopes = ANYTHING
    limits: Limits = ENDLESS

    @property
    def is_person(self) -> bool:
        return self.id.startswith(PERSON)

    @property
    def named(self) -> str:
        """Who it is, to begin a sentence with."""
        return self.owner if self.is_person else f"The key of {self.owner}"

    def is_live(self, now_s: float) -> bool:
        return self.revoked_s is None and (self.expires_s is None or now_s < self.expires_s)

    def opens(self, given: bytes, now_s: float) -> bool:
        """Whether `given` is this key's text. Takes as long whatever it is."""
        return self.opens_by_hash(hashlib.sha256(given).hexdigest(), now_s)

    def opens_by_hash(self, digest: str, now_s: float) -> bool:
        """Whether `digest` is the SHA-256 of this key's text."""
        found = False
        for each in self.hashes:
            same = hmac.compare_digest(digest, each.sha256)
            found |= same and (each.until_s is None or now_s < each.until_s)
        return found


GUEST = Key("", "a guest", (), 0)
"""Stands for whoever came without a key to a house that had none."""


def new_id() -> str:
    return secrets.token_hex(4)


def is_id(text: str) -> bool:
    """Whether `text` has the shape of an id."""
    return text == HOUSE_KEY or text.startswith(PERSON) or _ID.fullmatch(text) is not None


def new_text(key_id: str) -> str:
    """A key of 256 random bits that says which it is."""
    return f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def id_in(given: bytes) -> str | None:
    """The id that a key's text names; None where it is no key of ours."""
    prefix, _, rest = given.partition(b"_")
    name, found, _ = rest.partition(b"_")
    return name.decode("ascii", "replace") if found and prefix == _PREFIX.encode() else None


def is_token(given: bytes) -> bool:
    """Whether `given` looks like a signed token: three parts, the first of them a JSON object in base64."""
    return given.startswith(b"eyJ") and given.count(b".") == 2
