"""A report with its signature, and back: what is signed is the report as it is printed, every byte of it.

As text the signature is two lines behind the report, as JSON a member `signature` of the document, which is signed in
its canonical form (RFC 8785) without that member. Either way a report that nobody signed is the same without them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from freehold.core.errors import CallError
from freehold.egress.report import TITLE
from freehold.egress.told import UNNAMED, text
from freehold.store.deeds.canonical import canonical, parsed
from freehold.store.deeds.record import Signature

CONTEXT = b"freehold egress report 1\n"
LONGEST_BYTES = 256 * 2**20
_ENDING = re.compile(r"key (?P<key>ed25519:[0-9a-f]{32})\nsignature (?P<value>[0-9a-f]{128})\n?\Z")
_RECORD = re.compile(
    rf"^record ([0-9a-f]{{32}}|{UNNAMED}), .*, up to number ([0-9]{{1,16}}), ([0-9a-f]{{64}})$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Read:
    """A report that was read: what its signature must be of, the signature, and the end of the record it was made of.
    `chain` is UNNAMED where the beginning of that was missing."""

    statement: str
    signature: Signature | None
    chain: str
    last: int
    head: str


def statement(document: dict[str, Any], *, as_json: bool) -> str:
    """What is signed."""
    return canonical(document) if as_json else text(document)


def written(document: dict[str, Any], signature: Signature | None, *, as_json: bool) -> str:
    """The report as it is given away, with its line end."""
    if as_json:
        given = {"key": signature.key, "value": signature.value} if signature is not None else None
        return canonical({**document, "signature": given} if given else document) + "\n"
    ending = f"key {signature.key}\nsignature {signature.value}\n" if signature is not None else ""
    return text(document) + ending


def read(data: bytes, called: str) -> Read:
    """The report in `data`. Raises CallError for what is none."""
    try:
        found = _from_json(data) if data.lstrip().startswith(b"{") else _from_text(data.decode())
    except (ValueError, KeyError, TypeError) as error:
        raise CallError(
            f"{called} is no report of egress, or not a whole one.", hint="`freehold egress report` makes one."
        ) from error
    return found


def _from_json(data: bytes) -> Read:
    document = parsed(data)
    given = document.pop("signature", None)
    signature = Signature(str(given["key"]), str(given["value"])) if given is not None else None
    record = document["record"]
    if document["title"] != TITLE:
        raise ValueError("its title is another")
    chain = str(record["chain"] or UNNAMED)
    return Read(canonical(document), signature, chain, int(record["last"]), str(record["head"]))


def _from_text(data: str) -> Read:
    ending = _ENDING.search(data)
    body = data[: ending.start()] if ending is not None else data
    record = _RECORD.search(body)
    if not body.startswith(TITLE + "\n") or record is None:
        raise ValueError("it does not begin as one")
    signature = Signature(ending["key"], ending["value"]) if ending is not None else None
    return Read(body, signature, record[1], int(record[2]), record[3])
