"""An OpenSSF model-signing signature over a held build: a Sigstore bundle, made with an elliptic-curve key of a file.

The work is the package model-signing's, which is installed on demand (`freehold[model-signing]`) and used with a local
key only: nothing is asked of a network, and no transparency log hears of it. That package takes keys on P-256, P-384
and P-521, so the house's own key, which is Ed25519, cannot sign here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from freehold.core.errors import CallError, HouseKeyError
from freehold.core.settings import Secret
from freehold.store.deeds.record import Deed
from freehold.store.durable import write_whole, writing
from freehold.store.layout import DEED_FILE

if TYPE_CHECKING:
    from model_signing.signing import Config

EXTRA = "model-signing"
PASSPHRASE = "FREEHOLD_MODEL_KEY_PASSPHRASE"  # noqa: S105 -- the variable's name


def signed_path(deed: Deed, folder: Path) -> Path:
    """What the signature is over: the build's folder, or the one file that is used where it lies.

    Raises CallError for several files in place, which lie among others that nobody means.
    """
    places = list(deed.labels.places.values())
    if not places:
        return folder
    if len(places) > 1:
        raise CallError(
            f"{deed.names[0]} is used where it lies, in {len(places)} files: there is no folder of its own to sign.",
            hint=f"Take it into the store: `freehold pull {deed.statement.origin.asked}`.",
        )
    return Path(places[0])


def sign(path: Path, key: Path, out: Path, passphrase: Secret | None) -> None:
    """Sign the file or folder at `path` with the private key (PEM) at `key`, into the bundle `out`.

    A deed beside the files is left out, because its labels may change. Raises CallError where the extra is not
    installed, HouseKeyError for a key that cannot be used, StoreError for the disk.
    """
    signer = _signer(key, passphrase)
    fresh = out.with_name(f"{out.name}.unfinished")
    try:
        with writing(out.parent):
            signer.sign(path, fresh)
            data = fresh.read_bytes()
        write_whole(out, data)
    finally:
        fresh.unlink(missing_ok=True)


def _signer(key: Path, passphrase: Secret | None) -> Config:
    try:
        from model_signing import hashing, signing
    except ImportError as error:
        raise CallError(
            "An OpenSSF model-signing signature needs the package model-signing, which is not installed.",
            hint=f"pip install 'freehold[{EXTRA}]'",
        ) from error
    hashed = hashing.Config()  # type: ignore[no-untyped-call]  # its constructor has no annotation
    hashed.set_ignored_paths(paths=[Path(DEED_FILE)], ignore_git_paths=False)
    phrase = None if passphrase is None else passphrase.reveal().encode()
    try:
        config = signing.Config()  # type: ignore[no-untyped-call]  # as above
        # The package hands the password on to one that takes bytes, whatever it says itself.
        config.use_elliptic_key_signer(private_key=key, password=phrase)  # type: ignore[arg-type]
    except OSError as error:
        raise HouseKeyError(f"{key} cannot be read: {error.strerror}.", hint=_HOW) from error
    except (TypeError, ValueError, AttributeError) as error:  # encrypted, no key at all, or one of another kind
        raise HouseKeyError(
            f"{key} is no private key that model-signing can use: it takes unencrypted ones on P-256, P-384 or P-521, "
            f"or encrypted ones with {PASSPHRASE} set.",
            hint=_HOW,
        ) from error
    return config.set_hashing_config(hashed)


_HOW = "Make one: `openssl ecparam -name prime256v1 -genkey -noout -out model-signing.pem`"
