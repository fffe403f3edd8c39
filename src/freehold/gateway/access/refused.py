"""What a key is refused, and why one opens nothing any more, in words. Pure."""

from __future__ import annotations

from freehold.core.errors import ForbiddenError, KeyRefusedError
from freehold.gateway.access.key import GUEST, Key, Verb


def require_scope(key: Key, verb: Verb, endpoint: str) -> None:
    """Raise ForbiddenError unless `key` may do `verb` at `endpoint`."""
    scopes = key.scopes
    if scopes.endpoints and endpoint not in scopes.endpoints:
        raise ForbiddenError(f"{key.named} may not ask {endpoint}.", hint=f"It may ask {', '.join(scopes.endpoints)}.")
    if scopes.verbs and verb not in scopes.verbs:
        raise ForbiddenError(f"{key.named} is not for this ({verb}).", hint=f"It may {', '.join(scopes.verbs)}.")


def require_admin(key: Key | None) -> None:
    """Raise ForbiddenError where `key` may not see what others did. Whoever needs none may."""
    if key is not None and key is not GUEST and not key.scopes.admin:
        raise ForbiddenError(
            f"{key.named} may not see what others did.",
            hint="Whoever runs the house makes one that may: `freehold keys create NAME --admin`.",
        )


def ended(key: Key) -> KeyRefusedError:
    """Why `key` opens nothing any more."""
    if key is GUEST:
        return KeyRefusedError(
            "This house has a key now, and asks everybody for one.",
            hint="Ask whoever runs it for one, and send it along.",
        )
    if key.is_person:
        return KeyRefusedError(f"{key.owner} may not use this house.", hint="Ask whoever runs it.")
    how = "was revoked" if key.revoked_s is not None else "has expired"
    return KeyRefusedError(f"This key of {key.owner} {how}.", hint="Ask whoever runs the house for another.")
