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
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from freehold.core.errors import DeedSignatureError, HouseKeyError
from freehold.core.settings import Secret
from freehold.store.deeds.key_files import (
    is_there,
    make_key_folder,
    others_write,
    read_kept,
    read_key,
    read_private,
    write_private,
)
from freehold.store.deeds.record import Deed, Signature
from freehold.store.durable import write_whole
from freehold.store.locks import hold_briefly

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Unsigned = Literal["accept", "refuse"]
SignatureState = Literal["valid", "missing", "wrong", "unknown key"]
DEED = b"freehold deed 2\n"
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
            if is_there(self.public_path) or is_there(self.private_path):
                return True
            if self.folder.is_symlink():
                self.folder.stat()  # a link to nowhere: its keys cannot be read, which is not the same as having none
            return False
        except OSError as error:
            raise HouseKeyError(
                f"{self.folder} cannot be read: {error.strerror}.",
                hint=f"Let this account read it (`chmod 755 {self.folder}`); the private key in it stays its owner's.",
            ) from error

    def own(self) -> str | None:
        """The fingerprint of the house's key, or None. Raises HouseKeyError."""
        return fingerprint(_kept(self.public_path)) if self.has_own else None

    @property
    def exposed(self) -> Path | None:
        """The home or the folder of keys, where other accounts can write it and so decide what is trusted."""
        return next((folder for folder in (self.folder.parent, self.folder) if others_write(folder)), None)

    def trusted(self) -> Mapping[str, Path]:
        """The keys of others that are trusted, by fingerprint. Raises HouseKeyError for a file that holds none."""
        paths = sorted((self.folder / "trusted").glob("*.pub"))
        return {fingerprint(_trusted(path)): path for path in paths}

    def create(self) -> str:
        """Make the house's key; its fingerprint. Where one that was killed left a private half alone, it is finished.
        Raises HouseKeyError where there is a key, ReadOnlyError."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if self.has_own and is_there(self.public_path):
            raise self._there_already()
        make_key_folder(self.folder)
        with hold_briefly(self.folder / "house.lock"):
            if is_there(self.public_path):
                raise self._there_already()
            if not is_there(self.private_path):
                write_private(self.private_path, Ed25519PrivateKey.generate(), self._passphrase)
            key = self._private().public_key()
            write_whole(self.public_path, public_pem(key), mode=0o644)
        return fingerprint(key)

    def export(self) -> str:
        """The public half of the house's key, PEM. Raises HouseKeyError."""
        if not self.has_own:
            raise _no_key(self.folder)
        return public_pem(_kept(self.public_path)).decode()

    def trust(self, path: Path) -> str:
        """Trust the public key in the PEM file at `path`; its fingerprint. Raises HouseKeyError, ReadOnlyError."""
        return self.trust_key(public_key(read_key(path), str(path)))

    def trust_key(self, key: Ed25519PublicKey) -> str:
        """Trust `key`; its fingerprint. Raises ReadOnlyError."""
        name = fingerprint(key)
        make_key_folder(self.folder)
        folder = make_key_folder(self.folder / "trusted")
        write_whole(folder / f"{name.partition(':')[2]}.pub", public_pem(key), mode=0o644)
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

    def refuse_wrong(self, deed: Deed) -> None:
        """Raise DeedSignatureError where the deed's signature is wrong: nobody signs over that."""
        if self.state(deed) == "wrong":
            raise _refused(deed, "wrong", self.own())

    def _known(self, name: str) -> Ed25519PublicKey | None:
        if self.has_own:
            own = _kept(self.public_path)
            if fingerprint(own) == name:
                return own
        path = self.trusted().get(name)
        return _trusted(path) if path else None

    def _private(self) -> Ed25519PrivateKey:
        if not self.has_own:
            raise _no_key(self.folder)
        return read_private(self.private_path, self._passphrase)

    def _there_already(self) -> HouseKeyError:
        return HouseKeyError(
            f"{self.folder} holds a key of this house already.",
            hint="`freehold signing show` says which. To replace it, trust its public half and move both files away.",
        )


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
            "If you know whose it is, `freehold signing trust FILE` with its public half. "
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
    return HouseKeyError(
        f"This house has no key: there is none in {folder}.", hint="Make one: `freehold signing create`."
    )


def public_key(pem: bytes, called: str) -> Ed25519PublicKey:
    """The public key in a PEM text; `called` is where it stands. Raises HouseKeyError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise HouseKeyError(
            f"{called} is not a public key in PEM.", hint="`freehold signing export` in the other house writes one."
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise HouseKeyError(f"{called} is a key of another kind than Ed25519.")
    return key


def _kept(path: Path) -> Ed25519PublicKey:
    return public_key(read_kept(path), str(path))


def _trusted(path: Path) -> Ed25519PublicKey:
    try:
        return _kept(path)
    except HouseKeyError as error:
        hint = f"{error.hint} If it is not wanted there, move it out of {path.parent}.".strip()
        raise HouseKeyError(error.message, hint=hint) from error


def public_pem(key: Ed25519PublicKey) -> bytes:
    """The one PEM text of a public key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
