"""What a token's claims let its holder do: the roles of `[sign_on]`, put together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from freehold.core.errors import SettingsError
from freehold.core.sign_on import Role, SignOn
from freehold.gateway.access.key import ANYTHING, ENDLESS, VERBS, Limits, Scopes, Verb

_KINDS: Mapping[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in get_type_hints(Limits).items()}
_LIMITS = tuple(_KINDS)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody may do, and how much of it."""

    scopes: Scopes = ANYTHING
    limits: Limits = ENDLESS


class Grants:
    """The roles of one `[sign_on]`. Raises SettingsError, naming every role that makes no sense."""

    def __init__(self, sign_on: SignOn) -> None:
        self._claim = sign_on.claim
        wrong = [text for name, role in sign_on.roles.items() for text in _wrong(name, role)]
        if wrong:
            lines = "\n".join(f"  {text}" for text in wrong)
            raise SettingsError(f"Of the roles in [sign_on] of freehold.toml\n{lines}\n")
        self._grants = {name: _grant(role) for name, role in sign_on.roles.items()}

    @property
    def limits(self) -> list[Limits]:
        """Those of every role."""
        return [grant.limits for grant in self._grants.values()]

    def of(self, claims: Mapping[str, Any]) -> Grant | None:
        """The widest of what the holder's roles allow; None where it has none of them. Without roles, everything but
        what is for administrators."""
        if not self._grants:
            return Grant()
        held = [self._grants[name] for name in values(claims, self._claim) if name in self._grants]
        return _together(held) if held else None


def values(claims: Mapping[str, Any], name: str) -> list[str]:
    """The values of the claim `name`: a list's strings, or a string's words (RFC 8693, 4.2). A claim that is not there
    by this name is looked for along its dots: `realm_access.roles`."""
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, str):
        return found.split()
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _grant(role: Role) -> Grant:
    scopes = Scopes(role.endpoints, cast("tuple[Verb, ...]", role.verbs), role.admin)
    return Grant(scopes, Limits(**dict(role.limits)))  # type: ignore[arg-type]  # `_is_limit` looked at each


def _wrong(name: str, role: Role) -> Iterable[str]:
    for verb in role.verbs:
        if verb not in VERBS:
            yield f"{name} is for {verb!r}, which is none of {', '.join(VERBS)}."
    for limit, value in role.limits.items():
        if limit not in _LIMITS:
            yield f"{name} sets {limit!r}, which is none of {', '.join(_LIMITS)}."
        elif not _is_limit(limit, value):
            yield f"{name} sets {limit} to {value!r}, which is no such limit."


def _is_limit(name: str, value: object) -> bool:
    try:
        _KINDS[name].validate_python(value, strict=True)
    except ValidationError:
        return False
    return not isinstance(value, int | float) or value > 0


def _together(held: list[Grant]) -> Grant:
    scopes = Scopes(
        endpoints=_all_of([each.scopes.endpoints for each in held]),
        verbs=_all_of([each.scopes.verbs for each in held]),
        admin=any(each.scopes.admin for each in held),
    )
    limits = {name: _widest(name, [getattr(each.limits, name) for each in held]) for name in _LIMITS}
    return Grant(scopes, Limits(**limits))


def _all_of(parts: list[tuple[Value, ...]]) -> tuple[Value, ...]:
    """Every value of `parts`; an empty part is every one there is, and so is the whole then."""
    return () if not all(parts) else tuple(dict.fromkeys(value for part in parts for value in part))


def _widest(name: str, limits: list[Any]) -> Any:
    """The default of a limit is as much as there is of it."""
    default = getattr(ENDLESS, name)
    return default if default in limits else max(limits)
