"""Who is at work in the house, by key or as a person who signed on: lets requests in, counts what they use, and
ends them where what let them in ends.

Without a key, over the control socket or in a house that has none, nothing is counted and nothing refused. A guest of
a house that has none is at work until it has: then a guest's work ends as that of a revoked key.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from freehold.core.errors import FreeholdError, KeyRefusedError
from freehold.core.settings import Secret
from freehold.gateway.access.book import KeyBook
from freehold.gateway.access.key import GUEST, HOUSE_KEY, Hash, Key, Limits, Scopes, Verb, hash_of, id_in, is_token
from freehold.gateway.access.meter import Clocks, Meter
from freehold.gateway.access.refused import ended, require_admin, require_scope
from freehold.ledger.usage import Spent

if TYPE_CHECKING:
    from freehold.gateway.access.tokens.code_flow import Begun, CodeFlow
    from freehold.gateway.access.tokens.tokens import SignedOn, Tokens


class Holder(Protocol):
    """Who asks, as far as keys go: a guest came without one by a way where one may be needed. `meter` is set to what
    counts the key's use; `ended` before the holder's task is cancelled because the key opens no more."""

    ended: FreeholdError | None
    meter: Meter | None

    @property
    def key(self) -> Key | None: ...
    @property
    def is_guest(self) -> bool: ...


class Permit:
    """One request that was let in, and what it has used: `wh` is 0 where nobody knows. Close it, whatever happens."""

    __slots__ = ("_access", "_held", "_meter", "_task", "holder", "tokens", "wh")

    def __init__(self, access: Access, holder: Holder, meter: Meter, held: int) -> None:
        self.holder = holder
        self.tokens = 0
        self.wh = 0.0
        self._access = access
        self._meter = meter
        self._held = held
        self._task = asyncio.current_task()

    @property
    def meter(self) -> Meter:
        return self._meter

    @property
    def room(self) -> int | None:
        """How many tokens the request may hold back at most; None where its key has no limit of them."""
        left = self._meter.left()
        return None if left is None else left + self._held

    def hold(self, tokens: int) -> None:
        """Hold back what the request may take, instead of what was held back so far. Raises LimitError."""
        self._held = self._meter.exchange(self._held, tokens)

    def end(self, error: FreeholdError) -> None:
        """Stop the request's task, which is told why."""
        if self.holder.ended is None and self._task is not None:
            self.holder.ended = error
            self._task.cancel()

    def close(self) -> None:
        self._meter.leave(self._held, self.tokens, self.wh)
        self._access.closed(self)


