"""The store: what is found under which name, what removing frees, and what damage and a read-only disk get."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild
from freehold.core.errors import CallError, DeedError, NotFoundError, StoreError, WeightsError
from freehold.core.refs import parse
from freehold.store.pull import pull
from freehold.store.sources.disk import DiskSource
from freehold.store.store import Removed, Store
from tests.gguf_bytes import gguf
from tests.recorder import Recorder
from tests.wheels import sha256


@pytest.fixture
def store(home: Path) -> Store:
    return Store(home)


def take_in(store: Store, path: Path, *, copy: bool = True, name: str | None = None) -> HeldBuild:
    return asyncio.run(
        pull(
            parse(f"file:{path}"),
            store=store,
            catalog=Catalog([]),
            sources={"file": DiskSource()},
            progress=Recorder(),
            copy=copy,
            name=name,
        )
    )


def weights(path: Path, fill: bytes = b"\x11") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gguf(fill=fill))
    return path


def test_an_empty_store_holds_nothing_and_makes_nothing(store: Store, home: Path) -> None:
    assert store.builds() == ()
    assert store.problems() == ()
    assert not home.exists()


def test_a_kept_build_is_read_only_named_and_found_in_every_way(store: Store, tmp_path: Path) -> None:
    path = weights(tmp_path / "Tiny.Q4_1.gguf")
    build = take_in(store, path)
    assert (build.name, build.model, build.digest) == ("tiny:q4_1", "tiny", f"sha256:{sha256(path.read_bytes())}")
    assert build.files == (store.layout.home / "builds" / build.digest[7:] / "Tiny.Q4_1.gguf",)
    assert build.files[0].read_bytes() == path.read_bytes()
    assert build.files[0].stat().st_mode & 0o777 == 0o444
    assert build.size_bytes == len(path.read_bytes())
    for ref in ("tiny", "tiny:q4_1", f"file:{path}", "./Tiny.Q4_1.gguf"):
        assert store.find(parse(ref)) == build
    assert store.builds() == (build,)


def test_the_deed_says_that_nobody_named_a_hash(store: Store, tmp_path: Path) -> None:
    deed = store.deed(take_in(store, weights(tmp_path / "t.gguf")))
    assert [file.verified for file in deed.files] == ["unverified: recorded"]
    assert deed.origins[0].asked == f"file:{tmp_path / 't.gguf'}"
    assert deed.license is None


def test_what_is_not_held_gets_the_nearest_names_and_the_command(store: Store, tmp_path: Path) -> None:
    take_in(store, weights(tmp_path / "tiny.gguf"))
    with pytest.raises(NotFoundError) as caught:
        store.find(parse("tinny:q4_1"))
    assert caught.value.nearest == ("tiny:q4_1",)
    with pytest.raises(NotFoundError) as caught:
        store.find(parse("hf:org/repo:Q4_K_M"))
    assert "`freehold pull hf:org/repo:Q4_K_M`" in caught.value.hint


def test_only_a_pull_that_can_work_is_named(store: Store) -> None:
    with pytest.raises(NotFoundError) as caught:
        store.find(parse("smollm2-135m-instruct"))
    assert "`freehold pull smollm2-135m-instruct`" in caught.value.hint
    offer = "Pulled by name: gemma-3-270m, smollm2-135m-instruct"
    near = "`freehold pull smollm2-135m-instruct"
    cases = {
        "nonsense": offer,
        "smollm2-135m-instrukt": near,
        "smollm2-135m-instruct:q9": f"{near}:q4_1`",
        "smollm2-135m": "hf:HuggingFaceTB/SmolLM2-135M",
    }
    for unknown, named in cases.items():
        with pytest.raises(NotFoundError) as caught:
            store.find(parse(unknown))
        assert f"`freehold pull {unknown}`" not in caught.value.hint
        assert named in caught.value.hint
        assert "hf:org/repo:quant" in caught.value.hint.lower()


def test_a_remote_model_is_no_build(store: Store) -> None:
    with pytest.raises(CallError, match="is no build"):
        store.find(parse("openai:gpt-5"))


def test_removing_frees_the_bytes_and_every_name(store: Store, home: Path, tmp_path: Path) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    take_in(store, tmp_path / "t.gguf", name="mine:x")
    assert store.remove(parse("t:q4_1")) == Removed("mine:x", build.size_bytes)
    assert store.builds() == ()
    assert [item for item in home.rglob("*") if item.is_file() and item.parent.name != "locks"] == []
    with pytest.raises(NotFoundError):
        store.remove(parse("t:q4_1"))


def test_a_file_in_place_is_not_copied_and_not_removed(store: Store, tmp_path: Path) -> None:
    path = weights(tmp_path / "t.gguf")
    build = take_in(store, path, copy=False)
    assert build.files == (path,)
    assert store.is_in_place(build)
    assert store.remove(parse("t")) == Removed("t:q4_1", 0)
    assert path.exists()


def test_a_file_in_place_that_was_touched_is_hashed_again_and_stays(store: Store, tmp_path: Path) -> None:
    path = weights(tmp_path / "t.gguf")
    build = take_in(store, path, copy=False)
    os.utime(path, ns=(1, 1))
    assert store.find(parse("t")) == build


@pytest.mark.parametrize("change", ["content", "size", "gone"])
def test_a_file_in_place_that_changed_is_refused_by_name(store: Store, tmp_path: Path, change: str) -> None:
    path = weights(tmp_path / "t.gguf")
    take_in(store, path, copy=False)
    if change == "content":
        weights(path, b"\x22")
        os.utime(path, ns=(1, 1))
    elif change == "size":
        path.write_bytes(b"short")
    else:
        path.unlink()
    what = {"content": "was changed", "size": "has 5 bytes", "gone": "cannot be read"}[change]
    with pytest.raises(StoreError, match=what) as caught:
        store.find(parse("t:q4_1"))
    assert str(path) in caught.value.message
    assert "freehold rm t:q4_1" in caught.value.hint


def test_a_changed_file_in_place_is_another_build_when_it_is_taken_in_again(store: Store, tmp_path: Path) -> None:
    path = weights(tmp_path / "t.gguf")
    take_in(store, path, copy=False)
    weights(path, b"\x22")
    os.utime(path, ns=(1, 1))
    with pytest.raises(NotFoundError):
        store.find(parse(f"file:{path}"))
    build = take_in(store, path, copy=False)
    assert build.digest == f"sha256:{sha256(path.read_bytes())}"
    assert store.builds() == (build,)


def test_a_build_used_in_place_can_be_copied_later(store: Store, tmp_path: Path) -> None:
    path = weights(tmp_path / "t.gguf")
    take_in(store, path, copy=False)
    build = take_in(store, path)
    assert not store.is_in_place(build)
    path.unlink()
    assert store.find(parse("t")).files[0].exists()
    assert len(store.builds()) == 1


def test_the_last_build_given_a_name_has_it_and_the_other_keeps_one_of_its_own(store: Store, tmp_path: Path) -> None:
    old = take_in(store, weights(tmp_path / "a" / "t.gguf"))
    new = take_in(store, weights(tmp_path / "b" / "t.gguf", b"\x22"))
    assert store.find(parse("t:q4_1")).digest == new.digest
    displaced = f"t:q4_1-{old.digest[7:15]}"
    assert {build.name for build in store.builds()} == {"t:q4_1", displaced}
    assert store.find(parse(displaced)).digest == old.digest
    store.remove(parse("t:q4_1"))
    assert store.find(parse("t:q4_1")).digest == old.digest


def test_asking_for_the_displaced_build_again_shows_it_as_it_is_listed(store: Store, tmp_path: Path) -> None:
    old = weights(tmp_path / "a" / "t.gguf")
    take_in(store, old)
    take_in(store, weights(tmp_path / "b" / "t.gguf", b"\x22"))
    other = weights(tmp_path / "c" / "t.gguf")
    assert take_in(store, other).name in {build.name for build in store.builds()}
    assert len({build.name for build in store.builds()}) == 2


def test_a_model_without_a_tag_is_the_build_that_came_in_first(store: Store, tmp_path: Path) -> None:
    first = take_in(store, weights(tmp_path / "a.gguf"), name="m:z")
    take_in(store, weights(tmp_path / "b.gguf", b"\x22"), name="m:a")
    assert store.find(parse("m")).digest == first.digest


def test_a_deed_that_cannot_be_read_hides_its_own_build_alone(store: Store, tmp_path: Path) -> None:
    good = take_in(store, weights(tmp_path / "good.gguf"))
    bad = take_in(store, weights(tmp_path / "bad.gguf", b"\x22"))
    deed = bad.files[0].parent / "deed.json"
    deed.write_text(json.dumps({**json.loads(deed.read_text()), "version": 9}))
    assert store.builds() == (good,)
    assert ["version 9" in problem.message for problem in store.problems()] == [True]
    for ref in ("bad:q4_1", "bad", f"file:{tmp_path / 'bad.gguf'}"):
        with pytest.raises(DeedError, match="version 9"):
            store.find(parse(ref))
    with pytest.raises(NotFoundError) as caught:
        store.find(parse("ba:q4_1"))
    assert "version 9" in caught.value.hint


def test_a_held_file_of_another_size_is_refused_with_both_sizes(store: Store, tmp_path: Path) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    build.files[0].chmod(0o644)
    os.truncate(build.files[0], 7)
    with pytest.raises(StoreError, match=rf"has 7 bytes; {build.size_bytes} were kept"):
        store.find(parse("t"))


def test_a_split_build_is_one_build_with_all_its_files(store: Store, tmp_path: Path) -> None:
    from tests.gguf_bytes import KEYS, U32

    for number, keys in enumerate(({**KEYS}, {})):
        extra = {"split.count": (U32, 2), "split.no": (U32, number)}
        (tmp_path / f"t-0000{number + 1}-of-00002.gguf").write_bytes(gguf({**keys, **extra}))
    build = take_in(store, tmp_path / "t-00002-of-00002.gguf")
    assert [file.name for file in build.files] == ["t-00001-of-00002.gguf", "t-00002-of-00002.gguf"]
    assert build.name == "t:q4_1"
    assert build.size_bytes == sum(file.stat().st_size for file in build.files)


def test_a_file_that_is_no_weight_file_is_refused_before_it_is_copied(store: Store, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello\n")
    for copy in (True, False):
        with pytest.raises(WeightsError, match=r"notes\.txt is not a GGUF weight file\. It is text"):
            take_in(store, tmp_path / "notes.txt", copy=copy)
    assert not (store.layout.home / "partial").exists()
    assert not store.layout.quarantine.exists()


def test_a_missing_file_gets_the_nearest_names_of_its_folder(store: Store, tmp_path: Path) -> None:
    weights(tmp_path / "model.gguf")
    with pytest.raises(NotFoundError) as caught:
        take_in(store, tmp_path / "modle.gguf")
    assert caught.value.nearest[0] == str(tmp_path / "model.gguf")


READ_AND_WRITE = """
import asyncio, concurrent.futures.thread, os, sys
from pathlib import Path
from freehold.catalog import Catalog
from freehold.core.errors import ReadOnlyError
from freehold.core.progress import Silent
from freehold.core.refs import parse
from freehold.store.pull import pull
from freehold.store.sources.disk import DiskSource
from freehold.store.store import Store

