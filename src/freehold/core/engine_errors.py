"""The errors of engines and their workers; everybody else finds them in `core.errors`."""

from __future__ import annotations

from typing import Any

from freehold.core.failure import FreeholdError


class EngineError(FreeholdError):
    code = "engine_failed"
    status = 502


class NoEngineError(EngineError):
    """No engine here is known to run a build, whatever memory there is."""

    code = "no_engine"
    status = 501


class WorkerStartError(EngineError):
    """A worker did not become ready, for `reason`. `log` holds the last lines it wrote."""

    code = "worker_not_started"
    status = 503

    def __init__(self, build: str, reason: str, *, log: str = "", hint: str = "") -> None:
        super().__init__(f"The worker of {build} did not start: {reason}", hint=hint, build=build, log=log)
        self.reason = reason
        self.log = log


class WorkerGivenUpError(WorkerStartError):
    """It was ready and ended, over and over."""

    code = "worker_given_up"


class WorkerLostError(EngineError):
    """A worker ended while it was answering; `again`: a second time over one request, which may be what ends it."""

    code = "worker_lost"

    def __init__(self, message: str, *, hint: str = "", again: bool = False) -> None:
        super().__init__(message, hint=hint)
        self._again = again

    @property
    def retryable(self) -> bool:
        return not self._again


class UpstreamError(EngineError):
    """An engine or a remote API answered with an error of its own; `http_status` is the one it gave."""

    code = "upstream_error"

    def __init__(self, message: str, *, http_status: int, code: str | None = None, **data: Any) -> None:
        super().__init__(message, upstream_code=code, **data)
        self._http_status = http_status

    @property
    def http_status(self) -> int:
        return self._http_status

    @property
    def retryable(self) -> bool:
        return self._http_status in {408, 429, 500, 502, 503, 504}
