"""Which of the held builds a check of predictions runs: those whose speed is predicted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from freehold.cli.main import main
from freehold.core.builds import HeldBuild
from freehold.core.errors import CallError
from freehold.core.refs import Reference
from freehold.python.measuring import predicted_builds
from freehold.store.store import Store
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