if os.geteuid() == 0:  # root may write everywhere: ask as nobody
    os.setresuid(65534, 65534, 65534)
store = Store(Path(sys.argv[1]))
print([build.name for build in store.builds()], store.find(parse("t:q4_1")).name)
for write in (
    lambda: store.remove(parse("t:q4_1")),
    lambda: asyncio.run(pull(parse("file:" + sys.argv[2]), store=store, catalog=Catalog([]),
                             sources={"file": DiskSource()}, progress=Silent())),
):
    try:
        write()
    except ReadOnlyError as error:
        print(error.message.split(" cannot")[0])
"""


def test_a_read_only_store_can_be_read_and_says_so_when_it_is_written() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store = Store(root / "home")
        take_in(store, weights(root / "t.gguf"))
        weights(root / "u.gguf", b"\x22")
        for item in (root, *root.rglob("*")):
            item.chmod(0o555 if item.is_dir() else 0o444)
        command = [sys.executable, "-c", READ_AND_WRITE, str(root / "home"), str(root / "u.gguf")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        for item in (root, *(item for item in root.rglob("*") if item.is_dir())):
            item.chmod(0o755)
    assert done.stderr == ""
    locks = root / "home" / "locks"
    assert done.stdout.splitlines() == ["['t:q4_1'] t:q4_1", str(locks), str(locks)]


def test_a_home_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Not a directory") as caught:
        take_in(Store(tmp_path / "file" / "home"), weights(tmp_path / "t.gguf"))
    assert str(tmp_path / "file") in caught.value.message
