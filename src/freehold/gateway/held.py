"""What one request has in hand while it is at work, and gives back however it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from freehold.gateway.access.access import Permit
from freehold.gateway.post import Post


class Held:
    """A worker that is borrowed and a permit that is open, until the block ends; `keep` leaves that to `let_go`. `turn`
    ends the request's turn at the worker, or its waiting for one."""

    def __init__(self, post: Post, permit: Permit | None) -> None:
        self.post = post
        self.permit = permit
        self.turn: Callable[[], None] | None = None
        self._kept = False
        post.borrow()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._kept:
            self.let_go()

    def keep(self) -> None:
        self._kept = True

    def let_go(self) -> None:
        if self.turn is not None:
            self.turn()
        self.post.give_back()
        if self.permit is not None:
            self.permit.close()
