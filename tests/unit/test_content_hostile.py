"""A folder of kept content that somebody made up: it is looked at to the end, and nothing is believed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.core.errors import LedgerError
from freehold.ledger.content import shelf
from freehold.ledger.content.container import SLOT_BYTES, Slot, slot_of
from tests.kept_requests import Place


@pytest.mark.parametrize("suffix", [".json", ".keys", ".sealed"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
async def test_what_is_no_file_is_refused_and_waited_for_by_nobody(
    place: Place,
    suffix: str,
    make: Callable[[Path], None],
) -> None:
    (path,) = place.content.glob(f"*{suffix}")
    path.unlink()
    make(path)
    with pytest.raises(LedgerError, match="it is no file"):
        place.verdict()


async def test_a_content_that_says_it_is_larger_than_any_is_not_read_whole(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shelf, "LARGEST_BYTES", 1 << 20)
    (keys,), (sealed,) = place.content.glob("*.keys"), place.content.glob("*.sealed")
    slot = slot_of(keys.read_bytes()[:SLOT_BYTES])
    assert isinstance(slot, Slot)
    keys.write_bytes(slot._replace(size_bytes=1 << 44).raw + keys.read_bytes()[SLOT_BYTES:])
    os.truncate(sealed, 1 << 43)
    assert place.verdict().findings[0].kind == "content changed"
