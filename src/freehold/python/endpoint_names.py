"""Looks whether the endpoints that keys and roles name are there. One that is not may come later, so nothing here is an
error: it is said, with the nearest names, because nobody gets in by a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable

from freehold.core.names import nearest
from freehold.core.settings import DEFAULT_MODEL, Settings


def unknown(settings: Settings, names: Iterable[str], whose: str) -> tuple[str, ...]:
    """A line for each of `names` that is no endpoint of a house with `settings`; `whose` begins it. Raises
    StoreError."""
    given = tuple(names)
    known = _names(settings) if given else ()
    return tuple(_line(whose, name, nearest(name, known)) for name in given if name not in known)


def unknown_in_roles(settings: Settings) -> tuple[str, ...]:
    """The same for every role of `[sign_on]`."""
    roles = settings.sign_on.roles if settings.sign_on is not None else {}
    return tuple(line for name, role in roles.items() for line in unknown(settings, role.endpoints, f"The role {name}"))


def _names(settings: Settings) -> tuple[str, ...]:
    if settings.endpoints is not None:
        return tuple(row.name for row in settings.endpoints.values())
    from freehold.gateway.endpoints import from_held
    from freehold.python.held import builds

    return tuple(from_held(builds(settings), settings.engine, first=DEFAULT_MODEL).targets)


def _line(whose: str, name: str, near: tuple[str, ...]) -> str:
    guess = f" Nearest: {', '.join(near)}." if near else ""
    return f"{whose} is for the endpoint {name!r}, and there is none of that name now.{guess}"
