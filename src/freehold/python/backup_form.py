"""What a backup is: a tar of the form that bundles have, with other members, each where it belongs in a home.

Members lie as they will in the home that is restored, but for two things that no home has: `restored/`, the settings
and the checkpoint of the day, and `deeds/`, the deeds of builds whose weights were left out.
"""

from __future__ import annotations

import re

from freehold.ledger.chains import NUMBER
from freehold.store.bundles.unaided import Kind

CONTEXT = b"freehold backup 1\n"
"""The line that a signature of a backup's manifest is made behind."""
SETTINGS, CHECKPOINT = "restored/freehold.toml", "restored/checkpoint.txt"
EGRESS_CHECKPOINT = "restored/egress-checkpoint.txt"
LOCAL_CHECKPOINTS = "restored/local-*-checkpoint.txt"
KEY_BOOK, OVERRIDES, PRIVATE_KEY, PUBLIC_KEY = "access/keys.json", "overrides.jsonl", "keys/house.key", "keys/house.pub"
LEDGER, LOCAL, EGRESS = "ledger", "ledger/local", "ledger/egress"
BUILDS, DEEDS, TRUSTED = "builds", "deeds", "keys/trusted"
CONTENT, CONTENT_KEY = "ledger/content", "keys/content.key"
_FIXED = frozenset({SETTINGS, CHECKPOINT, EGRESS_CHECKPOINT, KEY_BOOK, OVERRIDES, PRIVATE_KEY, PUBLIC_KEY, CONTENT_KEY})
_OTHERS = re.compile(
    rf"ledger/(?:egress/|local/{NUMBER}/)?records-[0-9]{{12}}\.jsonl"
    rf"|ledger/(?:local/{NUMBER}/)?torn-[0-9]{{12}}|restored/local-{NUMBER}-checkpoint\.txt"
    r"|ledger/content/(?:content-[0-9]{12}\.(?:json|(?:[1-9][0-9]{0,8}\.)?keys|sealed)|(?:erasing|unnamed)\.json)"
    r"|keys/trusted/[\w.-]{1,100}\.pub"
    r"|machines/[\w.-]{1,150}\.json|trials/[\w.-]{1,100}/[\w.-]{1,150}\.json"
    r"|(?:builds|deeds)/[0-9a-f]{64}/(?:papers/)?(?P<name>[^/]+)"
)


def local_chain(number: str) -> str:
    """Where the chain of that number lies, of those that were written without a house."""
    return f"{LOCAL}/{number}"


def local_checkpoint(number: str) -> str:
    """And the checkpoint that it ends at."""
    return LOCAL_CHECKPOINTS.replace("*", number)


def _is_path(path: str) -> bool:
    if path in _FIXED:
        return True
    found = _OTHERS.fullmatch(path)
    if found is None or ".." in path.split("/") or "." in path.split("/"):
        return False
    name = found["name"]
    return name is None or (name.isprintable() and name != "papers" and "\\" not in name and len(name.encode()) <= 255)


BACKUP = Kind("backup", _is_path)
