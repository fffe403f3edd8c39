"""Who made a bundle, and whether this house believes them: the signature on its manifest.

The public key travels in the bundle, so that a fingerprint that came by another way is enough to trust it. A bundle
that nobody signed, or a stranger did, is taken where the house has no key of its own and wants no signatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from freehold.core.errors import BundleError
from freehold.store.bundles.unaided import Manifest
from freehold.store.deed_reading import record
from freehold.store.deeds import Signature
from freehold.store.signing import Keys, SignatureState, fingerprint, holds, public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CONTEXT = b"freehold bundle 1\n"  # the line that a signature of a manifest is made behind


@dataclass(frozen=True, slots=True)
class Maker:
    """The key that signed a bundle, None where nobody did; `state` is what the house makes of the signature. `newly` is
    the key itself where the house was asked to trust it."""

    key: str | None
    state: SignatureState
    newly: Ed25519PublicKey | None = None

    def trust(self, keys: Keys) -> None:
        """From now on the house trusts this key, if that was asked for. Raises ReadOnlyError."""
        if self.newly is not None:
            keys.trust_key(self.newly)


def maker_of(manifest: Manifest, keys: Keys, trust: str | None, path: Path) -> Maker:
    """Who made the bundle at `path`. `trust` is the fingerprint of a key or a file with its public half.

    Raises BundleError where the signature is wrong, another's than the one asked for, or one this house does not take;
    HouseKeyError for a file that holds no key.
    """
    signature = _signature(manifest, path)
    if trust is not None:
        return _trusted(manifest, signature, trust, path)
    state = keys.state_of(manifest.sealed, signature, CONTEXT)
    key = signature.key if signature else None
    if state == "wrong":
        raise _wrong(key, path)
    if state != "valid" and keys.refuses_unsigned:
        raise _stranger(key, path)
    return Maker(key, state)


def _trusted(manifest: Manifest, signature: Signature | None, trust: str, path: Path) -> Maker:
    wanted = trust if trust.startswith("ed25519:") else fingerprint(_in_file(Path(trust)))
    if signature is None or manifest.public_key is None:
        raise BundleError(f"{path} is not signed, and {wanted} was to have signed it.", file=str(path))
    key = public_key(manifest.public_key.encode(), f"The key in {path}")
    if signature.key != wanted or fingerprint(key) != wanted:
        raise BundleError(
            f"{path} is signed by {signature.key}, and not by {wanted}.",
            hint="Ask its maker, by another way than the one the bundle came by, which key is theirs.",
            file=str(path),
        )
    if not holds(key, manifest.sealed, signature, CONTEXT):
        raise _wrong(signature.key, path)
    return Maker(signature.key, "valid", key)


def _signature(manifest: Manifest, path: Path) -> Signature | None:
    if manifest.signature is None:
        return None
    try:
        return record(Signature, manifest.signature, "signature")
    except (ValueError, TypeError) as error:
        raise BundleError(f"The signature of {path} cannot be read: {error}.", file=str(path)) from error


def _in_file(path: Path) -> Ed25519PublicKey:
    try:
        return public_key(path.read_bytes(), str(path))
    except OSError as error:
        raise BundleError(
            f"{path} is no fingerprint and no file that can be read.", hint="A fingerprint begins with ed25519:."
        ) from error


def _stranger(key: str | None, path: Path) -> BundleError:
    if key is None:
        what = "is not signed, and this house wants a signature"
        hint = "Ask its maker for one that is: `freehold keys create` there, then `freehold bundle make` again."
    else:
        what = f"is signed by {key}, a key this house does not trust"
        hint = f"If you know whose it is: `freehold bundle open {path} --trust {key}`."
    return BundleError(f"{path} {what}.", hint=hint, file=str(path))


def _wrong(key: str | None, path: Path) -> BundleError:
    return BundleError(
        f"The signature of {path} is not what {key} made of this manifest: one of the two is forged or damaged.",
        hint="Nothing of it was taken in. Ask its maker for another copy.",
        file=str(path),
    )
