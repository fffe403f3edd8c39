"""What those see who open or verify what is kept while it is erased, or its keys are exchanged, by somebody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.ledger.content import check, shelf
from freehold.ledger.content.named import namings
from freehold.ledger.content.places import read_part
from freehold.ledger.content.spans import spans
from freehold.ledger.ledger import Ledger
from freehold.python import content
from tests.kept_requests import CANARY, REQUESTS, WHY, Place
from tests.unit.test_deeds_cli import Terminal


def _erasing(place: Place, ledger: Ledger, request: str) -> Callable[[], object]:
    """Erases what was kept of it, from another thread than the house's."""
    loop, names = asyncio.get_running_loop(), place.requests(request=request)[0].names
    return lambda: asyncio.run_coroutine_threadsafe(ledger.erasures.erase(spans(names), WHY), loop).result()


async def test_what_is_erased_before_it_is_shown_is_not_shown(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place.running() as ledger:
        erase = _erasing(place, ledger, "req_2")
        monkeypatch.setattr(content, "_accessed", lambda *_: erase())
        code, out, err = await asyncio.to_thread(Terminal(capsys), "ledger", "show", "req_2")
    assert (code, out) == (1, "") and "What was kept of request 7 was erased in this moment" in err


async def test_what_gets_other_keys_before_it_is_shown_is_shown(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "_accessed", lambda *_: place.rekey())
    code, out, _ = await asyncio.to_thread(Terminal(capsys), "ledger", "show", "req_2")
    assert code == 0 and f"{CANARY} 2" in str(json.loads(out)["calls"])


@pytest.mark.parametrize("request_id", ["req_0", f"req_{REQUESTS - 1}"])
async def test_what_is_erased_while_a_ledger_is_verified_is_no_finding(
    place: Place, request_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is erased whole between the look at its key and the reading of what that opens."""
    async with place.running() as ledger:
        erase: list[Callable[[], object]] = [_erasing(place, ledger, request_id)]
        (first, _) = place.requests(request=request_id)[0].names
        slot = shelf.Shelf(place.content).find(first)
        assert slot is not None

        def slow(path: Path, offset: int, size_bytes: int) -> bytes:
            if path.suffix == ".sealed" and offset == slot.slot.offset and erase:
                erase.pop()()
            return read_part(path, offset, size_bytes)

        monkeypatch.setattr(shelf, "read_part", slow)
        verdict = await asyncio.to_thread(place.verdict)
    assert (erase, verdict.findings, verdict.sealed_otherwise) == ([], [], {})


async def test_keys_that_are_exchanged_while_a_ledger_is_verified_are_not_called_missing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanged = 0

    def slow(*arguments: object, **more: object) -> object:
        nonlocal exchanged
        for naming in namings(*arguments, **more):  # type: ignore[arg-type]  # passed on as they came
            if exchanged < 3:
                exchanged += 1
                place.rekey()
            yield naming

    monkeypatch.setattr(check, "namings", slow)
    verdict = place.verdict()
    assert (exchanged, verdict.findings, verdict.sealed_otherwise) == (3, [], {})
