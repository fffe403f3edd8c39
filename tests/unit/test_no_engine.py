"""A build whose architecture no engine here knows: said when it comes in, never offered, refused in one sentence."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest

from freehold.app import build_house
from freehold.cli.main import main
from freehold.core.errors import SettingsError
from freehold.core.settings import load
from freehold.engines.llamacpp import architectures
from freehold.fit.architectures import ARCHITECTURES
from tests.gguf_bytes import KEYS, STRING, gguf
from tests.servers.files import file_server
from tests.unit.test_models_route import catalog, client

WORDS = "strange:q4_1 cannot be run: no engine here is known to run it: llama.cpp (xllamacpp "


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    path = tmp_path / "strange.gguf"
    path.write_bytes(strange_gguf())
    return path


def strange_gguf(*, rows: int = 8) -> bytes:
    """A sound file of an architecture that nobody knows."""
    named = {key.replace("llama.", "strange."): found for key, found in KEYS.items()}
    return gguf({**named, "general.architecture": (STRING, "strange")}, rows=rows)


def test_a_pull_takes_it_in_and_says_that_nothing_here_runs_it(
    strange: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pull", str(strange)]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert WORDS in said and "does not know the architecture 'strange'" in said
    assert main(["pull", str(strange)]) == 0
    assert WORDS in " ".join(capsys.readouterr().err.split()), "also of one that is held already"


@pytest.mark.parametrize("words", [("run", "Hello"), ("up",)], ids=("run", "up"))
@pytest.mark.parametrize("held", [True, False], ids=("held", "not held"))
def test_to_run_it_or_to_serve_it_is_one_error(
    strange: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    held: bool,
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    if held:
        assert main(["pull", str(strange), "--quiet"]) == 0
        capsys.readouterr()
    assert main([words[0], str(strange), *words[1:]]) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("cannot be run: no engine here is known to run it") == 1, said
    assert "did not start" not in said and "The house is open" not in said


def test_a_house_that_is_to_pull_it_first_says_so_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    with file_server() as server:
        assert main(["up", "--pull", server.put("/strange.gguf", strange_gguf())]) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("no engine here is known to run it") == 1, said
    assert "The house is open" not in said


def test_the_page_says_so_and_offers_no_chat_with_it(strange: Path, tmp_path: Path, home: Path) -> None:
    (tmp_path / "known.gguf").write_bytes(gguf())
    for path in (strange, tmp_path / "known.gguf"):
        assert main(["pull", str(path), "--quiet"]) == 0
    house = client(home)
    held = {each["name"]: each for each in catalog(house)["held"]}
    assert held["strange:q4_1"]["endpoint"] is None
    assert "does not know the architecture 'strange'" in held["strange:q4_1"]["no_engine"]
    assert (held["known:q4_1"]["endpoint"], held["known:q4_1"]["no_engine"]) == ("known", None)
    assert [each["id"] for each in house.get("/v1/models").json()["data"]] == ["known"]


def test_an_endpoint_that_names_it_is_refused_with_the_settings(strange: Path, home: Path) -> None:
    assert main(["pull", str(strange), "--quiet"]) == 0
    file = home.parent / "freehold.toml"
    file.write_text('[endpoints]\nhouse = "strange"\n')
    house = build_house(load(environment={"FREEHOLD_HOME": str(home)}, file=file))
    with pytest.raises(SettingsError, match="house: strange:q4_1 cannot be run"):
        asyncio.run(house.gateway.start())


def test_every_architecture_that_is_planned_for_is_known() -> None:
    assert ARCHITECTURES.keys() <= architectures.KNOWN
    assert architectures.refused("llama") is None


def test_of_another_release_nobody_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architectures, "release", lambda: "2027.1.12000")
    assert architectures.refused("strange") is None
