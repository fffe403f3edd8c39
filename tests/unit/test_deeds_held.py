"""Deeds in the store: signed when they are written, looked at when a build is found, and mended by pulling again."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild, Stamp
from freehold.core.errors import (
    BuildChangedError,
    DeedChangedError,
    DeedError,
    DeedSignatureError,
    HouseKeyError,
    NotFoundError,
)
from freehold.core.refs import parse
from freehold.core.settings import Secret
from freehold.store.deeds import presence
from freehold.store.deeds.seen import SETTLED_AFTER_NS, read_looks
from freehold.store.deeds.signing import Keys
from freehold.store.store import Store
from tests.unit.test_deeds import FIRST_VERSION
from tests.unit.test_store import take_in, weights
from tests.wheels import sha256


@pytest.fixture
def store(home: Path) -> Store:
    """The store of a house with a key."""
    house = Store(home)
    house.keys.create()
    return house


def deed_of(build: HeldBuild) -> Path:
    return build.files[0].parent / "deed.json"


def change(path: Path, old: bytes, new: bytes) -> None:
    """Change bytes and set the time back, as somebody does who does not want it seen."""
    before, mode = path.stat(), path.stat().st_mode
    path.chmod(0o644)
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.chmod(mode & 0o777)


def settle(store: Store, build: HeldBuild) -> Path:
    """Make the store's looks old enough to count, as they are two seconds after a file was last touched."""
    path = store.layout.seen(build.digest)
    looks = json.loads(path.read_text())
    path.write_text(json.dumps({name: [*look[:-1], look[-1] + 2 * SETTLED_AFTER_NS] for name, look in looks.items()}))
    return path


def test_what_is_pulled_into_a_house_with_a_key_is_signed(store: Store, tmp_path: Path) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    signature = store.deed(build).signature
    assert signature is not None and signature.key == store.keys.own()
    assert store.find(parse("t")) == build


def test_naming_a_build_again_breaks_no_signature(store: Store, tmp_path: Path) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    before = store.deed(build)
    named = take_in(store, weights(tmp_path / "again.gguf"), name="mine:x")
    after = store.deed(named)
    assert (after.names, after.signature) == (("mine:x", "t:q4_1"), before.signature)
    assert [origin.asked for origin in after.origins] == [f"file:{tmp_path / name}.gguf" for name in ("t", "again")]
    assert store.find(parse("mine:x")).digest == build.digest


def test_a_flipped_byte_is_found_behind_a_time_set_back(store: Store, tmp_path: Path) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    store.find(parse("t"))
    settle(store, build)
    change(build.files[0], b"\x11\x11", b"\x11\x10")
    with pytest.raises(BuildChangedError, match=r"t\.gguf, which t:q4_1 is made of, was changed: its sha256 is"):
        store.find(parse("t"))
    with pytest.raises(BuildChangedError, match="was changed"):
        store.confirm(build)


