"""What is to be said of every part of a deed: for a person who wants to know, not for the door that only opens or not.

Every file is hashed, whatever was noted of it. A part is `ok`, `wrong`, `none` (there is no such part, and this house
does not want it) or `undecided` (it could not be looked at from here).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from freehold.core.errors import HouseKeyError
from freehold.store.deeds.presence import states
from freehold.store.deeds.record import Deed
from freehold.store.deeds.signing import Keys

State = Literal["ok", "wrong", "none", "undecided"]
Verdict = Literal["ok", "wrong", "undecided"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a deed; `said` is a short sentence without its end."""

    part: str
    state: State
    said: str


def verdict(parts: tuple[Part, ...]) -> Verdict:
    """The worst of the parts: one that is wrong outweighs one that could not be looked at."""
    found = {part.state for part in parts}
    return "wrong" if "wrong" in found else "undecided" if "undecided" in found else "ok"


def check(deed: Deed, keys: Keys, folder: Path | None) -> tuple[Part, ...]:
    """Every part of a deed that could be read. `folder` is the build's; None: only the deed is at hand."""
    signature = _signature(deed, keys)
    files = tuple(_files(deed, folder) if folder is not None else _absent(deed))
    looked_at = (signature, *files)
    return (_statement(deed), signature, *files, _papers(deed, signature), _verification(deed, looked_at))


def _statement(deed: Deed) -> Part:
    if deed.statement.written_as == 1 and deed.signature is None:
        return Part("statement", "none", "it came in with a deed of version 1, which had no seal")
    return Part("statement", "ok", f"sha256 {deed.statement_sha256}, as it was sealed")


def _signature(deed: Deed, keys: Keys) -> Part:
    try:
        return _held_to(deed, keys)
    except HouseKeyError as unread:
        return Part("signature", "undecided", f"{unread.message} {unread.hint}".strip().removesuffix("."))


def _held_to(deed: Deed, keys: Keys) -> Part:
    """The signature, held to the keys of this house. Raises HouseKeyError."""
    state, key = keys.state(deed), deed.signature.key if deed.signature else None
    if state == "valid":
        whose = "this house's own" if key == keys.own() else "a key this house trusts"
        return Part("signature", "ok", f"by {key}, {whose}")
    if state == "wrong":
        return Part("signature", "wrong", f"{key} never signed this statement: one of the two is forged or damaged")
    if state == "missing":
        return (
            Part("signature", "wrong", "missing, and this house wants one")
            if keys.refuses_unsigned
            else Part("signature", "none", "nobody has signed it")
        )
    refused = f"by {key}, which this house does not trust"
    return Part("signature", "wrong" if keys.refuses_unsigned else "undecided", refused)


def _files(deed: Deed, folder: Path) -> Iterator[Part]:
    texts = {text.name for text in deed.statement.texts}
    hashes = {file.name: file.sha256 for file in deed.files} | {text.name: text.sha256 for text in deed.statement.texts}
    for file in states(folder, deed):
        kind = "text" if file.name in texts else "file"
        fine = f"sha256 {hashes[file.name]}, as it was kept"
        state: State = "undecided" if file.unread else "wrong" if file.problem else "ok"
        yield Part(f"{kind} {file.name}", state, file.problem or fine)


def _absent(deed: Deed) -> Iterator[Part]:
    for file in deed.files:
        yield Part(f"file {file.name}", "undecided", f"not at hand: only the deed is; sha256 {file.sha256} is named")


def _papers(deed: Deed, signature: Part) -> Part:
    if deed.statement.papers is None:
        why = "version 1 had none" if deed.statement.written_as == 1 else "the catalog did not know the model"
        return Part("papers", "none", why)
    told = f"as the catalog had them on {deed.statement.kept_at[:10]}"
    return _recorded("papers", told, wrong=("signature",) if signature.state == "wrong" else ())


def _verification(deed: Deed, looked_at: tuple[Part, ...]) -> Part:
    found = deed.statement.verification
    if found is None:
        return Part("verification", "none", f"not recorded; checked: {', '.join(deed.statement.checks)}")
    told = f"{found.verdict}, {len(found.checks)} checks on {found.date[:10]} by Freehold {found.freehold}"
    noted = ", ".join(finding.check for finding in (*found.findings, *found.undecided))
    wrong = tuple(part.part for part in looked_at if part.state == "wrong" and not part.part.startswith("text "))
    return _recorded("verification", f"{told}{'; noted: ' if noted else ''}{noted}", wrong)


def _recorded(part: str, told: str, wrong: tuple[str, ...]) -> Part:
    """What was written down on the day: no more than that beside a signature or a file that is `wrong`."""
    if not wrong:
        return Part(part, "ok", told)
    return Part(part, "undecided", f"{told}; do not rely on it: wrong is the {', the '.join(wrong)}")
