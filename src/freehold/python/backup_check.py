"""What must be true of a backup before anything of it is seen: that it is whole, that it is what was backed up, and
that each thing in it is what such a thing must be.

The hashes of a backup that nobody signed, and of one whose key nobody compares, show damage and not who made it: the
public key travels in the same file. `maker` tells its fingerprint; compare it with one that was kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from freehold.core.errors import BundleError, DeedError, DeedSignatureError, LedgerError, SettingsError
from freehold.core.settings import load
from freehold.gateway.access.book import KeyBook
from freehold.ledger.checkpoint import Checkpoint, read_checkpoints
from freehold.ledger.content.check import check
from freehold.ledger.content.house_key import KeyRing
from freehold.ledger.segments import segments
from freehold.ledger.verdict import Finding, Verdict
from freehold.ledger.verify import verify
from freehold.python import backup_form as form
from freehold.store.bundles.makers import require_key, signature_of, signer
from freehold.store.bundles.unaided import Manifest
from freehold.store.deeds.record import Deed, Signature
from freehold.store.deeds.signing import Keys
from freehold.store.index import read_held
from freehold.store.layout import DEED_FILE, PAPERS_FOLDER
from freehold.store.overrides import Overrides

_HINT = "Nothing of it was put back. Take another copy."


@dataclass(frozen=True, slots=True)
class Checked:
    """What a backup brought. `key` signed it, None where nobody did. `without_weights` names the builds of which only
    the deed came. `former_key` is the house's own key where its private half did not come: it is trusted now, and signs
    nothing. `wrong_settings` says why the settings that came cannot be used as they are, `content_findings` what is
    wrong with what was kept of requests, which is put back all the same: `freehold ledger verify` goes on saying it.
    `closed` are the names of keys that did not come, and how many contents each one opens."""

    taken_at: str
    key: str | None
    checkpoint: Checkpoint | None
    builds: tuple[str, ...]
    without_weights: tuple[str, ...]
    former_key: str | None
    has_settings: bool
    wrong_settings: str | None
    content_findings: tuple[Finding, ...]
    closed: Mapping[str, int]


def maker(manifest: Manifest, path: Path, wanted: str | None) -> str | None:
    """The fingerprint of the key that signed the backup, None where nobody did. Raises BundleError where the signature
    is wrong, or not of the key that was `wanted` (a fingerprint, or a file with the public key)."""
    signature = signature_of(manifest, path)
    if signature is None:
        if wanted is not None:
            raise BundleError(f"{path} is not signed, and {wanted} was to have signed it.", hint=_HINT)
        return None
    signer(manifest, signature, path, form.CONTEXT)
    if wanted is not None:
        require_key(signature.key, wanted, path)
    return signature.key


def checked(stage: Path, manifest: Manifest, key: str | None) -> Checked:
    """Look at everything that was unpacked into `stage`, and make it a home. Raises BundleError, DeedError,
    LedgerError, KeyBookError, NewerFormatError, HouseKeyError."""
    keys = Keys(stage / "keys")
    named = {member.path: member.sha256 for member in manifest.members}
    held = tuple(_deeds(stage / form.BUILDS, named, keys))
    bare = tuple(_deeds(stage / form.DEEDS, named, keys))
    KeyBook(stage).read()
    Overrides(stage).every()
    chain = _chain(stage, form.LEDGER, form.CHECKPOINT, keys)
    _chain(stage, form.EGRESS, form.EGRESS_CHECKPOINT, keys)
    for number in _locals(stage):
        _chain(stage, form.local_chain(number), form.local_checkpoint(number), keys)
    if chain is not None:
        check(stage / form.LEDGER, chain.verdict, KeyRing(stage / form.CONTENT_KEY).read)
    settings = stage / form.SETTINGS
    return Checked(
        taken_at=str(manifest.data.get("taken_at")),
        key=key,
        checkpoint=None if chain is None else chain.checkpoint,
        builds=tuple(deed.names[0] for deed in held),
        without_weights=tuple(deed.names[0] for deed in bare),
        former_key=_without_private(keys),
        has_settings=settings.exists(),
        wrong_settings=_wrong(settings) if settings.exists() else None,
        content_findings=() if chain is None else tuple(chain.verdict.findings),
        closed={} if chain is None else chain.verdict.sealed_otherwise,
    )


def _deeds(folder: Path, named: dict[str, str], keys: Keys) -> Iterator[Deed]:
    """The deeds below `folder`, each whole, of just the files that came with it, and not wrongly signed."""
    for build in sorted(folder.glob("*")):
        deed = read_held(build)
        if keys.state(deed) == "wrong":
            raise DeedSignatureError(f"The signature on the deed of {deed.names[0]} is wrong.", hint=_HINT)
        start = f"{folder.name}/{build.name}/"
        came = {name.removeprefix(start): sha256 for name, sha256 in named.items() if name.startswith(start)}
        del came[DEED_FILE]
        wanted = {f"{PAPERS_FOLDER}/{text.name}": text.sha256 for text in deed.statement.texts}
        if folder.name == form.BUILDS:
            wanted |= {file.name: file.sha256 for file in deed.files}
        if came != wanted:
            name = sorted(came.items() ^ wanted.items())[0][0]
            raise DeedError(f"The deed of {deed.names[0]} and the backup differ in {name}.", hint=_HINT)
        yield deed


def _locals(stage: Path) -> set[str]:
    """The numbers of the chains that were written without a house, and of those of which only the checkpoint came."""
    named = {path.name.split("-")[1] for path in stage.glob(form.LOCAL_CHECKPOINTS)}
    return named | {path.name for path in (stage / form.LOCAL).glob("*")}


class _Chain(NamedTuple):
    """A chain that is what its checkpoint saw."""

    checkpoint: Checkpoint
    verdict: Verdict


def _chain(stage: Path, folder: str, checkpoint: str, keys: Keys) -> _Chain | None:
    """The chain in `folder` with the checkpoint that it ends at, None where there is neither. Raises LedgerError."""
    place = stage / checkpoint
    if not place.exists() and not segments(stage / folder):
        return None
    if not place.exists():
        raise LedgerError(f"The backup holds {folder}/ without the checkpoint that it ends at.", hint=_HINT)
    made, *_ = read_checkpoints(place.read_bytes(), checkpoint)
    signature = Signature(made.key, made.signature) if made.key and made.signature else None
    verdict = verify(stage / folder, [made.seen("its checkpoint")])
    if verdict.findings or (verdict.last, verdict.torn_bytes) != (made.record, 0):
        first = f": {verdict.findings[0].kind}, record {verdict.findings[0].first:,}" if verdict.findings else ""
        raise LedgerError(f"{folder}/ in the backup is not what its checkpoint saw{first}.", hint=_HINT)
    if keys.state_of(made.statement, signature, b"") == "wrong":
        raise LedgerError(f"{checkpoint} in the backup is not what {made.key} signed.", hint=_HINT)
    return _Chain(made, verdict)


def _without_private(keys: Keys) -> str | None:
    """A public half alone is a key that signs nothing: it becomes one that is trusted, so that the deeds it signed
    still open. Its fingerprint; None where nothing had to be done."""
    if not keys.public_path.exists() or keys.private_path.exists():
        return None
    name = keys.trust(keys.public_path)
    keys.public_path.unlink()
    return name


def _wrong(settings: Path) -> str | None:
    """Why these settings cannot be read, in their own words. Their secrets are not here, and need not be."""
    try:
        load(file=settings, environment={})
    except SettingsError as error:
        return error.message
    return None
