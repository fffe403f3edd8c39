"""What several suites of a whole house need: an issuer of sign-ons, somebody who visits, another home."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.house_process import RunningHouse
from tests.integration.page_visitor import Visitor
from tests.servers.issuer import LocalIssuer, local_issuer


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    with local_issuer() as running:
        yield running


@pytest.fixture
def visitor(house: RunningHouse, issuer: LocalIssuer) -> Visitor:
    """Of the module's own house."""
    return Visitor(house, issuer)


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Turns this environment into the one of another, empty home."""

    def go() -> Path:
        monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "far" / "home"))
        (tmp_path / "freehold.toml").unlink(missing_ok=True)
        return tmp_path / "far" / "home"

    return go
