"""The file with a house's API keys and the people who signed on to it: `access/keys.json` of its home, for its owner
alone (0600).

It holds hashes, so whoever reads it cannot ask with a key; whoever can write it decides who may ask. A revoked key
stays in it, because the ledger names it. Changes are whole or not at all, one at a time."""

from __future__ import annotations

import dataclasses
import json
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from freehold.core.errors import CallError, KeyBookError, NewerFormatError, NotFoundError
from freehold.core.formats import KEY_BOOK
from freehold.core.names import nearest
from freehold.gateway.access.key import (
    ANYTHING,
    ENDLESS,
    Hash,
    Key,
    Limits,
    Scopes,
    hash_of,
    is_id,
    new_id,
    new_text,
)
from freehold.store.durable import make_folder, write_whole
from freehold.store.locks import hold_briefly

Result = TypeVar("Result")
_OTHERS = 0o077
_KEYS: TypeAdapter[tuple[Key, ...]] = TypeAdapter(tuple[Key, ...])


class KeyBook:
    """The keys of the house at `home`. Making one touches nothing."""

    def __init__(self, home: Path) -> None:
        self.path = home / "access" / "keys.json"

    def read(self) -> tuple[Key, ...]:
        """Every key there ever was; none where no key was ever made. Raises KeyBookError."""
        try:
            mode = self.path.stat().st_mode & 0o777
            data = self.path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise KeyBookError(f"{self.path} cannot be read: {error.strerror}.") from error
        if mode & _OTHERS:
            raise KeyBookError(
                f"{self.path} is open to other accounts (mode {mode:04o}); no key in it is believed.",
                hint=f"See whether it is yours still, then `chmod 600 {self.path}`.",
            )
        return _parsed(self.path, data)

    def create(
        self, owner: str, *, scopes: Scopes = ANYTHING, limits: Limits = ENDLESS, expires_s: int | None = None
    ) -> tuple[Key, str]:
        """A new key, and its text, which is nowhere else. Raises CallError, KeyBookError, StoreError."""
        if not owner.strip() or not owner.isprintable() or len(owner) > 100:
            raise CallError(
                "A key needs the name of its owner, of at most 100 characters.", hint="freehold keys create ada"
            )

        def add(keys: tuple[Key, ...]) -> tuple[tuple[Key, ...], tuple[Key, str]]:
            taken = {key.id for key in keys}
            key_id = next(each for each in iter(new_id, "") if each not in taken)
            text = new_text(key_id)
            key = Key(key_id, owner, (Hash(hash_of(text)),), int(time.time()), expires_s, None, scopes, limits)
            return (*keys, key), (key, text)

        return self._change(add)

    def enroll(self, person: Key) -> Key:
        """Write down who signed on, unless that is known: so that usage has a name for the subject, and the house can
        revoke it. What the person may do is not written: every token says it anew. Raises KeyBookError, StoreError."""

        def add(keys: tuple[Key, ...]) -> tuple[tuple[Key, ...], Key]:
            known = next((key for key in keys if key.id == person.id), None)
            if known is not None and known.owner == person.owner:
                return keys, known
            row = known or Key(person.id, person.owner, (), person.created_s)
            row = dataclasses.replace(row, owner=person.owner)
            return (_with(keys, row) if known else (*keys, row)), row

        return self._change(add)

    def restore(self, name: str) -> Key:
        """Let a person in again who was revoked. Raises NotFoundError, CallError."""

        def lift(keys: tuple[Key, ...]) -> tuple[tuple[Key, ...], Key]:
            found = _named([key for key in keys if key.is_person and key.revoked_s is not None], name)
            key = dataclasses.replace(found, revoked_s=None)
            return _with(keys, key), key

        return self._change(lift)

    def revoke(self, name: str) -> Key:
        """Let the key with this id, or the one key of this owner, open nothing from now on. Raises NotFoundError,
        CallError."""

        def end(keys: tuple[Key, ...]) -> tuple[tuple[Key, ...], Key]:
            key = dataclasses.replace(_standing(keys, name), revoked_s=int(time.time()))
            return _with(keys, key), key

        return self._change(end)

    def rotate(self, name: str, *, grace_s: int = 0) -> tuple[Key, str]:
        """A new text for a key, which keeps its id, scopes and budgets; the old one opens for `grace_s` more. Raises
        NotFoundError, CallError."""

        def turn(keys: tuple[Key, ...]) -> tuple[tuple[Key, ...], tuple[Key, str]]:
            found = _standing(keys, name)
            if found.is_person:
                raise CallError(f"{found.owner} signs on elsewhere and has no key of this house to rotate.")
            if not found.is_live(time.time()):
                hint = f"Make another: freehold keys create {shlex.quote(found.owner)}"
                raise CallError(f"The key of {found.owner} has expired: no text of it would open anything.", hint=hint)
            text = new_text(found.id)
            old = Hash(found.hashes[0].sha256, int(time.time()) + grace_s)
            hashes = (Hash(hash_of(text)), *((old,) if grace_s else ()))
            key = dataclasses.replace(found, hashes=hashes)
            return _with(keys, key), (key, text)

        return self._change(turn)

    def _change(self, how: Callable[[tuple[Key, ...]], tuple[tuple[Key, ...], Result]]) -> Result:
        make_folder(self.path.parent)
        with hold_briefly(self.path.with_name("lock")):
            keys, result = how(self.read())
            rows = [dataclasses.asdict(key) for key in keys]
            data = json.dumps({"format": KEY_BOOK.newest, "keys": rows}, ensure_ascii=False, indent=1).encode()
            write_whole(self.path, data + b"\n", mode=0o600)
        return result


