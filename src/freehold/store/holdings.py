"""What a house holds, for whoever looks at it: each build, the model it is of, and what its deed says and who signed.

No file is hashed here and none is opened but the deeds: "clean" is what was found on the day the build came in, and
`freehold deed verify` looks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild
from freehold.core.errors import HouseKeyError
from freehold.store.deeds.record import Deed
from freehold.store.deeds.signing import Keys, SignatureState
from freehold.store.store import Store
from freehold.weights.report import Verdict


@dataclass(frozen=True, slots=True)
class Holding:
    """One held build.

    `model` is its model's name in the catalog, None where the catalog does not know it; `known_by_bytes` False: that it
    is of this model was said by the source it came from, and a name that somebody gave it says nothing. `signature`
    "undecided": a key of this house cannot be read. `signed_by` is the fingerprint of the key that the deed names.
    `looked` None: the look at its files was not recorded. `findings` counts what was found then. `kept_at` is in UTC.
    """

    name: str
    digest: str
    model: str | None
    known_by_bytes: bool
    size_bytes: int
    quantization: str | None
    kept_at: str
    signature: SignatureState | Literal["undecided"]
    signed_by: str | None
    signature_wanted: bool
    looked: Verdict | None
    looked_on: str | None
    findings: int


def holding(build: HeldBuild, store: Store, catalog: Catalog) -> Holding:
    """What the deed of a build of `store` says. Raises DeedError."""
    deed = store.deed(build)
    found = deed.statement.verification
    entry = catalog.by_sha256(build.digest.removeprefix("sha256:"))
    return Holding(
        name=build.name,
        digest=build.digest,
        model=entry.model.name if entry else _claimed(deed, catalog),
        known_by_bytes=entry is not None,
        size_bytes=build.size_bytes,
        quantization=build.facts.quantization,
        kept_at=deed.statement.kept_at,
        signature=_signature(deed, store.keys),
        signed_by=deed.signature.key if deed.signature else None,
        signature_wanted=store.keys.refuses_unsigned,
        looked=found.verdict if found else None,
        looked_on=found.date if found else None,
        findings=len(found.findings) if found else 0,
    )


def model_of(build: HeldBuild, store: Store, catalog: Catalog) -> str | None:
    """The model that a build of `store` is of, as in `holding`; its deed is read where its bytes do not tell. Raises
    DeedError."""
    entry = catalog.by_sha256(build.digest.removeprefix("sha256:"))
    return entry.model.name if entry else _claimed(store.deed(build), catalog)


def _signature(deed: Deed, keys: Keys) -> SignatureState | Literal["undecided"]:
    try:
        return keys.state(deed)
    except HouseKeyError:
        return "undecided"


def _claimed(deed: Deed, catalog: Catalog) -> str | None:
    """The model that the papers of the day it came in are of, if the catalog still has it."""
    name = deed.statement.paper("model").get("name")
    model = catalog.get(name) if isinstance(name, str) else None
    return model.name if model else None
