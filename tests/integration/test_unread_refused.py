"""What nobody could judge of a build's files stops it at every door, until a named person takes it on record."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from freehold.app import build_house
from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild, Stamp
from freehold.core.errors import PolicyError, WeightsError
from freehold.core.refs import parse
from freehold.core.settings import load
from freehold.python.opening import pull_into
from freehold.store.derived import Making, derive
from freehold.store.pull import pull
from freehold.store.sources.disk import DiskSource
from freehold.store.store import Store
from freehold.weights.templates.parse import MAX_CHARACTERS
from tests.bundles import made
from tests.gguf_bytes import STRING
from tests.hostile.gguf_files import sound
from tests.recorder import Recorder
from tests.unit.test_deeds_cli import Terminal

PAYLOAD = "{{ messages.__class__.__mro__ }}"
PADDED = sound({"tokenizer.chat_template": (STRING, "{#" + "x" * MAX_CHARACTERS + "#}" + PAYLOAD)})
BAD = sound({"tokenizer.chat_template": (STRING, "{% call_me %}" + PAYLOAD)})
OTHER = sound({"tokenizer.chat_template": (STRING, "{% call_me %}" + PAYLOAD + " ")})
TAKEN = ("--override", "Read by hand", "--by", "A. Reader")
freehold = pytest.fixture(lambda capsys: Terminal(capsys))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(BAD)
    return path


def held_at(home: Path, path: Path) -> HeldBuild:
    """The file taken into a house that nobody asked, as an earlier Freehold did."""
    store, progress = Store(home), Recorder()
    work = pull(parse(str(path)), store=store, catalog=Catalog([]), sources={"file": DiskSource()}, progress=progress)
    return asyncio.run(work)


@pytest.mark.parametrize(("content", "check"), [(PADDED, "characters that are read"), (BAD, "cannot be parsed")])
@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
@pytest.mark.parametrize("in_place", [(), ("--in-place",)])
def test_a_template_that_nobody_could_read_stops_the_pull(
    content: bytes, check: str, quiet: tuple[str, ...], in_place: tuple[str, ...], path: Path, freehold: Terminal
) -> None:
    path.write_bytes(content)
    code, out, err = freehold("pull", str(path), *quiet, *in_place)
    assert (code, out) == (1, "")
    assert "is denied" in err and check in err and "m.gguf" in err
    assert f'freehold pull file:{path}{"".join(f" {each}" for each in in_place)} --override "why" --by NAME' in err
    assert build_house(load()).store.builds() == ()


def test_a_named_person_takes_it_and_the_deed_says_who(path: Path, freehold: Terminal) -> None:
    code, _, err = freehold("pull", str(path), *TAKEN)
    assert code == 0 and "Override recorded" in err and "cannot be parsed" in err
    house = build_house(load())
    (build,) = house.store.builds()
    statement = house.store.deed(build).statement
    assert statement.origin.provenance["overridden_by"] == "A. Reader"
    assert statement.verification is not None and statement.verification.verdict == "undecidable"
    house.permits.require_build(build, house.settings)  # and serves it


def test_the_override_is_of_these_bytes_and_of_no_others_by_their_name(path: Path, freehold: Terminal) -> None:
    assert freehold("pull", str(path), *TAKEN)[0] == 0
    assert freehold("rm", "m", "--yes")[0] == 0
    path.write_bytes(OTHER)
    assert freehold("pull", str(path))[0] == 1


def test_what_an_earlier_freehold_took_is_not_served(home: Path, path: Path) -> None:
    build = held_at(home, path)
    house = build_house(load())
    with pytest.raises(PolicyError, match="cannot be parsed") as caught:
        house.permits.require_build(build, house.settings)
    assert f"freehold license override {build.name}" in caught.value.hint
    with pytest.raises(PolicyError):
        asyncio.run(pull_into(house, parse(build.name)))


def test_a_bundle_does_not_carry_it_in_past_the_question(
    home: Path, path: Path, tmp_path: Path, freehold: Terminal
) -> None:
    held_at(home, path)
    bundle = made(Store(home), tmp_path / "b.tar").path
    shutil.rmtree(home)
    code, _, err = freehold("bundle", "open", str(bundle), "--quiet")
    assert code == 1 and "cannot be parsed" in err and f"freehold bundle open {bundle} --override" in err
    assert Store(home).builds() == ()
    assert freehold("bundle", "open", str(bundle), *TAKEN)[0] == 0
    (build,) = Store(home).builds()
    assert Store(home).deed(build).origins[-1].provenance["overridden_by"] == "A. Reader"


def test_what_is_made_from_a_build_has_no_unread_part_of_its_own(home: Path, tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(sound())
    parent = held_at(home, tmp_path / "m.gguf")

    async def make(folder: Path, stamps: Sequence[Stamp]) -> Sequence[str]:
        del stamps
        (folder / "made.gguf").write_bytes(BAD)
        return ["made.gguf"]

    store = Store(home)
    with pytest.raises(WeightsError, match="cannot be judged"):
        asyncio.run(derive(parent, Making("x", "repacked", "t", "1"), make, store=store, catalog=Catalog([])))
    assert store.builds() == (parent,)


def test_what_is_made_from_a_build_that_was_taken_is_taken_with_it(home: Path, path: Path, freehold: Terminal) -> None:
    assert freehold("pull", str(path), *TAKEN)[0] == 0
    house = build_house(load())
    (parent,) = house.store.builds()

    async def make(folder: Path, stamps: Sequence[Stamp]) -> Sequence[str]:
        del stamps
        (folder / "made.gguf").write_bytes(OTHER)
        return ["made.gguf"]

    making = Making("x", "repacked", "t", "1")
    child = asyncio.run(derive(parent, making, make, store=house.store, catalog=house.catalog))
    house.permits.require_build(child, house.settings)
    assert house.store.deed(child).statement.origin.provenance["overridden_by"] == "A. Reader"
