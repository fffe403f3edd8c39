"""The errors of where builds come from; everybody else finds them in `core.errors`."""

from __future__ import annotations

from typing import Literal

from freehold.core.failure import FreeholdError


class SourceError(FreeholdError):
    code = "source_failed"
    status = 502


class SourceUnreachableError(SourceError):
    code = "source_unreachable"
    can_retry = True


class GatedError(SourceError):
    code = "source_gated"
    status = 403


class HashMismatchError(SourceError):
    """The bytes of `file` have another sha256 or size than the one named; they are kept at `quarantined`.

    `expected` and `found` are what `measure` says: 64 hexadecimal digits, or bytes in decimal.
    """

    code = "hash_mismatch"

    def __init__(
        self,
        file: str,
        *,
        source: str,
        expected: str,
        found: str,
        quarantined: str,
        measure: Literal["sha256", "size_bytes"] = "sha256",
    ) -> None:
        if measure == "sha256":
            difference = f"has sha256 {found}, but {expected} was named"
        else:
            difference = f"has {int(found):,} bytes, but {int(expected):,} were named"
        super().__init__(
            f"{file} from {source} {difference}.",
            hint=f"The bytes were set aside at {quarantined}; do not use them. Try another source or mirror.",
            file=file,
            source=source,
            expected=expected,
            found=found,
            quarantined=quarantined,
            measure=measure,
        )
