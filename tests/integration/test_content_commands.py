"""`freehold ledger show` and `erase` where something stands in their way."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from freehold import control
from freehold.core.errors import SettingsError
from freehold.gateway.keeping import Keeping
from freehold.ledger.content.house_key import FILE, KeyRing
from freehold.ledger.content.places import places
from freehold.ledger.content.requests import Sought, kept_requests
from freehold.ledger.content.shelf import left
from freehold.ledger.content.spans import spans
from freehold.ledger.ledger import opened
from freehold.ledger.record import Asked, Outcome
from freehold.ledger.recover import look
from freehold.ledger.verify import verify
from tests.integration.house_process import rest_of, running_house, until
from tests.integration.test_content_house import CHAT, HELLO, ROUTES, shown, toml, verdict
from tests.unit.test_deeds_cli import Terminal

freehold = pytest.fixture(lambda capsys: Terminal(capsys))


def test_a_house_opens_and_erases_nothing_of_a_ledger_that_it_does_not_write(
    tmp_path: Path, freehold: Terminal, home: Path
) -> None:
    other = toml().replace("[ledger]", f'[ledger]\nfolder = "{tmp_path}/audit"')
    for text in (other, toml()):
        with running_house(tmp_path, text) as house:
            assert house.ask("POST", CHAT, {"model": "small", **HELLO}, headers={"x-request-id": "one"}).status == 200
    with running_house(tmp_path, toml()):
        (tmp_path / "freehold.toml").write_text(other)  # as where the command is called in another folder
        for words in (["show", "one"], ["erase", "one", "--yes"]):
            code, _, err = freehold("ledger", *words, "--reason", "asked")
            assert code == 2 and "writes another ledger" in err
        (tmp_path / "freehold.toml").write_text(toml())
        assert shown(freehold, "one")["calls"]
    for folder, shows in ((home / "ledger", 1), (tmp_path / "audit", 0)):
        found = verify(folder)
        assert (found.erasures, len(found.accesses)) == ([], shows)
    assert verdict(home).findings == []


def test_requests_in_flight_are_counted_and_those_that_a_kill_left_open_are_closed_and_erased(
    tmp_path: Path, freehold: Terminal, home: Path
) -> None:
    with pytest.raises(AssertionError, match="killed"), running_house(tmp_path, toml()) as house:
        client = house.open_stream(CHAT, {"model": "endless", **HELLO}, headers={"x-request-id": "mine"})
        for words in (["--dry-run"], ["--reason", "asked", "--yes"]):
            code, _, err = freehold("ledger", "erase", "mine", *words)
            assert code == 1 and "Left, as in flight: 1 request." in err and "Nothing of that is kept" not in err
        house.process.send_signal(signal.SIGKILL)
        house.process.wait()
        raise AssertionError("killed")
    client.close()
    code, told = freehold.json("ledger", "erase", "mine", "--reason", "asked", "--yes")
    assert (code, told["requests"], told["in_flight"]) == (0, 1, 0)
    assert [place for place in places(home / "ledger" / "content") for _ in left(place)] == []
    assert (verdict(home).findings, verdict(home).interrupted) == ([], 1)


def test_a_house_that_crashes_leaves_no_copy_of_its_memory(tmp_path: Path) -> None:
    with running_house(tmp_path, toml()) as house:
        assert psutil.Process(house.process.pid).rlimit(resource.RLIMIT_CORE) == (0, 0)


def test_what_is_half_erased_is_erased_by_the_next_call(tmp_path: Path, freehold: Terminal, home: Path) -> None:
    with running_house(tmp_path, toml()) as house:
        assert house.ask("POST", CHAT, {"model": "small", **HELLO}, headers={"x-request-id": "one"}).status == 200
        (request,) = kept_requests(home / "ledger", Sought(request="one"))
        chain = look(home / "ledger").chain
        assert control.erase(house.settings, chain, [list(each) for each in spans(request.names[:1])], "ada", None) == 1
        code, told = freehold.json("ledger", "erase", "one", "--reason", "asked", "--yes")
        assert (code, told["contents"]) == (0, 1)
    assert freehold("ledger", "erase", "one", "--reason", "asked", "--yes")[0] == 1


@pytest.mark.parametrize(
    ("half", "gone", "there"),
    [(0, "what it asked", "What it was answered"), (1, "what it was answered", "What it asked")],
    ids=["asked", "answered"],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/completions"])
def test_what_is_half_erased_is_shown_with_what_is_gone_when_and_why(
    tmp_path: Path, freehold: Terminal, home: Path, path: str, half: int, gone: str, there: str
) -> None:
    with running_house(tmp_path, toml()) as house:
        body = {"model": "small", "stream": True, **ROUTES[path]}
        rest_of(house.open_stream(path, body, headers={"x-request-id": "one"}))
        until(lambda: verify(home / "ledger").open == 0)
        (request,) = kept_requests(home / "ledger", Sought(request="one"))
        these = [list(each) for each in spans([request.names[half]])]
        assert control.erase(house.settings, look(home / "ledger").chain, these, "ada", "half of it") == 1
    code, out, err = freehold("ledger", "show", "one")
    assert code == 0 and f"Half of it is erased: {gone} was erased on " in err
    assert " by ada: half of it (record " in err and f"{there} is shown." in err
    told = json.loads(out)
    assert [(each["part"], each["by"], each["reason"]) for each in told["erased"]] == [
        (("asked", "answered")[half], "ada", "half of it")
    ]
    (call,) = told["calls"]
    assert [call["sent"] is not None, call["answer"] is not None] == [half == 1, half == 0]
    if half == 0:
        assert call["answer"]["choices"][0]["finish_reason"] and call["path"] is None
    assert freehold("ledger", "erase", "one", "--reason", "the rest", "--yes")[0] == 0
    code, _, err = freehold("ledger", "show", "one")
    assert code == 1 and err.count("was erased on") == 2 and "half of it" in err and "the rest" in err


def test_an_id_that_two_clients_gave_erases_neither_unsaid(tmp_path: Path, freehold: Terminal) -> None:
    with running_house(tmp_path, toml()) as house:
        for _ in range(2):
            assert house.ask("POST", CHAT, {"model": "small", **HELLO}, headers={"x-request-id": "one"}).status == 200
        assert freehold("ledger", "erase", "one", "--dry-run")[0] == 0
        code, _, err = freehold("ledger", "erase", "one", "--reason", "asked", "--yes")
        assert code == 2 and "2 requests are called one" in err and "--admission N, of" in err and "--key" in err
        code, told = freehold.json("ledger", "erase", "--until", "9999-12-31", "--reason", "asked", "--yes")
        assert (code, told["requests"]) == (0, 2)


def test_a_house_erases_nothing_at_places_where_nothing_was_kept(
    tmp_path: Path, freehold: Terminal, home: Path
) -> None:
    with running_house(tmp_path, toml()) as house:
        assert house.ask("POST", CHAT, {"model": "small", **HELLO}, headers={"x-request-id": "one"}).status == 200
        (request,) = kept_requests(home / "ledger", Sought(request="one"))
        chain, (segment, _) = look(home / "ledger").chain, request.names[0]
        for wrong in ([segment, 0, 2], [segment, 1, 2**53 - 1], [segment + 1, 0, 0], [2**53 - 1, 0, 0]):
            with pytest.raises(SettingsError, match="at which nothing was ever kept"):
                control.erase(house.settings, chain, [[segment, 0, 0], wrong], "eve", None)
        assert verdict(home).erasures == [] and shown(freehold, "one")["calls"]
        for path in (home / "ledger" / "content").glob("content-*"):
            path.unlink()
        assert control.erase(house.settings, chain, [[segment, 0, 1]], "ada", "it was lost") == 0
    assert (verdict(home).findings, len(verdict(home).erasures)) == ([], 1)


SHAPES: list[dict[str, Any]] = [
    {"choices": 5},
    {"choices": [5]},
    {"choices": [{"index": 0, "text": 7}, {"index": 0, "text": "a"}]},
    {"choices": [{"index": "a"}, {"index": 0}]},
    {"choices": [{"index": 0, "delta": "x"}]},
    {"choices": [{"index": [], "delta": {}}]},
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pieces_that_no_answer_can_be_made_of_are_shown_as_they_came(
    tmp_path: Path, freehold: Terminal, home: Path, shape: dict[str, Any]
) -> None:
    asyncio.run(_kept(home, shape))
    (call,) = shown(freehold, "one")["calls"]
    assert (call["answer"], call["other_events"]) == (None, [shape])


async def _kept(home: Path, event: dict[str, Any]) -> None:
    ledger = await opened(home / "ledger", "strict", version="1", ring=KeyRing(home / FILE))
    keeping = Keeping(ledger.contents, "small", 3600.0)
    keeping.sent("/chat/completions", {"messages": []})
    admission, began = ledger.admit(Asked("one", "k", "small", CHAT, None, "fake", 1), await keeping.kept())
    keeping.event(json.dumps(event).encode())
    ledger.settle(admission, Outcome("done"), began, await keeping.kept())
    await ledger.close()
