"""Keeps what one request's engine is sent and gives, for an endpoint whose content is kept (`keep_content`).

It hands over what has come twice: what was sent, before the admission that names it, and the rest before the outcome
that does. What was made of an answer whose client left is kept like any other; its outcome says how it ended."""

from __future__ import annotations

from freehold.ledger.content.container import Kept
from freehold.ledger.content.contents import Contents
from freehold.ledger.content.transcript import Transcript


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
