"""A deed in the forms that other programs read, as text; and a build signed for those who check with model-signing."""

from __future__ import annotations

import json
from pathlib import Path

from freehold.core.refs import parse
from freehold.core.settings import load
from freehold.python.deeds import find
from freehold.python.held import store
from freehold.store.deeds.canonical import canonical
from freehold.store.durable import write_whole
from freehold.store.exports import cyclonedx, model_signing, spdx


def exported(text: str, form: str) -> str:
    """The deed of a held build, or of a `.json` file, as `cyclonedx`, `spdx` or `json`.

    Raises DeedSignatureError for one that this house would not open, NotFoundError, DeedError.
    """
    found = find(text)
    store().keys.require(found.deed)
    if form == "json":
        return canonical(found.document) + "\n"
    document = {"cyclonedx": cyclonedx, "spdx": spdx}[form].document(found.deed)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write(text: str, out: Path) -> None:
    """Put an exported deed at `out`, in one step. Raises StoreError."""
    write_whole(out, text.encode())


def sign_model(text: str, *, key: Path, out: Path) -> Path:
    """Sign a held build for model-signing, after this house has looked at it; what was signed.

    Raises what `Store.find` raises, CallError without the extra, HouseKeyError.
    """
    settings = load()
    house = store(settings)
    build = house.find(parse(text))
    path = model_signing.signed_path(house.deed(build), house.layout.build(build.digest))
    model_signing.sign(path, key, out, settings.secret(model_signing.PASSPHRASE))
    return path
