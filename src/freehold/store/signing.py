"""Signatures on deeds: the house's own key, the keys it trusts, and what it makes of a deed that others signed.

Ed25519 (RFC 8032), through the cryptography package. What is signed is the canonical text of a deed's statement behind
a line that says what it is, so that no signature made for something else fits; a bundle's manifest is signed in the
same way, behind another line. The private key lies in the home under `keys/`, for its owner alone (0600), encrypted
where a passphrase was set when it was made; it is never printed and never leaves. The public halves beside it may be
read by all. A key is named by its fingerprint, the start of the SHA-256 of its public half.

What a signature does not protect against: somebody who may write the folder of keys. Whoever can put a key there
decides what is trusted; keep the home, or at least that folder, to the account that runs the house.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from freehold.core.errors import DeedSignatureError, HouseKeyError
from freehold.core.settings import Secret
from freehold.store.deeds import Deed, Signature
from freehold.store.durable import make_folder, sync_folder, write_whole, writing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PASSPHRASE = "FREEHOLD_KEY_PASSPHRASE"  # noqa: S105 -- the variable's name
Unsigned = Literal["accept", "refuse"]
SignatureState = Literal["valid", "missing", "wrong", "unknown key"]
DEED = b"freehold deed 2\n"
_LARGEST_KEY_BYTES = 16_384
_VALUE = re.compile(r"[0-9a-f]{128}")


class Keys:
    """The keys in `folder`: `house.key`, `house.pub` and `trusted/`. Making one touches nothing.

    `unsigned` says what becomes of deeds without a signature that can be checked; None refuses them once the house
    has a key of its own. `passphrase` opens the private key, or closes the one that `create` makes.
    """

    def __init__(self, folder: Path, *, passphrase: Secret | None = None, unsigned: Unsigned | None = None) -> None:
        self.folder = folder
        self._passphrase = passphrase
        self._unsigned = unsigned

    @property
    def private_path(self) -> Path:
        return self.folder / "house.key"

    @property
    def public_path(self) -> Path:
        return self.folder / "house.pub"

    @property
    def refuses_unsigned(self) -> bool:
        return self._unsigned == "refuse" or (self._unsigned is None and self.has_own)

    @property
    def has_own(self) -> bool:
        """True where the house has a key: deeds are signed with it and wanted with a signature. Raises HouseKeyError
        where nobody may look: then it is not known, and nothing is taken for unsigned."""
        try:
            return self.public_path.exists() or self.private_path.exists()
        except OSError as error:
            raise HouseKeyError(
                f"{self.folder} cannot be read: {error.strerror}.",
                hint=f"Let this account read it (`chmod 755 {self.folder}`); the private key in it stays its owner's.",
            ) from error

    def own(self) -> str | None:
        """The fingerprint of the house's key, or None. Raises HouseKeyError."""
        return fingerprint(_public(self.public_path)) if self.has_own else None

    def trusted(self) -> Mapping[str, Path]:
        """The keys of others that are trusted, by fingerprint. Raises HouseKeyError for a file that holds none."""
        paths = sorted((self.folder / "trusted").glob("*.pub"))
        return {fingerprint(_public(path)): path for path in paths}

    def create(self) -> str:
        """Make the house's key; its fingerprint. Raises HouseKeyError where there is one, ReadOnlyError."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if self.has_own:
            raise HouseKeyError(
                f"{self.folder} holds a key of this house already.",
                hint="`freehold keys show` says which. To replace it, trust its public half and move both files away.",
            )
        key = Ed25519PrivateKey.generate()
        make_folder(self.folder)
        with writing(self.folder):
            descriptor = os.open(self.private_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_private_pem(key, self._passphrase))
                file.flush()
                os.fsync(file.fileno())
        sync_folder(self.folder)
        write_whole(self.public_path, public_pem(key.public_key()))
        return fingerprint(key.public_key())

    def export(self) -> str:
        """The public half of the house's key, PEM. Raises HouseKeyError."""
        if not self.has_own:
            raise _no_key(self.folder)
        return public_pem(_public(self.public_path)).decode()

    def trust(self, path: Path) -> str:
        """Trust the public key in the PEM file at `path`; its fingerprint. Raises HouseKeyError, ReadOnlyError."""
        return self.trust_key(_public(path))

    def trust_key(self, key: Ed25519PublicKey) -> str:
        """Trust `key`; its fingerprint. Raises ReadOnlyError."""
        name = fingerprint(key)
        write_whole(make_folder(self.folder / "trusted") / f"{name.partition(':')[2]}.pub", public_pem(key))
        return name

    def sign(self, statement: str, context: bytes = DEED) -> Signature:
        """The house's signature of a canonical text; `context` says of what. Raises HouseKeyError."""
        key, own = self._private(), self.own()
        if fingerprint(key.public_key()) != own:
            raise HouseKeyError(
                f"{self.private_path} and {self.public_path} are halves of two keys.",
                hint="Put back the ones that belong together.",
            )
        return Signature(own, key.sign(context + statement.encode()).hex())

    def require_signer(self) -> None:
        """Raise HouseKeyError now rather than after a long download, if the house has a key that cannot sign."""
        if self.has_own:
            self.require_own()

    def require_own(self) -> None:
        """Raise HouseKeyError unless the house has a key that can sign."""
        self._private()

    def state(self, deed: Deed) -> SignatureState:
        """What is to be said of the deed's signature. Raises HouseKeyError where a key cannot be read."""
        return self.state_of(deed.sealed, deed.signature)

    def state_of(self, text: str, signature: Signature | None, context: bytes = DEED) -> SignatureState:
        """As `state`, of a canonical text and what is said to be its signature."""
        if signature is None:
            return "missing"
        key = self._known(signature.key)
        if key is None:
            return "unknown key"
        return "valid" if holds(key, text, signature, context) else "wrong"

    def require(self, deed: Deed) -> None:
        """Raise DeedSignatureError where the deed's signature keeps its build from being opened in this house."""
        state = self.state(deed)
        if state == "wrong" or (state != "valid" and self.refuses_unsigned):
            raise _refused(deed, state, self.own())

    def _known(self, name: str) -> Ed25519PublicKey | None:
        if self.has_own:
            own = _public(self.public_path)
            if fingerprint(own) == name:
                return own
        path = self.trusted().get(name)
        return _public(path) if path else None

    def _private(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        if not self.has_own:
            raise _no_key(self.folder)
        _refuse_open(self.private_path)
        data = _read(self.private_path)
        locked = b"ENCRYPTED" in data
        phrase = self._passphrase if locked else None
        try:
            key = load_pem_private_key(data, None if phrase is None else phrase.reveal().encode())
        except (TypeError, ValueError) as error:  # TypeError: it is encrypted and there is no passphrase
            why = "is encrypted" if phrase is None else "does not open with the passphrase given"
            raise HouseKeyError(
                f"{self.private_path} {why if locked else 'cannot be read as a key'}.",
                hint=f"Set {PASSPHRASE}, or {PASSPHRASE}_FILE to a file that holds it." if locked else "Restore it.",
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise HouseKeyError(f"{self.private_path} is a key of another kind than Ed25519.")
        return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """`ed25519:` and the first 128 bits of the SHA-256 of the public key's 32 bytes."""
    return f"ed25519:{hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32]}"


def holds(key: Ed25519PublicKey, text: str, signature: Signature, context: bytes = DEED) -> bool:
    """True where `key` made this signature of `text`."""
    from cryptography.exceptions import InvalidSignature

    if not _VALUE.fullmatch(signature.value):
        return False
    try:
        key.verify(bytes.fromhex(signature.value), context + text.encode())
    except InvalidSignature:
        return False
    return True


def _refused(deed: Deed, state: SignatureState, own: str | None) -> DeedSignatureError:
    name, key = deed.names[0], deed.signature.key if deed.signature else None
    message, hint = {
        "missing": (
            f"The deed of {name} has no signature, and this house wants one.",
            f"Look at it with `freehold deed verify {name}`; if it is right, `freehold deed sign {name}`.",
        ),
        "unknown key": (
            f"The deed of {name} is signed by {key}, a key this house does not trust.",
            "If you know whose it is, `freehold keys trust FILE` with its public half. "
            f"To vouch for the build yourself: `freehold deed verify {name}`, then `freehold deed sign {name}`.",
        ),
        "wrong": (
            f"The signature on the deed of {name} is not what {key} made of this statement: one of the two is forged "
            "or damaged.",
            f"Restore the deed from a copy, or `freehold rm {name}` and pull it again.",
        ),
    }[state]
    return DeedSignatureError(message, hint=hint, build=name, state=state, key=key, own_key=own)


def _no_key(folder: Path) -> HouseKeyError:
    return HouseKeyError(f"This house has no key: there is none in {folder}.", hint="Make one: `freehold keys create`.")


def _refuse_open(path: Path) -> None:
    try:
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        raise HouseKeyError(f"{path} cannot be read: {error.strerror}.", hint="Only its owner can sign.") from error
    if mode & 0o077:
        raise HouseKeyError(
            f"{path} can be read by other accounts (mode {mode:04o}); it signs nothing like that.",
            hint=f"`chmod 600 {path}`. If others may have read it, make a new key.",
        )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_KEY_BYTES)
    except OSError as error:
        raise HouseKeyError(f"{path} cannot be read: {error.strerror}.") from error


def public_key(pem: bytes, called: str) -> Ed25519PublicKey:
    """The public key in a PEM text; `called` is where it stands. Raises HouseKeyError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise HouseKeyError(
            f"{called} is not a public key in PEM.", hint="`freehold keys export` in the other house writes one."
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise HouseKeyError(f"{called} is a key of another kind than Ed25519.")
    return key


def _public(path: Path) -> Ed25519PublicKey:
    return public_key(_read(path), str(path))


def public_pem(key: Ed25519PublicKey) -> bytes:
    """The one PEM text of a public key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _private_pem(key: Ed25519PrivateKey, passphrase: Secret | None) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    lock = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.reveal().encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