def test_a_file_that_nothing_touched_is_not_hashed_twice(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    store.find(parse("t"))
    settle(store, build)

    def hashed(*_: object) -> str:
        raise AssertionError("hashed")

    monkeypatch.setattr(presence, "_hash", hashed)
    assert store.find(parse("t")) == build
    build.files[0].chmod(0o400)  # the kernel notes the time of this; the file may be another one now
    with pytest.raises(AssertionError, match="hashed"):
        store.find(parse("t"))


def test_a_look_at_a_file_that_was_touched_a_moment_before_counts_for_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    store.find(parse("t"))
    (look,) = read_looks(store.layout.seen(build.digest)).values()
    found = Stamp.of(build.files[0].stat())
    assert not look.holds(found, look.sha256)
    settle(store, build)
    (look,) = read_looks(store.layout.seen(build.digest)).values()
    assert look.holds(found, look.sha256)
    assert not look.holds(found, sha256(b"another"))


def test_a_write_through_a_map_that_was_open_before_the_hash_is_found(store: Store, tmp_path: Path) -> None:
    """The kernel notes the first write to a page, and the next one only after the page was taken to the disk."""
    build = take_in(store, weights(tmp_path / "t.gguf"))
    build.files[0].chmod(0o644)
    with build.files[0].open("r+b") as file, mmap.mmap(file.fileno(), 0) as page:
        last = page[-1]
        page[-1] = last
        os.fsync(file.fileno())
        before = build.files[0].stat().st_ctime_ns
        page[-1] = last
        if build.files[0].stat().st_ctime_ns == before:
            pytest.skip("the kernel notes no such write on this file system: one in memory")
        store.find(parse("t"))
        settle(store, build)
        page[-1] = last ^ 1
        with pytest.raises(BuildChangedError, match="was changed"):
            store.find(parse("t"))


def test_a_pipe_in_the_place_of_weights_keeps_nobody_waiting(store: Store, tmp_path: Path) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    build.files[0].unlink()
    os.mkfifo(build.files[0])
    with pytest.raises(BuildChangedError, match="cannot be read: it is no regular file"):
        store.find(parse("t"))


def test_another_file_with_the_same_inode_elsewhere_is_hashed(store: Store, tmp_path: Path) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    store.find(parse("t"))
    settle(store, build)
    (look,) = read_looks(store.layout.seen(build.digest)).values()
    assert look.holds(look.stamp, look.sha256)
    assert not look.holds(look.stamp._replace(device=look.stamp.device + 1), look.sha256)


@pytest.mark.parametrize("mode", [0o666, 0o664])
def test_notes_that_others_may_write_are_not_believed(store: Store, tmp_path: Path, mode: int) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    before = os.umask(0)
    try:
        store.find(parse("t"))
    finally:
        os.umask(before)
    notes = settle(store, build)
    assert notes.stat().st_mode & 0o777 == 0o644
    assert read_looks(notes) != {}
    notes.chmod(mode)
    assert read_looks(notes) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_notes_of_a_strangers_hand_are_not_believed(store: Store, tmp_path: Path) -> None:
    notes = store.layout.seen(take_in(store, weights(tmp_path / "t.gguf")).digest)
    store.find(parse("t"))
    for owner, believed in ((12345, False), (0, True)):
        os.chown(notes, owner, owner)
        assert bool(read_looks(notes)) is believed
    os.chown(notes, 12345, 12345)
    os.chown(store.layout.home, 12345, 12345)
    assert read_looks(notes) != {}, "whose home it is may write everything in it"


def test_where_to_pull_from_is_one_word_of_a_shell(store: Store, tmp_path: Path) -> None:
    odd = tmp_path / "x; rm -rf ~"
    odd.mkdir()
    build = take_in(store, weights(odd / "t.gguf"))
    change(build.files[0], b"\x11\x11", b"\x11\x10")
    with pytest.raises(BuildChangedError) as caught:
        store.find(parse("t"))
    assert f"`freehold pull 'file:{odd}/t.gguf'`" in caught.value.hint


def test_what_the_catalog_has_is_pulled_again_by_its_name(store: Store, tmp_path: Path) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    deed, entry = store.deed(build), Catalog.load().entries()[0]
    kept = replace(deed.files[0], sha256=entry.build.sha256, size_bytes=entry.build.size_bytes)
    of_catalog = replace(deed, statement=replace(deed.statement, files=(kept,)))
    with pytest.raises(BuildChangedError) as caught:
        presence.confirm(deed_of(build).parent, of_catalog, store.layout.seen(build.digest))
    assert f"`freehold pull {entry.model.name}:{entry.build.tag}`" in caught.value.hint


def test_a_folder_that_is_a_link_goes_and_what_it_points_at_stays(store: Store, tmp_path: Path) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    folder = store.layout.build(build.digest)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert store.remove(parse("t")).name == "t:q4_1"
    assert store.builds() == () and (tmp_path / "elsewhere" / "t.gguf").exists()
    assert list((store.layout.home / "partial").iterdir()) == []
    again = take_in(store, tmp_path / "t.gguf")
    assert store.find(parse("t")) == again


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"x": [1]}', '{"x": ["a",1,2,3,4,5,"6"]}', '{"x": 5}', '{"x": [1,2,3,4,5,6,7]}', "[" * 99_999],
)
def test_damaged_notes_of_looks_are_no_notes(store: Store, tmp_path: Path, text: str) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    store.find(parse("t"))
    store.layout.seen(build.digest).write_text(text)
    assert store.find(parse("t")) == build


def test_a_changed_deed_is_refused_by_the_builds_name(store: Store, tmp_path: Path) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    change(deed_of(build), b'"license":null', b'"license":"mi"')
    for ref in ("t", "t:q4_1", f"file:{tmp_path / 't.gguf'}"):
        with pytest.raises(
            DeedChangedError, match=r"deed\.json was changed after it was written\. The sha256 of its statement is"
        ):
            store.find(parse(ref))


def test_a_flipped_digit_of_a_signature_is_refused_by_the_keys_name(store: Store, tmp_path: Path) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    signature = store.deed(build).signature
    assert signature is not None
    flipped = ("0" if signature.value[0] != "0" else "1") + signature.value[1:]
    change(deed_of(build), signature.value.encode(), flipped.encode())
    with pytest.raises(DeedSignatureError, match=f"is not what {store.keys.own()} made of this statement"):
        store.find(parse("t"))