class Access:
    """The keys of one house. They are read when they are first asked for, and again by `reread`. `tokens` checks those
    of the firm's own sign-on, where it has one; `code_flow` leads people there and back, where the pages may."""

    def __init__(
        self,
        book: KeyBook,
        house_key: Secret | None,
        *,
        tokens: Tokens | None = None,
        code_flow: CodeFlow | None = None,
        clocks: Clocks | None = None,
    ) -> None:
        self.code_flow = code_flow
        self._book = book
        self._tokens = tokens
        self._clocks = clocks or Clocks()
        self._house = _house(house_key)
        self._keys: dict[str, Key] | None = None
        self._meters: dict[str, Meter] = {}
        self._at_work: dict[str, set[Permit]] = {}

    @property
    def keys(self) -> Mapping[str, Key]:
        """Every key by its id. Raises KeyBookError."""
        if self._keys is None:
            self._keys = self._read()
        return self._keys

    @property
    def needed(self) -> bool:
        """Whether a key must be shown: once one was ever made, so that revoking the last one locks the house, and where
        people sign on elsewhere."""
        return self._tokens is not None or bool(self.keys)

    @property
    def takes_tokens(self) -> bool:
        return self._tokens is not None

    @property
    def has_budgets(self) -> bool:
        return any(limits.has_budget for limits in self._limits())

    @property
    def has_energy_budgets(self) -> bool:
        return any(limits.has_energy_budget for limits in self._limits())

    def spent(self, spent: Mapping[str, Spent]) -> None:
        """Begin with what the ledger knows of, by key: each is metered from now on, so that what was spent today is
        not taken for another day's by a key that comes tomorrow. Raises KeyBookError."""
        for key_id, of_key in spent.items():
            if (key := self.keys.get(key_id)) is not None:
                self._meters[key_id] = Meter(key, spent=of_key, clocks=self._clocks)

    async def identify(self, given: bytes | None) -> Key:
        """Whose key or token `given` is. Raises KeyRefusedError, ForbiddenError, SignOnError."""
        if self._tokens is not None and given is not None and is_token(given):
            return (await self.signed_on(given)).person
        return self.require(given)

    async def signed_on(self, token: bytes) -> SignedOn:
        """The person whom `token` speaks of, and how long it does. Raises KeyRefusedError, ForbiddenError,
        SignOnError."""
        assert self._tokens is not None, "asked only where tokens are taken"
        known = self._tokens.known(token)
        return await self._let_in(known or await self._tokens.check(token), is_new=known is None)

    async def signed_in(self, begun: Begun, returned: Mapping[str, str]) -> SignedOn:
        """The person who comes back from the issuer's own sign-in, where `begun` led, and until when the issuer vouches
        for them. Raises SignInError, KeyRefusedError, ForbiddenError, SignOnError."""
        assert self._tokens is not None and self.code_flow is not None, "asked only where the pages lead there"
        given = await self.code_flow.redeem(begun, returned)
        found = await self._tokens.identity(given, self.code_flow.client.id, begun.nonce)
        return await self._let_in(found, is_new=True)

    def standing(self, key: Key, digest: str | None) -> Key:
        """What `key`, seen earlier, is now; `digest` is the SHA-256 of the text that was shown, None for a person.
        Raises KeyRefusedError where it opens no more."""
        now_s, row = self._clocks.wall_s(), self.keys.get(key.id)
        if row is None or not row.is_live(now_s):
            raise ended(row or key)
        if digest is None:
            return key
        if not row.opens_by_hash(digest, now_s):
            raise ended(row)
        return row

    def require(self, given: bytes | None) -> Key:
        """The key that `given` is. Raises KeyRefusedError."""
        if given is None:
            raise KeyRefusedError(
                "A key is needed.", hint="Send it as `Authorization: Bearer KEY` or `x-api-key: KEY`."
            )
        now_s = self._clocks.wall_s()
        key = self.keys.get(id_in(given) or HOUSE_KEY) or self.keys.get(HOUSE_KEY)  # whose text is anybody's choice
        if key is None or not key.opens(given, now_s):
            raise KeyRefusedError("The key is wrong.", hint="`freehold keys list` shows whose there are.")
        if not key.is_live(now_s):
            raise ended(key)
        return key

    def enter(self, holder: Holder, verb: Verb, endpoint: str, most_tokens: int | None) -> Permit | None:
        """Let a request of `holder` in. Raises ForbiddenError where its key may not do that, LimitError;
        KeyRefusedError where that opens nothing any more: a body may come long after the key that was shown with it."""
        key = self._standing(holder)
        if key is None:
            return None
        require_scope(key, verb, endpoint)
        meter = self._meter(key)
        holder.meter = None if key is GUEST else meter
        permit = Permit(self, holder, meter, meter.enter(most_tokens))
        self._at_work.setdefault(key.id, set()).add(permit)
        return permit

    def require_admin(self, holder: Holder) -> None:
        """Raise ForbiddenError where `holder` may not see what others did, KeyRefusedError where its key opens nothing
        any more. Whoever needs no key may."""
        require_admin(self._standing(holder))

    def closed(self, permit: Permit) -> None:
        """Called by the permit itself."""
        at_work = self._at_work.get(permit.meter.key.id)
        if at_work is not None:
            at_work.discard(permit)

    def revoke(self, name: str) -> Key:
        """Write down that the key or the person `name` opens nothing; `reread` puts it in force. Raises NotFoundError,
        CallError, KeyBookError, StoreError."""
        return self._book.revoke(name)

    def reread(self) -> int:
        """Read the keys again; those that open nothing any more end what is at work by them. Gives how many requests
        were ended. Raises KeyBookError; then nothing has changed."""
        self._keys = keys = self._read()
        for key_id, meter in self._meters.items():
            if key_id in keys and not meter.key.is_person:
                meter.key = keys[key_id]
        return self.end_dead()

    def end_dead(self) -> int:
        """End what is at work by keys that were revoked or have expired, and by guests once a key is needed."""
        now_s, count = self._clocks.wall_s(), 0
        for key_id, permits in self._at_work.items():
            if self._may_stay(key_id, now_s):
                continue
            for permit in list(permits):
                permit.end(ended(permit.meter.key))
                count += 1
        return count

    def _standing(self, holder: Holder) -> Key | None:
        """Whose key counts for what `holder` is about to do; None for one who needs none. Raises KeyRefusedError."""
        key = GUEST if holder.is_guest else holder.key
        if key is not None and not self._may_stay(key.id, self._clocks.wall_s()):
            raise ended(self.keys.get(key.id, key))
        return key

    def _may_stay(self, key_id: str, now_s: float) -> bool:
        if key_id == GUEST.id:
            return not self.needed
        key = self.keys.get(key_id)
        return key is not None and key.is_live(now_s)

    def _limits(self) -> list[Limits]:
        """Those of every key that opens, and of every role."""
        of_keys = [key.limits for key in self.keys.values() if key.revoked_s is None]
        return of_keys + (self._tokens.limits if self._tokens is not None else [])

    async def _let_in(self, found: SignedOn, *, is_new: bool) -> SignedOn:
        row = self.keys.get(found.person.id)
        if row is None or (is_new and row.owner != found.person.owner):
            row = await self._enrolled(found.person)
        if row.revoked_s is not None:
            raise ended(row)
        return found

    async def _enrolled(self, person: Key) -> Key:
        row = await asyncio.to_thread(self._book.enroll, person)
        now = self.keys.get(row.id)
        if now is not None and now.revoked_s is not None:
            return now  # revoked while this was written
        self._keys = {**self.keys, row.id: row}
        return row

    def _meter(self, key: Key) -> Meter:
        if key.id not in self._meters:
            self._meters[key.id] = Meter(key, clocks=self._clocks)
        meter = self._meters[key.id]
        if key.is_person:
            meter.key = key  # what a person may do is what the newest token says
        return meter

    def _read(self) -> dict[str, Key]:
        found = {key.id: key for key in self._book.read()}
        return found if self._house is None else {**found, HOUSE_KEY: self._house}


def _house(secret: Secret | None) -> Key | None:
    if secret is None:
        return None
    hashes = (Hash(hash_of(secret.reveal())),)
    return Key(HOUSE_KEY, "the house (FREEHOLD_API_KEY)", hashes, int(time.time()), scopes=Scopes(admin=True))
