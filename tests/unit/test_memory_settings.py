"""`[memory]` and what endpoints say of their stay, as people write it and as they get it wrong."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from freehold.core.errors import SettingsError
from freehold.core.memory_settings import MemorySettings, StaySettings
from freehold.core.settings import Settings, load
from freehold.gateway.endpoints import EndpointTable, Target
from freehold.gateway.memory.stay import Stay, preloaded, stays


def _load(folder: Path, text: str) -> Settings:
    (folder / "freehold.toml").write_text(text)
    return load(folder=folder)


def test_memory_is_said_in_sizes_and_times(tmp_path: Path) -> None:
    settings = _load(tmp_path, '[memory]\nlimit = "7.5GiB"\nkeep = "10m"\nwaiting = 3\nwait = "90s"\n')
    assert settings.memory == MemorySettings(int(7.5 * 2**30), 600, 3, 90)


def test_without_the_table_models_stay_until_memory_is_needed(tmp_path: Path) -> None:
    assert _load(tmp_path, "").memory == MemorySettings(None, math.inf, 1024, 120)


def test_an_endpoint_says_how_long_its_model_stays(tmp_path: Path) -> None:
    rows = 'a = { ref = "fake:a", keep = "2h", preload = true }\nb = { ref = "fake:b", pinned = true, keep = "always" }'
    endpoints = _load(tmp_path, f"[endpoints]\n{rows}\n").endpoints
    assert endpoints is not None
    assert endpoints["a"].stay == StaySettings(7200, preload=True)
    assert endpoints["b"].stay == StaySettings(math.inf, pinned=True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('limit = "8"', "a size such as"),
        ('limit = "0GB"', "a size such as"),
        ("limit = 8", 'must be a size such as "8GB" or "7.5GiB", not 8'),
        ("wait = 30", 'must be a time such as "90s", "10m" or "2h", not 30'),
        ('keep = "10"', 'a time such as "90s", "10m" or "2h" or "always"'),
        ('keep = "9999d"', "a time such as"),
        ('wait = "always"', "a time such as"),
        ("waiting = -1", "must be a whole number"),
        ("limits = 1", "did you mean 'limit'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(SettingsError, match="line 2") as error:
        _load(tmp_path, f"[memory]\n{line}\n")
    assert said in error.value.message


def test_the_longest_stay_that_an_endpoint_asks_for_is_its_models() -> None:
    shared, own = Target("fake", "fake:a"), Target("fake", "fake:b")
    said = {"short": StaySettings(60.0), "long": StaySettings(600.0), "own": StaySettings()}
    table = EndpointTable({"short": shared, "long": shared, "own": own}, stays=said)
    found = stays(table, MemorySettings(keep_s=30.0))
    assert found == {shared: Stay(600.0, pinned=False), own: Stay(30.0, pinned=False)}


def test_pinned_endpoints_and_the_first_are_loaded_at_the_start_unless_they_say_no() -> None:
    targets = {name: Target("fake", f"fake:{name}") for name in "abcd"}
    said = {
        "b": StaySettings(pinned=True),
        "c": StaySettings(pinned=True, preload=False),
        "d": StaySettings(preload=True),
    }
    assert preloaded(EndpointTable(targets, stays=said)) == (targets["b"], targets["a"], targets["d"])
    first = {"a": StaySettings(preload=False)}
    assert preloaded(EndpointTable(targets, stays=first)) == ()