def test_a_deed_written_anew_with_fitting_seals_is_still_not_signed(store: Store, tmp_path: Path) -> None:
    from tests.unit.test_deeds import resealed

    build = take_in(store, weights(tmp_path / "t.gguf"))
    resealed(deed_of(build), "statement", {"license": "mit"})
    with pytest.raises(DeedSignatureError, match="forged or damaged"):
        store.find(parse("t"))


def test_the_deed_of_another_build_is_refused_in_this_folder(store: Store, tmp_path: Path) -> None:
    one = take_in(store, weights(tmp_path / "one.gguf"))
    other = take_in(store, weights(tmp_path / "other.gguf", b"\x22"))
    shutil.copyfile(deed_of(other), deed_of(one))
    assert [build.name for build in store.builds()] == ["other:q4_1"]
    with pytest.raises(DeedError, match=f"is the deed of another build, {other.digest}"):
        store.confirm(one)
    for ref in ("one", "one:q4_1"):
        with pytest.raises(DeedError, match=f"is the deed of another build, {other.digest}"):
            store.find(parse(ref))
    with pytest.raises(NotFoundError) as caught:
        store.find(parse("on:q4_1"))
    assert "deed of another build" in caught.value.hint
    assert store.find(parse("other")) == other


def test_a_swapped_deed_of_a_build_with_a_chosen_name_is_found_by_where_the_build_is_pinned(
    store: Store, tmp_path: Path
) -> None:
    one = take_in(store, weights(tmp_path / "m-Q4_1-00001-of-00001.gguf"), name="mine:x")
    other = take_in(store, weights(tmp_path / "other.gguf", b"\x22"))
    shutil.copyfile(deed_of(other), deed_of(one))
    pinned = f"https://example.org/m.gguf#{one.digest.replace(':', '=')}"
    for ref in ("m", "m:q4_1", pinned):
        with pytest.raises(DeedError, match="is the deed of another build"):
            store.find(parse(ref))
    with pytest.raises(NotFoundError):
        store.find(parse("m:q4_0"))


def test_an_unsigned_deed_is_refused_once_the_house_has_a_key_until_it_is_signed(home: Path, tmp_path: Path) -> None:
    store = Store(home)
    build = take_in(store, weights(tmp_path / "t.gguf"))
    assert store.find(parse("t")) == build
    store.keys.create()
    with pytest.raises(DeedSignatureError, match="has no signature"):
        store.find(parse("t"))
    assert Store(home, Keys(store.layout.keys, unsigned="accept")).find(parse("t")) == build
    store.sign(parse("t"))
    assert store.find(parse("t")) == build


def test_a_deed_signed_by_a_strangers_key_is_refused(store: Store, tmp_path: Path) -> None:
    take_in(store, weights(tmp_path / "t.gguf"))
    stranger = Store(tmp_path / "elsewhere")
    stranger.keys.create()
    shutil.rmtree(store.layout.keys)
    shutil.copytree(stranger.layout.keys, store.layout.keys)
    with pytest.raises(DeedSignatureError, match="a key this house does not trust"):
        store.find(parse("t"))


def test_nothing_is_signed_whose_bytes_are_wrong(store: Store, tmp_path: Path) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    store.find(parse("t"))
    settle(store, build)
    before = deed_of(build).read_bytes()
    change(build.files[0], b"\x11\x11", b"\x11\x10")
    with pytest.raises(BuildChangedError):
        store.sign(parse("t"))
    assert deed_of(build).read_bytes() == before


def test_a_deed_with_a_wrong_signature_is_not_signed_over(store: Store, tmp_path: Path) -> None:
    """Whoever changed it would get the house's word for what they wrote."""
    from tests.unit.test_deeds import resealed

    build = take_in(store, weights(tmp_path / "t.gguf"))
    resealed(deed_of(build), "statement", {"license": "mit"})
    before = deed_of(build).read_bytes()
    with pytest.raises(DeedSignatureError, match="forged or damaged"):
        store.sign(parse("t"))
    assert deed_of(build).read_bytes() == before


def test_a_key_that_cannot_sign_stops_a_pull_before_it_begins(home: Path, tmp_path: Path) -> None:
    Keys(home / "keys", passphrase=Secret("secret")).create()
    store = Store(home)
    with pytest.raises(HouseKeyError, match="is encrypted"):
        take_in(store, weights(tmp_path / "t.gguf"))
    assert not (home / "partial").exists() and store.builds() == ()


