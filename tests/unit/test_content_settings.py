"""`keep_content`: which endpoints keep what they are asked, for how long, and what a wrong word is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.core.content_settings import ALWAYS, told
from freehold.core.errors import SettingsError
from freehold.core.settings import load
from freehold.gateway.changes import changes
from freehold.gateway.endpoints import EndpointTable, Target

DAY_S = 86_400.0


def keep(folder: Path, written: str, *, mode: str = "relaxed") -> float | None:
    text = f'[ledger]\nmode = "{mode}"\n[endpoints]\ndemo = {{ ref = "fake:demo", {written} }}\n'
    (folder / "freehold.toml").write_text(text)
    rows = load(environment={}, folder=folder).endpoints
    assert rows is not None
    return rows["demo"].keep_content_s


def test_nothing_is_kept_unless_an_endpoint_says_so(tmp_path: Path) -> None:
    assert keep(tmp_path, "slots = 1") is None


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("90 s", 90),
        ("12h", 12 * 3600),
        ("12 hours", 12 * 3600),
        ("30d", 30 * DAY_S),
        ("30 days", 30 * DAY_S),
        ("1 day", DAY_S),
        ("7y", 7 * 365 * DAY_S),
        ("always", ALWAYS),
    ],
)
def test_a_time_is_read_as_a_person_writes_it(tmp_path: Path, written: str, seconds: float) -> None:
    assert keep(tmp_path, f'keep_content = "{written}"') == seconds


@pytest.mark.parametrize("written", ['"30"', '"soon"', '"0d"', '"-1d"', '"101y"', '"1.5d"', "30", "true"])
def test_what_is_no_time_is_refused_with_its_line(tmp_path: Path, written: str) -> None:
    with pytest.raises(SettingsError, match=r"line 4: endpoints\.demo\.keep_content must be a"):
        keep(tmp_path, f"keep_content = {written}")


def test_without_a_ledger_nothing_can_be_kept(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r'line 2: ledger\.mode is "off", and keep_content needs'):
        keep(tmp_path, 'keep_content = "30d"', mode="off")
    assert keep(tmp_path, "slots = 1", mode="off") is None


def test_times_are_told_in_words() -> None:
    assert [told(seconds) for seconds in (90, DAY_S, 7 * 365 * DAY_S, ALWAYS)] == [
        "for 90 s",
        "for 1 day",
        "for 2,555 days",
        "until it is erased",
    ]


def test_a_reload_says_what_it_changes_of_it() -> None:
    target = Target("fake", "fake:demo")
    old, new = (EndpointTable({"demo": target}, keeps=keeps) for keeps in ({}, {"demo": 30 * DAY_S}))
    assert changes(old, new).lines == ("demo: what it is asked and answers is kept for 30 days",)
    (line,) = changes(new, old).lines
    assert "kept no more" in line and "as was said then" in line
    assert changes(new, new).lines == ()
