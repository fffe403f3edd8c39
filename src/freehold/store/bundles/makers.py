"""Who made a bundle, and whether this house believes them: the signature on its manifest.

The public key travels in the bundle, so that a fingerprint that came by another way is enough to trust it. A bundle
that nobody signed, or a stranger did, is taken where the house has no key of its own and wants no signatures.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from freehold.core.errors import BundleError, HouseKeyError
from freehold.store.bundles.unaided import Manifest
from freehold.store.deeds.reading import record
from freehold.store.deeds.record import Deed, Signature
from freehold.store.deeds.signing import Keys, SignatureState, fingerprint, holds, public_key, public_pem
from freehold.store.opened import read_bounded

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_LARGEST_KEY_BYTES = 1 << 16
CONTEXT = b"freehold bundle 1\n"  # the line that a signature of a manifest is made behind


@dataclass(frozen=True, slots=True)
class Maker:
    """The key that signed a bundle, None where nobody did; `state` is what the house makes of the signature. `newly` is
    the key itself where the house was asked to trust it."""

    key: str | None
    state: SignatureState
    newly: Ed25519PublicKey | None = None

    def vouches_for(self, deed: Deed, keys: Keys) -> bool:
        """True where this key, newly trusted, or one the house knows already has signed `deed`."""
        signature = deed.signature
        if self.newly is not None and signature is not None and signature.key == self.key:
            return holds(self.newly, deed.sealed, signature)
        return keys.state(deed) == "valid"

    def trust(self, keys: Keys) -> None:
        """From now on the house trusts this key, if that was asked for. Raises ReadOnlyError."""
        if self.newly is not None:
            keys.trust_key(self.newly)


def maker_of(manifest: Manifest, keys: Keys, trust: str | None, path: Path) -> Maker:
    """Who made the bundle at `path`. `trust` is the fingerprint of a key or a file with its public half.

    Raises BundleError where the signature is wrong, another's than the one asked for, or one this house does not take;
    HouseKeyError for a file that holds no key.
    """
    signature = signature_of(manifest, path)
    if signature is None:
        if trust is not None:
            raise BundleError(f"{path} is not signed, and {trust} was to have signed it.", file=str(path))
        if keys.refuses_unsigned:
            raise _unsigned(path)
        return Maker(None, "missing")
    key = signer(manifest, signature, path)
    if trust is not None:
        require_key(signature.key, trust, path)
        return Maker(signature.key, "valid", key)
    state = keys.state_of(manifest.sealed, signature, CONTEXT)
    if state != "valid" and keys.refuses_unsigned:
        raise _stranger(signature.key, path)
    return Maker(signature.key, state)


def signer(manifest: Manifest, signature: Signature, path: Path, context: bytes = CONTEXT) -> Ed25519PublicKey:
    """The key that travels in the bundle, if it made the signature; whose it is, is another question."""
    pem = (manifest.public_key or "").encode()
    try:
        key = public_key(pem, f"What {path} has as a key")
    except HouseKeyError as error:
        raise BundleError(f"{error.message} So its signature cannot be checked.", file=str(path)) from error
    whole = public_pem(key) == pem and fingerprint(key) == signature.key
    if not whole or not holds(key, manifest.sealed, signature, context):
        raise _wrong(signature.key, path)
    return key


def require_key(key: str, trust: str, path: Path) -> None:
    """Raise BundleError unless `key` is the one that `trust` means."""
    wanted = trust if trust.startswith("ed25519:") else fingerprint(_in_file(Path(trust)))
    if key != wanted:
        raise BundleError(
            f"{path} is signed by {key}, and not by {wanted}.",
            hint="Ask its maker, by another way than the one it came by, which key is theirs.",
            file=str(path),
        )


def signature_of(manifest: Manifest, path: Path) -> Signature | None:
    """What is said to be the signature of the manifest, None where nobody signed. Raises BundleError."""
    if manifest.signature is None:
        return None
    try:
        signature = record(Signature, manifest.signature, "signature")
        if asdict(signature) != manifest.signature:
            raise ValueError("signature has other fields than one has")
    except (ValueError, TypeError) as error:
        raise BundleError(f"The signature of {path} cannot be read: {error}.", file=str(path)) from error
    return signature


def _in_file(path: Path) -> Ed25519PublicKey:
    try:
        return public_key(read_bounded(path, _LARGEST_KEY_BYTES), str(path))
    except OSError as error:
        raise BundleError(
            f"{str(path)!r} is no fingerprint and no file that can be read.", hint="A fingerprint begins with ed25519:."
        ) from error


def _unsigned(path: Path) -> BundleError:
    return BundleError(
        f"{path} is not signed, and this house wants a signature.",
        hint="Ask its maker for one that is: `freehold signing create` there, then `freehold bundle make` again.",
        file=str(path),
    )


def _stranger(key: str, path: Path) -> BundleError:
    return BundleError(
        f"{path} is signed by {key}, a key this house does not trust.",
        hint=f"If you know whose it is: `freehold bundle open {path} --trust {key}`.",
        file=str(path),
    )


def _wrong(key: str, path: Path) -> BundleError:
    return BundleError(
        f"The signature of {path} is not what {key} made of this manifest: one of the two is forged or damaged.",
        hint="Nothing of it was taken in. Ask its maker for another copy.",
        file=str(path),
    )
