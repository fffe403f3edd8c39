"""The errors of what the house keeps on disk; everybody else finds them in `core.errors`."""

from __future__ import annotations

from freehold.core.failure import FreeholdError


class StoreError(FreeholdError):
    code = "store_failed"
    status = 507


class NoSpaceError(StoreError):
    code = "no_space"

    def __init__(
        self, folder: str, *, download_bytes: int, unpacked_bytes: int, reserve_bytes: int, free_bytes: int
    ) -> None:
        needed_bytes = download_bytes + unpacked_bytes + reserve_bytes
        super().__init__(
            f"{folder} has {free_bytes:,} bytes free and {needed_bytes:,} are needed: {download_bytes:,} to download, "
            f"{unpacked_bytes:,} to unpack, {reserve_bytes:,} in reserve.",
            hint="Free some with `freehold rm`, or set FREEHOLD_HOME to a larger disk.",
            folder=folder,
            needed_bytes=needed_bytes,
            free_bytes=free_bytes,
        )


class ReadOnlyError(StoreError):
    code = "store_read_only"


class BuildChangedError(StoreError):
    """The bytes of a held build are not the bytes its deed names. No engine opens them."""

    code = "build_changed"
    status = 500


class HouseKeyError(StoreError):
    """A key that signs deeds, or opens kept content, is missing, locked, badly kept or already there."""

    code = "house_key"
    status = 500


class KeyBookError(StoreError):
    code = "key_book"
    status = 500


class BundleError(StoreError):
    """A bundle is not what its maker made, or its maker is nobody this house trusts. Nothing of it was taken in."""

    code = "bundle_refused"
    status = 422


class DeedError(StoreError):
    """A deed cannot be read, or belongs to another build. Its build is not opened."""

    code = "deed_refused"
    status = 500


class DeedChangedError(DeedError):
    code = "deed_changed"


class DeedUnreadableError(DeedError):
    """This account may not read a deed: nothing is known of it, and nothing of its build has to go."""

    code = "deed_unreadable"
    exit_code = 4


class DeedSignatureError(DeedError):
    code = "deed_signature"
