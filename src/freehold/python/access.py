"""The API keys of this house, and who signed on to it: made, listed, turned and revoked, at once where it runs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from freehold import control
from freehold.core.errors import CallError
from freehold.core.settings import Settings, load_despite_errors
from freehold.gateway.access.book import KeyBook
from freehold.gateway.access.key import VERBS, Verb
from freehold.gateway.access.key import Key as Key
from freehold.gateway.access.key import Limits as Limits
from freehold.gateway.access.key import Scopes as Scopes
from freehold.python.endpoint_names import unknown

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Made:
    """A key and its text, which nobody can show again. `ended` requests were stopped by the change; None where no house
    runs. `notes` say what may be a mistake."""

    key: Key
    text: str
    ended: int | None
    notes: tuple[str, ...] = ()


def create(owner: str, scopes: Scopes, limits: Limits, expires_s: int | None) -> Made:
    """Raises CallError, KeyBookError, StoreError."""
    settings = load_despite_errors()
    if limits.has_budget and settings.ledger.mode == "off":
        raise CallError(
            "A budget of a day or a month needs the ledger, and it is off.",
            hint="Set mode in [ledger] of freehold.toml.",
        )
    if limits.has_energy_budget and not _measures_energy():
        raise CallError(
            "This machine does not measure energy, so a budget of it would bound nothing: no counter of its processor "
            "(RAPL, under /sys/class/powercap) or of a card (NVML) can be read.",
            hint="Give a budget of tokens, or let this account read the counters: since Linux 5.10 only root may.",
        )
    notes = unknown(settings, scopes.endpoints, "This key")
    key, text = KeyBook(settings.home).create(owner, scopes=scopes, limits=limits, expires_s=expires_s)
    return Made(key, text, control.reread_keys(settings), notes)


def _measures_energy() -> bool:
    from freehold.app import measures_energy  # all that a house is made of: only where such a budget is asked for

    return measures_energy()


def every() -> tuple[Key, ...]:
    """Every key there ever was. Raises KeyBookError."""
    return KeyBook(load_despite_errors().home).read()


def revoke(name: str) -> tuple[Key, int | None]:
    """The key that opens nothing any more, and how many requests that ended. Raises NotFoundError, CallError."""
    settings = load_despite_errors()
    key = KeyBook(settings.home).revoke(name)
    return key, control.reread_keys(settings)


def restore(name: str) -> tuple[Key, int | None]:
    """The person who may come in again. Raises NotFoundError, CallError."""
    settings = load_despite_errors()
    key = KeyBook(settings.home).restore(name)
    return key, control.reread_keys(settings)


def rotate(name: str, grace_s: int) -> Made:
    """A new text for a key; the old one opens for `grace_s` more. Raises NotFoundError, CallError."""
    settings = load_despite_errors()
    key, text = KeyBook(settings.home).rotate(name, grace_s=grace_s)
    return Made(key, text, control.reread_keys(settings))


def needed(settings: Settings) -> bool:
    """Whether the house of `settings` asks for a key or a token. Raises KeyBookError."""
    if settings.server.api_key is not None or settings.sign_on is not None:
        return True
    return bool(KeyBook(settings.home).read())


def state(key: Key) -> str:
    """What is to be said of a key now."""
    if key.revoked_s is not None:
        return "revoked"
    return "live" if key.is_live(time.time()) else "expired"


def verbs(given: list[str]) -> tuple[Verb, ...]:
    """Raises CallError for a word that is none."""
    wrong = [word for word in given if word not in VERBS]
    if wrong:
        raise CallError(f"{wrong[0]!r} is nothing a key can be for.", hint=f"It can be for {', '.join(VERBS)}.")
    return tuple(verb for verb in VERBS if verb in given)


def span_s(text: str, *, hint: str = "Such as 90m, 12h, 30d or 2w.") -> int:
    """The seconds in `90m`, `12h`, `30d` or `2w`. Raises CallError."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isdecimal() or not 0 < int(number) * _UNITS[unit] < 100 * 366 * 86_400:
        raise CallError(f"{text!r} is no span of time.", hint=hint)
    return int(number) * _UNITS[unit]


def end_s(text: str) -> int:
    """When a key ends that is given `30d`, or a day such as 2027-01-31, which it opens up to (UTC). Raises
    CallError."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return int(time.time()) + span_s(text, hint="Such as 12h, 30d or 2w, or a day: 2027-01-31.")
    if day.timestamp() <= time.time():
        raise CallError(f"{text} is over: such a key would open nothing.")
    return int(day.timestamp())
