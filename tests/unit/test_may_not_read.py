"""What this account may not read is undecided, and no reason to remove anything: looked at as another account would."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.core.builds import HeldBuild
from freehold.core.errors import BuildChangedError, StoreError
from freehold.core.refs import parse
from freehold.store.store import Store
from tests.unit.test_deeds_cli import Terminal
from tests.unit.test_store import take_in, weights

NOBODY = 65_534
freehold = pytest.fixture(lambda capsys: Terminal(capsys))


@pytest.fixture
def build(home: Path, tmp_path: Path) -> HeldBuild:
    return take_in(Store(home), weights(tmp_path / "Tiny.Q4_1.gguf"))


@pytest.fixture
def unread(tmp_path: Path) -> object:
    """Calls with the rights of an account that owns nothing here; where this one is that already, as it is."""

    def close(path: Path) -> None:
        path.chmod(0o000)

    def call(path: Path, asked: Callable[[], object]) -> object:
        for folder in (tmp_path, *tmp_path.parents):
            if folder.stat().st_uid == os.getuid() and folder != Path("/tmp"):
                folder.chmod(folder.stat().st_mode | 0o055)
        close(path)
        if os.geteuid() != 0:
            return asked()
        os.seteuid(NOBODY)
        try:
            return asked()
        finally:
            os.seteuid(0)

    return call


Unread = Callable[[Path, Callable[[], object]], object]


def test_weights_that_may_not_be_read_are_undecided(build: HeldBuild, freehold: Terminal, unread: Unread) -> None:
    said = unread(build.files[0], lambda: freehold("deed", "verify", build.name))
    assert isinstance(said, tuple)
    code, out, _ = said
    assert code == 4 and "undecided" in out and "wrong" not in out and f"chmod a+r {build.files[0]}" in out


def test_an_engine_does_not_get_them_and_nobody_is_told_to_remove_them(
    home: Path, build: HeldBuild, unread: Unread
) -> None:
    def asked() -> StoreError:
        with pytest.raises(StoreError) as caught:
            Store(home).find(parse(build.name))
        return caught.value

    error = unread(build.files[0], asked)
    assert isinstance(error, StoreError) and not isinstance(error, BuildChangedError)
    assert "may not be read" in error.message and "chmod" in error.hint and "rm " not in error.hint


def test_a_deed_that_may_not_be_read_leaves_the_folder_alone(
    home: Path, build: HeldBuild, freehold: Terminal, unread: Unread
) -> None:
    deed = Store(home).layout.build(build.digest) / "deed.json"
    said = unread(deed, lambda: (freehold("deed", "verify", "tiny"), freehold("list")))
    assert isinstance(said, tuple)
    (verified, out, err), (listed, _, warned) = said
    assert (verified, listed) == (4, 4) and "undecided" in out
    assert not [text for text in (out, err, warned) if "Remove" in text]


def test_keys_that_may_not_be_read_leave_the_signature_undecided(
    home: Path, build: HeldBuild, freehold: Terminal, unread: Unread
) -> None:
    assert freehold("signing", "create")[0] == 0
    assert freehold("deed", "sign", build.name)[0] == 0
    said = unread(home / "keys", lambda: freehold("deed", "verify", build.name))
    assert isinstance(said, tuple)
    code, out, _ = said
    assert code == 4 and "signature" in out and "chmod 755" in out


def test_a_file_in_a_folder_that_may_not_be_entered_is_not_said_to_be_missing(
    tmp_path: Path, freehold: Terminal, unread: Unread
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    weights(closed / "m.gguf")
    said = unread(closed, lambda: freehold("verify", str(closed / "m.gguf")))
    assert isinstance(said, tuple)
    code, out, err = said
    assert code == 4 and "may not be entered" in out and "There is no file" not in err
