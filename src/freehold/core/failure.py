"""The root of every error Freehold raises. The tree that grows from it is drawn in `errors`; import it from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class FreeholdError(Exception):
    """Root of the tree: `message`, `hint`, `code`, `data`, `retryable`, `exit_code`, `http_status`."""

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 3
    status: ClassVar[int] = 500
    can_retry: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.data: Mapping[str, Any] = data

    @property
    def http_status(self) -> int:
        """Status of the HTTP answer that reports this error."""
        return self.status

    @property
    def retryable(self) -> bool:
        """True where the same call may succeed later, unchanged."""
        return self.can_retry

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()