def test_a_deed_of_version_1_is_opened_without_a_key_and_signed_as_what_it_is(home: Path, tmp_path: Path) -> None:
    store = Store(home)
    build = take_in(store, weights(tmp_path / "t.gguf"))
    digest = build.digest.removeprefix("sha256:")
    file = {"name": "t.gguf", "size_bytes": build.size_bytes, "sha256": digest, "verified": "unverified: recorded"}
    deed_of(build).write_text(json.dumps(FIRST_VERSION | {"digest": build.digest, "files": [file]}, indent=2))
    assert store.find(parse("m:q4_1")).files == build.files
    store.keys.create()
    with pytest.raises(DeedSignatureError, match="freehold deed sign m:q4_1"):
        store.find(parse("m:q4_1"))
    signed = store.sign(parse("m:q4_1"))
    assert (signed.statement.written_as, signed.statement.papers) == (1, None)
    assert store.find(parse("m:q4_1")).digest == build.digest


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_pulling_again_mends_a_deed_that_cannot_be_read(store: Store, tmp_path: Path, damage: str) -> None:
    path = weights(tmp_path / "t.gguf")
    build = take_in(store, path)
    if damage == "flipped":
        change(deed_of(build), b'"license":null', b'"license":"mi"')
    elif damage == "cut":
        deed_of(build).write_bytes(deed_of(build).read_bytes()[:100])
    else:
        deed_of(build).unlink()
    assert store.builds() == ()
    assert take_in(store, path) == build
    assert store.find(parse("t")) == build


def test_pulling_again_does_not_wash_a_wrong_signature(store: Store, tmp_path: Path) -> None:
    from tests.unit.test_deeds import resealed

    path = weights(tmp_path / "t.gguf")
    resealed(deed_of(take_in(store, path)), "statement", {"license": "mit"})
    with pytest.raises(DeedSignatureError, match="forged or damaged"):
        take_in(store, path)


def test_a_build_that_is_refused_can_be_removed(store: Store, tmp_path: Path) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    store.find(parse("t"))
    change(build.files[0], b"\x11\x11", b"\x11\x10")
    assert store.peek(parse("t")) == build
    assert store.remove(parse("t")).freed_bytes == build.size_bytes
    assert not store.layout.seen(build.digest).exists()


def test_a_build_that_moved_is_not_opened_where_it_was(store: Store, tmp_path: Path) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"), copy=False)
    take_in(store, tmp_path / "t.gguf")
    with pytest.raises(BuildChangedError, match="lies elsewhere now"):
        store.confirm(build)
    store.confirm(store.find(parse("t")))


def test_a_copy_over_a_file_in_place_is_signed_anew(store: Store, tmp_path: Path) -> None:
    take_in(store, weights(tmp_path / "t.gguf"), copy=False)
    copied = take_in(store, tmp_path / "t.gguf")
    assert store.keys.state(store.deed(copied)) == "valid"
    assert store.find(parse("t")) == copied


FIND_AS_NOBODY = """
import os, sys
from pathlib import Path
import cryptography.hazmat.primitives.serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from freehold.core.errors import FreeholdError
from freehold.core.refs import parse
from freehold.store.store import Store

if os.geteuid() == 0:  # root may read everything: ask as nobody
    os.setresuid(65534, 65534, 65534)
store = Store(Path(sys.argv[1]))
try:
    print(store.find(parse("t:q4_1")).name, store.keys.state(store.deed(store.find(parse("t")))))
    store.keys.require_signer()
except FreeholdError as error:
    print(type(error).__name__, error.message)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another account")
@pytest.mark.parametrize("closed", [False, True])
def test_another_account_checks_signatures_in_a_read_only_store_and_cannot_sign(closed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store = Store(root / "home")
        store.keys.create()
        take_in(store, weights(root / "t.gguf"))
        for item in (root, *root.rglob("*")):
            item.chmod(0o555 if item.is_dir() else item.stat().st_mode & 0o555)
        store.layout.keys.chmod(0o500 if closed else 0o555)
        command = [sys.executable, "-c", FIND_AS_NOBODY, str(root / "home")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        for item in (root, *(item for item in root.rglob("*") if item.is_dir())):
            item.chmod(0o755)
    assert done.stderr == ""
    cannot = f"HouseKeyError {store.layout.keys}{'' if closed else '/house.key'} cannot be read: Permission denied."
    assert done.stdout.splitlines() == ([] if closed else ["t:q4_1 valid"]) + [cannot]
