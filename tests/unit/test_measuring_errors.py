"""How far predictions are said to be from measurements."""

from __future__ import annotations

from typing import Any

from freehold.python.measuring import errors


def row(of: str, error: float | None, *, runs: int = 3) -> dict[str, Any]:
    measured = {"kind": "measured", "value": 100.0, "low": 99.0, "high": 101.0, "runs": runs}
    return {"of": of, "error": error, "measured": measured}


def test_both_sides_are_told_apart_and_what_is_unknown_is_no_error() -> None:
    found = errors([row("memory", each, runs=1) for each in (-0.02, 0.01, 0.05, None)])
    assert found["memory"] == {
        **{"rows": 3, "median": 0.02, "p90": 0.05, "worst": 0.05, "lowest": -0.02, "highest": 0.05},
        "repeatability": None,
    }


def test_how_far_a_measurement_is_from_itself_stands_beside_it() -> None:
    found = errors([row("generation", 0.1), row("prompt", None)])
    assert found["generation"]["repeatability"] == 0.02
    assert found["prompt"]["median"] is found["prompt"]["lowest"] is None
