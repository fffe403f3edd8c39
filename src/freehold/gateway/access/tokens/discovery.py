"""What an issuer says of itself (OpenID Connect Discovery 1.0, 4): where its keys are, and where people sign in.

It is read at the issuer's own address and believed where it names that very issuer. Of the addresses in it those are
used that nobody between could play: https, or this machine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from freehold.core.addresses import nobody_between
from freehold.core.errors import SignOnError
from freehold.gateway.access.tokens.keyset import json_object

FRESH_S = 900.0
AGAIN_S = 5.0
Fetch = Callable[[str], Awaitable[bytes]]
"""Gives what is at an address, without following it elsewhere. Raises SignOnError."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The document that lay at `place`."""

    place: str
    told: Mapping[str, Any]

    def address(self, name: str, what: str) -> str:
        """The address that it calls `name`, of `what`. Raises SignOnError where there is none that can be used."""
        found = self.told.get(name)
        if not isinstance(found, str) or not nobody_between(found):
            raise SignOnError(f"{self.place} names no https address for {what}: {found!r:.200}.")
        return found

    def offers(self, name: str, usual: tuple[str, ...]) -> tuple[str, ...]:
        """The words of the list `name`; `usual` where it is not there."""
        found = self.told.get(name)
        return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else usual


class Discovery:
    """The metadata of one issuer. Making one asks nobody anything. `last` is what was read last, None before that."""

    def __init__(self, issuer: str, fetch: Fetch, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self.last: Metadata | None = None
        self._issuer = issuer
        self._fetch = fetch
        self._now_s = now_s
        self._tried_at = float("-inf")
        self._failure: SignOnError | None = None
        self._one_at_a_time = asyncio.Lock()

    async def known(self) -> Metadata:
        """What was read within FRESH_S, else what is there now. However many ask at once, the issuer is asked once, and
        after a failure not again within AGAIN_S. Raises SignOnError."""
        async with self._one_at_a_time:
            age_s = self._now_s() - self._tried_at
            if self.last is not None and self._failure is None and age_s < FRESH_S:
                return self.last
            if self._failure is None or age_s >= AGAIN_S:
                try:
                    return await self.read()
                except SignOnError as error:
                    self._failure, self._tried_at = error, self._now_s()
            raise SignOnError(self._failure.message, hint=self._failure.hint, retry_after=f"{AGAIN_S:.0f}")

    async def read(self) -> Metadata:
        """What is there now. Raises SignOnError."""
        # A slash at the end of the issuer is left out before the rest is added.
        place = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
        told = json_object(await self._fetch(place), place)
        if told.get("issuer") != self._issuer:
            raise SignOnError(
                f"What is at {place} is of another issuer: {told.get('issuer')!r:.200}.",
                hint="Set issuer in [sign_on] of freehold.toml exactly as it stands there.",
            )
        self.last, self._failure, self._tried_at = Metadata(place, told), None, self._now_s()
        return self.last