def id_of(keys: Iterable[Key], name: str) -> str:
    """The id of the key, or the person, that `name` means: an id, also of a key that is not among these any more, or
    the owner of a single one. Raises NotFoundError with the nearest, CallError where several are meant."""
    return name if is_id(name) else _named([*keys], name).id


def _parsed(path: Path, data: bytes) -> tuple[Key, ...]:
    try:
        return _KEYS.validate_python(KEY_BOOK.newest_of(json.loads(data), str(path))["keys"])
    except NewerFormatError as newer:
        raise KeyBookError(newer.message, hint=newer.hint) from newer
    except (ValueError, TypeError, KeyError, RecursionError, ValidationError) as error:
        raise KeyBookError(
            f"{path} is damaged, so nobody can be let in.", hint="Restore it from a copy. It holds no key, only hashes."
        ) from error


def _standing(keys: Iterable[Key], name: str) -> Key:
    """The key that `name` means, of those that were not revoked. Raises as `_named`."""
    every = [*keys]
    try:
        return _named([key for key in every if key.revoked_s is None], name)
    except NotFoundError:
        key = _named(every, name)
    at = datetime.fromtimestamp(key.revoked_s or 0, UTC).isoformat().replace("+00:00", "Z")
    raise NotFoundError(
        "key", name, text=f"{key.named} was revoked already, at {at}.", hint="`freehold keys list --all` shows it."
    )


def _named(among: Sequence[Key], name: str) -> Key:
    """The key that `name` means. Raises NotFoundError with the nearest, CallError where several are meant."""
    found = [key for key in among if key.id == name] or [key for key in among if key.owner == name]
    if not found:
        known = {key.id for key in among} | {key.owner for key in among}
        raise NotFoundError("key", name, nearest=nearest(name, known), hint="`freehold keys list --all` shows them.")
    if len(found) > 1:
        ids = ", ".join(key.id for key in found)
        raise CallError(f"{name} has {len(found)} keys: {ids}.", hint="Say which, by its id.")
    return found[0]


def _with(keys: tuple[Key, ...], changed: Key) -> tuple[Key, ...]:
    return tuple(changed if key.id == changed.id else key for key in keys)
