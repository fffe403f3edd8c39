"""The files that keys lie in: who may read and write them, and the private one in PEM, written whole or not at all.

A private half that other accounts can read signs nothing; a public half that every account can write is not believed.
Rights are set when a file is written, whatever the umask. Symbolic links are followed: secrets are often mounted so.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from freehold.core.errors import HouseKeyError
from freehold.core.settings import Secret
from freehold.store.durable import make_folder, write_whole, writing
from freehold.store.opened import open_regular

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PASSPHRASE = "FREEHOLD_KEY_PASSPHRASE"  # noqa: S105 -- the variable's name
_LARGEST_KEY_BYTES = 16_384
_OTHERS, _OTHERS_WRITE, _EVERYBODY_WRITES = 0o077, 0o022, 0o002


def is_there(path: Path) -> bool:
    """True where something has this name, a link to nowhere too. Raises OSError where nobody may look."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def read_key(path: Path) -> bytes:
    """What a key's file holds, wherever it is. Raises HouseKeyError."""
    return _read(path)[0]


def read_kept(path: Path) -> bytes:
    """What a public half holds that the house keeps. Raises HouseKeyError, also where every account can write it."""
    data, mode = _read(path)
    for place, rights in ((path, mode), (path.parent, path.parent.stat().st_mode)):
        if rights & _EVERYBODY_WRITES:
            raise HouseKeyError(
                f"{place} can be written by every account (mode {rights & 0o777:04o}); no key in it is believed.",
                hint=f"See whether it is yours still, then `chmod go-w {place}`.",
            )
    return data


def read_private(path: Path, passphrase: Secret | None) -> Ed25519PrivateKey:
    """The private half. Raises HouseKeyError, also where other accounts can read it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data, mode = _read(path)
    if mode & _OTHERS:
        raise HouseKeyError(
            f"{path} can be read by other accounts (mode {mode:04o}); it signs nothing like that.",
            hint=f"`chmod 600 {path}`. If others may have read it, make a new key.",
        )
    locked = b"ENCRYPTED" in data
    phrase = passphrase if locked else None
    try:
        key = load_pem_private_key(data, None if phrase is None else phrase.reveal().encode())
    except (TypeError, ValueError) as error:  # TypeError: it is encrypted and there is no passphrase
        why = "is encrypted" if phrase is None else "does not open with the passphrase given"
        restore = "Restore it, or move both halves away and make a new key: `freehold signing create`."
        raise HouseKeyError(
            f"{path} {why if locked else 'cannot be read as a key'}.",
            hint=f"Set {PASSPHRASE}, or {PASSPHRASE}_FILE to a file that holds it." if locked else restore,
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise HouseKeyError(f"{path} is a key of another kind than Ed25519.")
    return key


def write_private(path: Path, key: Ed25519PrivateKey, passphrase: Secret | None) -> None:
    """Put a private half at `path`, encrypted where there is a passphrase. Raises HouseKeyError for one that closes
    nothing, StoreError."""
    write_whole(path, _private_pem(key, passphrase), mode=0o600)


def make_key_folder(folder: Path) -> Path:
    """Make `folder`, which its owner alone may write. Raises ReadOnlyError."""
    make_folder(folder)
    with writing(folder):
        mode = folder.stat().st_mode & 0o7777
        if mode & _OTHERS_WRITE:
            folder.chmod(mode & ~_OTHERS_WRITE)
    return folder


def others_write(folder: Path) -> bool:
    """True where other accounts may put files into `folder`. Raises OSError."""
    return bool(folder.stat().st_mode & _OTHERS_WRITE)


def _read(path: Path) -> tuple[bytes, int]:
    try:
        with open_regular(path) as file:
            return file.read(_LARGEST_KEY_BYTES), os.fstat(file.fileno()).st_mode & 0o777
    except OSError as error:
        raise HouseKeyError(f"{path} cannot be read: {error.strerror}.") from error


def _private_pem(key: Ed25519PrivateKey, passphrase: Secret | None) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    try:
        lock = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.reveal().encode())
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
    except ValueError:  # its own words may hold a part of the passphrase
        raise HouseKeyError(
            f"The passphrase in {PASSPHRASE} cannot close a key: it has none or more than 1,023 bytes, or is no text.",
            hint="Choose another, or unset it to keep the key unencrypted.",
        ) from None
