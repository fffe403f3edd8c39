"""The keys of one issuer, as new as they need to be.

They are fetched when the first token comes and again every REFRESH_S, beside the requests, which go on with the known
ones. A token that names an unknown key makes one more fetch, but never within UNKNOWN_WAIT_S of the last: so a rotated
key is found, and somebody who invents names makes no storm. Where the issuer does not answer, its known keys are
believed until they are `keys_age_s` old, and nobody's after that: a key may have been withdrawn meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from freehold.core.errors import KeyRefusedError, SignOnError
from freehold.core.sign_on import SignOn
from freehold.gateway.access.tokens.discovery import Discovery, Fetch
from freehold.gateway.access.tokens.keyset import IssuerKey, KeySet

REFRESH_S = 900.0
UNKNOWN_WAIT_S = 10.0
RETRY_S = 5.0
_log = logging.getLogger("freehold.gateway")


class Issuer:
    """Making one asks nobody anything. `now_s` only goes forward."""

    def __init__(self, sign_on: SignOn, fetch: Fetch, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self.discovery = Discovery(sign_on.issuer, fetch, now_s=now_s)
        self._sign_on = sign_on
        self._fetch = fetch
        self._now_s = now_s
        self._keys: KeySet | None = None
        self._read_at = self._tried_at = float("-inf")
        self._failure: SignOnError | None = None
        self._refreshing: asyncio.Task[None] | None = None

    def current(self) -> KeySet | None:
        """The keys that are believed now, None where they are too old or never came. Begins to fetch them anew, beside
        the caller, where that is due."""
        age_s = self._now_s() - self._read_at
        if self._keys is None or age_s > self._sign_on.keys_age_s:
            return None
        if age_s > REFRESH_S and self._may_try(RETRY_S):
            self._refresh()
        return self._keys

    async def key(self, name: str | None, algorithm: str) -> IssuerKey:
        """The key called `name`. Raises SignOnError where keys cannot be had, KeyRefusedError where there is none."""
        keys = self.current() or await self._fetched()
        found = keys.find(name, algorithm)
        if found is None and (self._is_refreshing or self._may_try(UNKNOWN_WAIT_S)):
            await asyncio.shield(self._refresh())
            found = (self._keys or keys).find(name, algorithm)
        if found is None:
            raise KeyRefusedError(
                f"The token is signed by a key that {self._sign_on.issuer} does not have.",
                hint=f"Get a new one there. A key that it has just begun to use is known here within "
                f"{UNKNOWN_WAIT_S:.0f} s.",
            )
        return found

    async def _fetched(self) -> KeySet:
        if self._is_refreshing or self._may_try(RETRY_S):
            await asyncio.shield(self._refresh())
        keys = self.current()
        if keys is None:
            why = f" {self._failure.message}" if self._failure is not None else ""
            raise SignOnError(
                f"No keys of {self._sign_on.issuer} are known that could check this token.{why}",
                hint="API keys of this house open as before.",
                retry_after=f"{RETRY_S:.0f}",
            )
        return keys

    @property
    def _is_refreshing(self) -> bool:
        return self._refreshing is not None and not self._refreshing.done()

    def _may_try(self, wait_s: float) -> bool:
        return not self._is_refreshing and self._now_s() - self._tried_at >= wait_s

    def _refresh(self) -> asyncio.Task[None]:
        """The one fetch at a time. It never raises: what went wrong is kept."""
        if self._refreshing is None or self._refreshing.done():
            self._tried_at = self._now_s()
            self._refreshing = asyncio.create_task(self._read_anew(), name="fetch keys of the sign-on")
        return self._refreshing

    async def _read_anew(self) -> None:
        try:
            self._keys = await self._read()
            self._read_at, self._failure = self._now_s(), None
        except SignOnError as error:
            self._failure = error
            _log.warning("sign-on: %s", error)

    async def _read(self) -> KeySet:
        file = self._sign_on.keys_file
        if file is not None:
            return KeySet.read(await asyncio.to_thread(_bytes_of, file), str(file))
        keys_at = (await self.discovery.read()).address("jwks_uri", "the keys")
        return KeySet.read(await self._fetch(keys_at), keys_at)


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SignOnError(
            f"The keys in {file} cannot be read: {error.strerror}.", hint="keys_file in [sign_on] of freehold.toml."
        ) from error
