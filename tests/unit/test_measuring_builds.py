"""Which of the held builds a check of predictions runs, those whose speed is predicted, and how long it says it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from freehold.cli.main import main
from freehold.core.builds import HeldBuild
from freehold.core.errors import CallError
from freehold.core.refs import Reference
from freehold.fit.read_gguf import blueprint_of_gguf
from freehold.python.measuring import expected_s, predicted_builds, told, types_held
from freehold.store.store import Store
from tests.calibrations import calibration
from tests.gguf_bytes import KEYS, gguf


class WithAConversion(Store):
    """Takes the build `own:converted` for one in OpenVINO's form, of which only the real converter makes one."""

    def builds(self) -> tuple[HeldBuild, ...]:
        return tuple(map(_told, super().builds()))

    def find(self, ref: Reference) -> HeldBuild:
        return _told(super().find(ref))


def _told(build: HeldBuild) -> HeldBuild:
    return replace(build, facts=replace(build.facts, format="openvino")) if build.name == "own:converted" else build


@pytest.fixture
def store(home: Path, tmp_path: Path) -> Store:
    for rows, tag in ((4000, "own"), (4001, "converted")):
        path = tmp_path / f"{tag}.gguf"
        path.write_bytes(gguf(KEYS, rows=rows))
        assert main(["pull", str(path), "--name", f"own:{tag}", "--quiet"]) == 0
    return WithAConversion(home)


def test_a_conversion_is_passed_over_and_refused_by_name(store: Store) -> None:
    assert [build.name for build in predicted_builds(store, ())] == ["own:own"]
    assert [build.name for build in predicted_builds(store, ["own:own"])] == ["own:own"]
    with pytest.raises(CallError, match="own:converted is in the form of openvino"):
        predicted_builds(store, ["own:converted"])


def test_how_long_a_check_takes_follows_from_the_speeds_that_are_predicted(smollm2_gguf: Path) -> None:
    blueprint = blueprint_of_gguf([smollm2_gguf])
    rows = {1: 1e-10, 8: 4e-10, 128: 5e-9}
    fast = calibration(weights={"Q4_1": rows, "Q8_0": rows})
    slow = calibration(weights={kind: {count: 10 * each for count, each in rows.items()} for kind in ("Q4_1", "Q8_0")})
    quick, long = expected_s(blueprint, fast), expected_s(blueprint, slow)
    assert quick is not None and long is not None
    assert 6 < quick < long < 10 * quick
    assert expected_s(blueprint, calibration(weights={"Q8_0": rows})) is None


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([20.4, 30.0], "about 50 s in all"),
        ([100.0, 200.0], "about 5 minutes in all"),
        ([20.0, None], "some minutes (how fast a build is cannot be said of all of them)"),
    ],
)
def test_how_long_it_takes_is_said_in_words(lengths: list[float | None], words: str) -> None:
    assert told(lengths) == words


def test_the_help_says_how_long_both_take(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["machine", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "in about a minute" in shown and "half a minute for a build of 100 MB where nothing else runs" in shown


def test_the_types_that_are_timed_first_are_those_of_what_is_held_and_can_be_read(store: Store, tmp_path: Path) -> None:
    assert types_held(store) == ["Q4_1"]
    for file in (file for build in Store(store.layout.home).builds() for file in build.files):
        file.chmod(0o600)
        file.write_bytes(b"GGUF")
    assert types_held(store) == []
