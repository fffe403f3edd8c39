"""The errors of a house that cannot serve now, or may not; everybody else finds them in `core.errors`."""

from __future__ import annotations

from typing import Any

from freehold.core.failure import FreeholdError


class LoadingError(FreeholdError):
    code = "loading"
    status = 503
    can_retry = True


class MemoryHeldError(LoadingError):
    """Others hold the memory that the build needs, and went on holding it for as long as a request may wait."""

    code = "memory_held"


class HouseClosingError(FreeholdError):
    """The house is ending: it takes no new request, and has ended after `retry_after_s` at the latest."""

    code = "house_closing"
    status = 503
    can_retry = True

    def __init__(self, *, retry_after_s: int = 1) -> None:
        hint = "Send the request again when it is back."
        super().__init__("The house is closing.", hint=hint, retry_after=str(retry_after_s))


class BusyError(FreeholdError):
    """More is asked of a worker than it can do in time. After `retry_after_s` seconds a place may be had, as far as
    that can be estimated; None where it cannot."""

    code = "overloaded"
    status = 503
    can_retry = True

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        told = {} if retry_after_s is None else {"retry_after": str(retry_after_s)}
        super().__init__(message, hint="Ask again later, or less at once.", **told)


class DeadlineError(FreeholdError):
    """The time is over that a request said it has, or the house gives one: `deadline_s` seconds."""

    code = "deadline_exceeded"
    status = 504

    def __init__(self, deadline_s: float) -> None:
        super().__init__(
            f"The answer was not whole within {deadline_s:g} s, which was this request's deadline.",
            hint="Ask for a shorter answer (`max_tokens`), or give it more time (`x-freehold-deadline`).",
            deadline_s=deadline_s,
        )


class LimitError(FreeholdError):
    """A key has used what it may: `limit` names which, and after `retry_after_s` seconds it opens again. None: never to
    this request, which asks for more than there is at any time."""

    code = "rate_limit_exceeded"
    exit_code = 1
    status = 429

    def __init__(self, message: str, *, retry_after_s: int | None, **data: Any) -> None:
        told = {} if retry_after_s is None else {"retry_after": str(retry_after_s)}
        super().__init__(message, **told, **data)
        self.retry_after_s = retry_after_s

    @property
    def retryable(self) -> bool:
        """Clients repeat what they are told to; for longer than a minute nobody waits."""
        return self.retry_after_s is not None and self.retry_after_s <= 60


class LedgerError(FreeholdError):
    code = "ledger_unavailable"
    status = 503
    can_retry = True


class NewerFormatError(FreeholdError):
    """A file was written by a newer Freehold, and what this one does not know of it may matter."""

    code = "newer_format"


class SignOnError(FreeholdError):
    """The keys of the issuer cannot be had, or not believed. What is wrong is with the sign-on, not with a token."""

    code = "sign_on_unavailable"
    status = 503
    can_retry = True


class StoppedError(FreeholdError):
    """Whoever runs the house ended this request."""

    code = "stopped_by_admin"
    status = 503


class AddressInUseError(FreeholdError):
    code = "address_in_use"


class EgressError(FreeholdError):
    """The house's policy lets no connection go there. `peer` is where, as `host:port`."""

    code = "egress_refused"
    exit_code = 1
    status = 403
