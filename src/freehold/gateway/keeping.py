"""Keeps what one request's engine is sent and gives, for an endpoint whose content is kept (`keep_content`).

It hands over what has come twice: what was sent, before the admission that names it, and the rest before the outcome
that does. What was made of an answer whose client left is kept like any other; its outcome says how it ended."""

from __future__ import annotations

from collections.abc import Mapping

from freehold.ledger.content.container import Kept
from freehold.ledger.content.contents import Contents
from freehold.ledger.content.transcript import Transcript
from freehold.ledger.ledger import Ledger


class Keeping(Transcript):
    """Keeps it in `contents`, for `keep_s`."""

    __slots__ = ("_contents", "_endpoint", "_keep_s")

    def __init__(self, contents: Contents, endpoint: str, keep_s: float) -> None:
        super().__init__()
        self._contents = contents
        self._endpoint = endpoint
        self._keep_s = keep_s

    async def kept(self) -> Kept | None:
        """Keep what came since the last time; None where nothing did. Raises LedgerError."""
        if self.is_empty:
            return None
        return await self._contents.keep(self.taken(), self._endpoint, self._keep_s)


def keeping(ledger: Ledger | None, keeps: Mapping[str, float], endpoint: str) -> Keeping | None:
    """What keeps a request to `endpoint`, where it is one of those that keep, each for so many seconds."""
    keep_s = keeps.get(endpoint)
    return Keeping(ledger.contents, endpoint, keep_s) if keep_s is not None and ledger is not None else None


async def keep_ready(ledger: Ledger | None, keeps: Mapping[str, float]) -> None:
    """See that what is to be kept can be. Raises HouseKeyError."""
    if keeps and ledger is not None:
        await ledger.contents.ready()
