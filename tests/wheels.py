"""Small wheels and a source that plans what a test says, on the production interface."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping

from freehold.core.refs import SourceRef
from freehold.store.plan import Plan


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel(members: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive with these members, as a wheel is one."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


class Planned:
    """A Source that answers every reference with one plan, and counts how often it was asked."""

    def __init__(self, plan: Plan) -> None:
        self.answer = plan
        self.asked = 0

    async def plan(self, ref: SourceRef) -> Plan:
        self.asked += 1
        return self.answer
