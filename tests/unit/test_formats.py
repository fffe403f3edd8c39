"""Homes of older versions are read where they lie, and what a newer one wrote is refused in one clear sentence."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.app import build_house
from freehold.cli.main import main
from freehold.core import formats
from freehold.core.errors import DeedError, FreeholdError, KeyBookError, NewerFormatError, StoreError
from freehold.core.formats import Format
from freehold.core.quantity import Unknown
from freehold.core.refs import parse
from freehold.gateway.access.book import KeyBook
from freehold.gateway.access.key import Key, Limits, Scopes
from freehold.hardware import calibration
from freehold.ledger.appender import is_appended_to
from freehold.ledger.ledger import opened
from freehold.ledger.requests import requests
from freehold.ledger.segments import segment_path, segments
from freehold.ledger.verify import verify
from freehold.store.overrides import Overrides
from freehold.store.store import Store
from freehold.trials import record as trials
from freehold.trials.record import Ignored, Winner
from tests.calibrations import ENGINE
from tests.calibrations import calibration as round_figures
from tests.integration.gateways import settings_of
from tests.unit.test_trials_record import MACHINE, VERSIONS, report

HOMES = Path(__file__).parents[1] / "homes"
FIRST, SECOND, THIRD, KEPT, EXCHANGED = (HOMES / name for name in ("first", "second", "third", "kept", "exchanged"))
KEY = b"fh_f928c0a7_9kH9x3YBs-t0kiAghTCHBTQF-g7EyBXmuOfRM3N7fSU"
MACHINE_RECORD = "machines/test-2c-8g-0123456789.json"
TRIAL_RECORD = f"trials/{MACHINE}/{'a' * 64}.batch.json"


@pytest.fixture
def old(home: Path) -> Path:
    """The first home, in place, with the rights that it had."""
    shutil.copytree(FIRST, home)
    (home / "access" / "keys.json").chmod(0o600)
    return home


def _trial(home: Path) -> Winner | Ignored | None:
    return trials.read(home, MACHINE, report()["digest"], "batch", VERSIONS)


def test_everything_in_the_first_home_is_read_but_what_is_measured_again(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ada, bob = KeyBook(old).read()
    assert ada.opens(KEY, 0) and (ada.owner, ada.limits.tokens_per_day, ada.scopes.verbs) == ("ada", 1000, ("chat",))
    assert bob.revoked_s is not None
    assert [override.by for override in Overrides(old).every()] == ["Ada"]
    assert isinstance(_trial(old), Winner)
    left = calibration.read(old, fingerprint=round_figures().fingerprint, engine=ENGINE)
    assert isinstance(left, Unknown) and "was written by an older Freehold" in left.reason
    assert "freehold machine --measure" in left.reason
    store = Store(old)
    assert [build.name for build in store.builds()] == ["older:q4_1", "tiny:q4_1"]
    for build in store.builds():
        assert store.find(parse(build.name)).digest == build.digest
    verdict = verify(old / "ledger")
    assert (verdict.findings, verdict.requests, verdict.open) == ([], 4, 1)
    assert len(list(requests(old / "ledger"))) == 4
    for words in (["list"], ["keys", "list"], ["ledger", "verify"], ["usage"], ["deed", "verify", "tiny"]):
        assert main(words) == 0, capsys.readouterr().err


@pytest.mark.parametrize(("version", "whole", "exchanged"), [(1, KEPT, 1), (2, EXCHANGED, 2)])
def test_content_of_every_version_is_verified_opened_given_other_keys_and_erased(
    home: Path, capsys: pytest.CaptureFixture[str], version: int, whole: Path, exchanged: int
) -> None:
    shutil.copytree(whole, home)
    (about,) = (home / "ledger" / "content").glob("*.json")
    assert json.loads(about.read_text())["format"] == version
    (home / "keys" / "content.key").chmod(0o600)
    assert main(["ledger", "verify"]) == 0
    said = capsys.readouterr()
    assert "of request 5 was erased on" in said.err and "ada (uid 1000): asked by the customer" in said.err
    assert main(["ledger", "show", "visit-0"]) == 0
    (call,) = json.loads(capsys.readouterr().out)["calls"]
    assert call["sent"]["messages"] == [{"role": "user", "content": "May I sell?"}]
    assert call["answer"]["choices"][0]["message"]["content"] == "Not yet."
    assert main(["ledger", "show", "visit-1"]) == 1
    assert main(["ledger", "verify"]) == 0
    assert main(["ledger", "new-key"]) == 0
    assert [path.name for path in about.parent.glob("*.keys")] == [f"content-000000000002.{exchanged}.keys"]
    capsys.readouterr()
    assert main(["ledger", "show", "visit-0"]) == 0
    assert json.loads(capsys.readouterr().out)["calls"] == [call]
    assert main(["ledger", "erase", "visit-0", "--reason", "asked", "--yes"]) == 0
    assert main(["ledger", "show", "visit-0"]) == 1 and main(["ledger", "verify"]) == 0


async def test_what_is_written_next_is_of_the_newest_version_and_nothing_of_before_is_lost(old: Path) -> None:
    before = (old / "ledger" / "records-000000000001.jsonl").read_bytes()
    ledger = await opened(old / "ledger", "strict", version="2")
    assert ledger.interrupted == 1
    await ledger.close()
    assert (old / "ledger" / "records-000000000001.jsonl").read_bytes().startswith(before)
    assert verify(old / "ledger").findings == []
    KeyBook(old).create("eve")
    assert [key.owner for key in KeyBook(old).read()] == ["ada", "bob", "eve"]
    assert json.loads(KeyBook(old).path.read_text())["format"] == formats.KEY_BOOK.newest == 2
    (override,) = Overrides(old).every()
    Overrides(old).add(override)
    assert Overrides(old).every() == (override, override)
    lines = (old / "overrides.jsonl").read_text().splitlines()
    assert ["format" in json.loads(line) for line in lines] == [False, True]
    trials.write(old, report())
    assert json.loads((old / TRIAL_RECORD).read_text())["format"] == formats.TRIAL.newest == 2


def _newer(path: Path, kind: Format) -> None:
    """The first line of the file, of a version that is not there yet."""
    first, _, rest = path.read_text().partition("\n") if path.suffix == ".jsonl" else (path.read_text(), "", "")
    path.write_text(json.dumps({**json.loads(first), kind.member: kind.newest + 1}) + ("\n" + rest if rest else "\n"))


def _deed(home: Path) -> str:
    return next(str(path.relative_to(home)) for path in home.glob("builds/24d5*/deed.json"))


REFUSED: list[tuple[Format, Callable[[Path], str], type[FreeholdError], Callable[[Path], object]]] = [
    (formats.KEY_BOOK, lambda _: "access/keys.json", KeyBookError, lambda home: KeyBook(home).read()),
    (formats.OVERRIDE, lambda _: "overrides.jsonl", StoreError, lambda home: Overrides(home).every()),
    (formats.DEED, _deed, DeedError, lambda home: Store(home).find(parse("tiny"))),
    (formats.LEDGER, lambda _: _SEGMENT, NewerFormatError, lambda home: verify(home / "ledger")),
    (formats.LEDGER, lambda _: _SEGMENT, NewerFormatError, lambda home: list(requests(home / "ledger"))),
]
_SEGMENT = "ledger/records-000000000001.jsonl"


@pytest.mark.parametrize(("kind", "where", "error", "read"), REFUSED)
def test_what_a_newer_freehold_wrote_is_refused_by_name_and_left_as_it_is(
    old: Path, kind: Format, where: Callable[[Path], str], error: type[FreeholdError], read: Callable[[Path], object]
) -> None:
    path = old / where(old)
    path.chmod(0o600)
    _newer(path, kind)
    before = path.read_bytes()
    with pytest.raises(error) as caught:
        read(old)
    said = f"{kind.kind} of version {kind.newest + 1}; this Freehold reads up to version {kind.newest}."
    assert said in caught.value.message
    assert "update this one" in caught.value.hint
    assert path.read_bytes() == before


async def test_a_house_does_not_write_behind_what_a_newer_one_wrote(old: Path) -> None:
    (path,) = segments(old / "ledger")
    _newer(path, formats.LEDGER)
    before = path.read_bytes()
    with pytest.raises(NewerFormatError):
        await opened(old / "ledger", "strict", version="2")
    assert path.read_bytes() == before


async def test_a_house_that_cannot_read_what_its_keys_have_spent_does_not_start_and_leaves_its_ledger(
    old: Path, tmp_path: Path
) -> None:
    (path,) = segments(old / "ledger")
    head, _, rest = path.read_text().partition("\n")
    this_month = json.dumps({**json.loads(head), "at_ms": time.time_ns() // 1_000_000})
    segment_path(path.parent, 1000).write_text(f"{this_month}\n{rest}")
    _newer(path, formats.LEDGER)
    settings = settings_of(tmp_path, '[endpoints]\nsmall = "fake:small"\n')
    gateway = build_house(settings, recorded="house").gateway
    with pytest.raises(NewerFormatError):
        await gateway.start()
    await gateway.close()
    assert not is_appended_to(old / "ledger")


def test_what_can_be_measured_again_is_passed_over_with_the_reason(old: Path) -> None:
    _newer(old / TRIAL_RECORD, formats.TRIAL)
    found = _trial(old)
    assert isinstance(found, Ignored) and "was written by a newer Freehold" in found.reason
    _newer(old / MACHINE_RECORD, formats.CALIBRATION)
    unknown = calibration.read(old, fingerprint=round_figures().fingerprint, engine=ENGINE)
    assert isinstance(unknown, Unknown) and "was written by a newer Freehold" in unknown.reason


def test_the_second_record_of_a_machine_is_read() -> None:
    assert calibration.read(THIRD, fingerprint=round_figures().fingerprint, engine=ENGINE) == round_figures()


def test_every_limit_in_the_second_book_of_keys_is_read(home: Path) -> None:
    shutil.copytree(SECOND, home)
    KeyBook(home).path.chmod(0o600)
    ada, grace = KeyBook(home).read()
    assert ada.limits == Limits(2, 30, 4000, 50_000, 600_000, 2.5, 40.0, "batch")
    assert (ada.scopes, ada.expires_s) == (Scopes(("small",), ("chat", "embed"), admin=True), 4102444800)
    assert [each.until_s for each in ada.hashes] == [None, 1795986291], "one rotated, the old text opens for a while"
    assert (grace.is_person, grace.owner, grace.hashes) == (True, "Grace", ())


def test_a_book_of_keys_that_may_say_more_has_another_version() -> None:
    # A member more is a limit that an older program would not hold: raise KEY_BOOK with it, and add a home.
    held = json.loads((SECOND / "access" / "keys.json").read_text())
    assert held["format"] == formats.KEY_BOOK.newest
    for kind, said in (
        (Key, held["keys"][0]),
        (Limits, held["keys"][0]["limits"]),
        (Scopes, held["keys"][0]["scopes"]),
    ):
        assert {field.name for field in dataclasses.fields(kind)} == said.keys()


def test_an_older_version_goes_through_every_step_in_order() -> None:
    kind = Format("a box", 3, steps={1: lambda told: {**told, "b": 1}, 2: lambda told: {**told, "c": told["b"] + 1}})
    assert kind.newest_of({"format": 1, "a": 0}, "x") == {"a": 0, "b": 1, "c": 2}
    assert kind.newest_of({"format": 3, "a": 0}, "x") == {"a": 0}
    for version in (0, True, "1", None, 1.0):
        with pytest.raises(ValueError, match="its format is"):
            kind.newest_of({"format": version}, "x")
    for each in formats.KINDS:
        assert set(each.steps) <= set(range(1, each.newest)), "a step leads from an older version to the next"
